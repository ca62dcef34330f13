-- rule mappings_with_usage, warning: Every mapped channel has a value, if its hub has any. Mappings without a device
-- are ignored.
WITH sent AS (
    SELECT DISTINCT
        loc_id,
        sensor
    FROM ${compacted_table}
),

hubs AS (
    SELECT DISTINCT loc_id
    FROM sent
)

SELECT CASE WHEN s.sensor IS NULL THEN m.loc_id || ' ' || m.sensor END AS mappings_with_usage
FROM mapping_versions AS m
INNER JOIN hubs AS h ON m.loc_id = h.loc_id
LEFT JOIN sent AS s ON m.loc_id = s.loc_id AND m.sensor = s.sensor
WHERE m.content = '${mappings_content_hash}' AND m.sensor IS NOT NULL AND m.device IS NOT NULL
