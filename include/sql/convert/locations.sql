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
    CAST(nullif(lon, '') AS double) AS lon,
    CAST(nullif(lat, '') AS double) AS lat,
    nullif(number, '') AS number,
    nullif(street, '') AS street,
    nullif(unit, '') AS unit,
    nullif(city, '') AS city,
    nullif(district, '') AS district,
    nullif(region, '') AS region,
    nullif(postcode, '') AS postcode,
    nullif(id, '') AS id
FROM raw_locations
