-- Lines in = readings used + lines rejected.
-- severity: fatal
SELECT
    CASE
        WHEN
            readings <> used + rejected
            THEN
                CAST(readings AS varchar) || ' lines, ' || CAST(used AS varchar) || ' used and '
                || CAST(rejected AS varchar) || ' rejected'
    END AS fault
FROM (
    SELECT
        count(*) AS readings,
        count_if(u.verdict = 'used') AS used,
        (
            SELECT count(*)
            FROM {{ rejects_table }} AS r
            WHERE r.sensor IS NULL
        ) AS rejected
    FROM {{ usage_table }} AS u
)
