-- A hub has one location. The remedy: remove one of the two rows.
-- severity: fatal
SELECT CASE WHEN count(*) > 1 THEN min(file) || ': hash ' || loc_id END AS fault
FROM location_versions
WHERE content = '{{ locations }}' AND loc_id IS NOT NULL
GROUP BY loc_id
