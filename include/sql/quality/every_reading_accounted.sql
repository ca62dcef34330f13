-- Lines in = readings used + lines rejected.
-- severity: fatal
SELECT
    count(*) AS checked,
    abs(count(*) - count_if(verdict = 'used') - (
        SELECT count(*)
        FROM {{ rejects_table }}
        WHERE sensor IS NULL
    )) AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ usage_table }}
