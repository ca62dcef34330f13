-- Lines in = readings used + lines rejected.
-- severity: fatal
SELECT
    count(*) AS checked,
    abs(count(*) - count_if(u.verdict = 'used') - (
        SELECT count(*)
        FROM {{ rejects_table }} AS r
        WHERE r.sensor IS NULL
    )) AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ usage_table }} AS u
