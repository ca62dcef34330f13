-- rule one_location_per_hub, fatal: A hub has one location. Remedy: remove the other rows.
SELECT CASE WHEN count(*) > 1 THEN min(file) || ': hash ' || loc_id END AS one_location_per_hub
FROM location_versions
WHERE content = '${locations_content_hash}' AND loc_id IS NOT NULL
GROUP BY loc_id
