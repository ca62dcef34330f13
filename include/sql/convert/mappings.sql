-- Mappings as they came in, one row per hub and sensor, in Parquet.
-- in: raw_mappings, all states
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}'
) AS
SELECT
    loc_id,
    id AS sensor,
    description AS device,
    location,
    watts,
    last_modified,
    state,
    "$path" AS file
FROM raw_mappings
