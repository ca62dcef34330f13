-- rule one_mapping_per_sensor, fatal: A hub's sensor has one mapping. Remedy: remove the other rows.
SELECT CASE WHEN count(*) > 1 THEN min(file) || ': loc_id ' || loc_id || ', id ' || sensor END AS one_mapping_per_sensor
FROM mapping_versions
WHERE content = '${mappings_content_hash}' AND loc_id IS NOT NULL AND sensor IS NOT NULL
GROUP BY loc_id, sensor
