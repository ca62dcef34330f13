-- rule sensors_with_mapping, warning: Every sensor that sends values is mapped to a device. Values of other sensors are
-- rejected as unknown_sensor.
SELECT CASE WHEN reason = 'unknown_sensor' THEN loc_id || ' ' || sensor END AS sensors_with_mapping
FROM (
    SELECT DISTINCT
        loc_id,
        sensor,
        reason
    FROM ${rejects_table}
    WHERE sensor IS NOT NULL
) AS rejects
