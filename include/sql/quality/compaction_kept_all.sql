-- The compacted file holds the staged kWh, to the last of nine decimals (sums of doubles depend on their order).
-- severity: fatal
SELECT
    count(*) AS checked,
    CASE
        WHEN sum(CAST(kwh AS decimal(18, 9))) = (
            SELECT sum(CAST(kwh AS decimal(18, 9)))
            FROM {{ cost_table }}
            WHERE verdict = 'used'
        ) THEN 0
        ELSE 1
    END AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ published_table }}
