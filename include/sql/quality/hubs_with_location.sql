-- rule hubs_with_location, warning: Every hub that sends readings has a location. Readings of other hubs are rejected
-- as unknown_hub.
SELECT CASE WHEN reason = 'unknown_hub' THEN loc_id END AS hubs_with_location
FROM (
    SELECT DISTINCT
        loc_id,
        reason
    FROM ${rejects_table}
    WHERE sensor IS NULL
) AS rejects
