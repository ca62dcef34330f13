-- One row per hub, sensor and interval.
-- severity: fatal
SELECT CASE WHEN count(*) > 1 THEN loc_id || ' ' || sensor || ' ' || CAST(ts_utc AS varchar) || ' UTC' END AS fault
FROM {{ published_table }}
GROUP BY loc_id, sensor, ts_utc
