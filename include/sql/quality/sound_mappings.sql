-- rule sound_mappings, warning: A mapping has a hub, a channel of 1 to 64 characters and a device.
SELECT
    CASE
        WHEN
            loc_id IS NULL OR device IS NULL OR sensor IS NULL OR length(sensor) > 64
            THEN
                file || ': loc_id ' || coalesce(loc_id, '?') || ', id ' || coalesce(sensor, '?') || ', description '
                || coalesce(device, '?')
    END AS sound_mappings
FROM mapping_versions
WHERE content = '${mappings_content_hash}'
