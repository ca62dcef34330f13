-- Ten values for each reading used = rows published + values rejected.
-- severity: fatal
SELECT
    10 * count(*) AS checked,
    abs(10 * count(*) - (
        SELECT count(*)
        FROM {{ published_table }}
    ) - (
        SELECT count(*)
        FROM {{ rejects_table }} AS r
        WHERE r.sensor IS NOT NULL
    )) AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ usage_table }} AS u
WHERE u.verdict = 'used'
