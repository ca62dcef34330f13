-- Every hub that sends readings has a location; those of others are rejected as unknown_hub.
-- severity: warning
SELECT CASE WHEN reason = 'unknown_hub' THEN loc_id END AS fault
FROM (
    SELECT DISTINCT
        loc_id,
        reason
    FROM {{ rejects_table }}
    WHERE sensor IS NULL
)
