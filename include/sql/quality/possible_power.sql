-- rule possible_power, warning: A device draws at most its watts times SMART_HUB_WATTS_MARGIN in the five minutes of a
-- value.
SELECT
    CASE
        WHEN
            -- watts: kWh in five minutes × 12 × 1000
            12000 * p.kwh > m.watts * CAST('${watts_margin}' AS double)
            THEN p.loc_id || ' ' || p.sensor || ' ' || CAST(p.ts AS varchar)
    END AS possible_power
FROM ${compacted_table} AS p
INNER JOIN mapping_versions AS m ON p.loc_id = m.loc_id AND p.sensor = m.sensor
WHERE m.content = '${mappings_content_hash}'
