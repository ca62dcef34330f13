-- Every sensor that sends values is mapped to a device; values of others are rejected as unknown_sensor.
-- severity: warning
SELECT CASE WHEN reason = 'unknown_sensor' THEN loc_id || ' ' || sensor END AS fault
FROM (
    SELECT DISTINCT
        loc_id,
        sensor,
        reason
    FROM {{ rejects_table }}
    WHERE sensor IS NOT NULL
)
