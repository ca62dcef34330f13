-- The compacted file holds the staged kWh to nine decimals (sums of doubles depend on their order).
-- severity: fatal
SELECT
    count(*) AS checked,
    CASE
        WHEN sum(CAST(p.kwh AS decimal(18, 9))) = (
            SELECT sum(CAST(c.kwh AS decimal(18, 9)))
            FROM {{ cost_table }} AS c
            WHERE c.verdict = 'used'
        ) THEN 0
        ELSE 1
    END AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ published_table }} AS p
