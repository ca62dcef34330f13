-- rule hubs_with_usage, warning: Every hub with a location has a usable reading.
WITH used AS (
    SELECT DISTINCT loc_id
    FROM ${readings_table}
    WHERE verdict = 'used'
)

SELECT CASE WHEN u.loc_id IS NULL THEN h.loc_id END AS hubs_with_usage
FROM location_versions AS h
LEFT JOIN used AS u ON h.loc_id = u.loc_id
WHERE h.content = '${locations_content_hash}'
