-- Locations, one row per line of the raw files. Empty fields, and coordinates that are not numbers, become NULL.
-- Headers and blank lines are ignored.
-- in: raw_locations_lines, all states
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}'
) AS
SELECT
    nullif(hash, '') AS loc_id,
    nullif(tz, '') AS tz,
    regexp_extract("$path", '/state=([^/]*)/', 1) AS state,
    TRY_CAST(lon AS double) AS lon,
    TRY_CAST(lat AS double) AS lat,
    nullif(number, '') AS number,
    nullif(street, '') AS street,
    nullif(unit, '') AS unit,
    nullif(city, '') AS city,
    nullif(district, '') AS district,
    nullif(region, '') AS region,
    nullif(postcode, '') AS postcode,
    nullif(id, '') AS id,
    "$path" AS file
FROM raw_locations_lines
WHERE
    NOT regexp_like(lower(coalesce(hash, '')), '^\s*hash\s*$')
    AND regexp_like(
        coalesce(lon, '') || coalesce(lat, '') || coalesce(street, '') || coalesce(hash, '') || coalesce(tz, ''),
        '[^\s]'
    )
