-- A mapping names a hub, a sensor from s_01 to s_10 and a device.
-- severity: fatal
SELECT
    CASE
        WHEN
            loc_id IS NULL OR device IS NULL OR sensor IS NULL OR NOT regexp_like(sensor, '^s_(0[1-9]|10)$')
            THEN
                file || ': loc_id ' || coalesce(loc_id, '?') || ', id ' || coalesce(sensor, '?') || ', description '
                || coalesce(device, '?')
    END AS fault
FROM mapping_versions
WHERE content = '{{ mappings }}'
