-- The locations that the last publish joined, one row per hub.
CREATE OR REPLACE VIEW locations AS
SELECT
    loc_id,
    tz,
    state,
    lon,
    lat,
    number,
    street,
    unit,
    city,
    district,
    region,
    postcode,
    id
FROM location_versions
WHERE content = '${content_hash}'
