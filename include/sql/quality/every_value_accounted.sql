-- Ten values for each reading used = rows published + values rejected.
-- severity: fatal
SELECT
    CASE
        WHEN
            10 * used <> published + rejected
            THEN
                CAST(used AS varchar) || ' readings, ' || CAST(published AS varchar) || ' values published and '
                || CAST(rejected AS varchar) || ' rejected'
    END AS fault
FROM (
    SELECT
        count(*) AS used,
        (
            SELECT count(*)
            FROM {{ published_table }}
        ) AS published,
        (
            SELECT count(*)
            FROM {{ rejects_table }} AS r
            WHERE r.sensor IS NOT NULL
        ) AS rejected
    FROM {{ usage_table }} AS u
    WHERE u.verdict = 'used'
)
