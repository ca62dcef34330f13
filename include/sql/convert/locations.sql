-- Locations as they came in, one row per hub, in Parquet. An empty field of the CSV becomes NULL.
-- in: raw_locations, all states
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}'
) AS
SELECT
    hash AS loc_id,
    tz,
    state,
    CAST(NULLIF(lon, '') AS double) AS lon,
    CAST(NULLIF(lat, '') AS double) AS lat,
    NULLIF(number, '') AS number,
    NULLIF(street, '') AS street,
    NULLIF(unit, '') AS unit,
    NULLIF(city, '') AS city,
    NULLIF(district, '') AS district,
    NULLIF(region, '') AS region,
    NULLIF(postcode, '') AS postcode,
    NULLIF(id, '') AS id
FROM raw_locations
