-- A hub's sensor is mapped to one device. The remedy: remove one of the two rows.
-- severity: fatal
SELECT CASE WHEN count(*) > 1 THEN min(file) || ': loc_id ' || loc_id || ', id ' || sensor END AS fault
FROM mapping_versions
WHERE content = '{{ mappings }}' AND loc_id IS NOT NULL AND sensor IS NOT NULL
GROUP BY loc_id, sensor
