-- The mappings that the last publish joined, one row per hub and sensor.
CREATE OR REPLACE VIEW mappings AS
SELECT
    loc_id,
    sensor,
    device,
    location,
    watts,
    last_modified,
    state
FROM mapping_versions
WHERE content = '${content_hash}'
