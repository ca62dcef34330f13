-- What was not usable of one day: one row per rejected line (sensor is NULL) or value, with the reason.
-- in: the day's staged readings and priced usage
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}'
) AS
SELECT
    loc_id,
    ts,
    CAST(NULL AS varchar) AS sensor,
    verdict AS reason,
    file,
    CAST(NULL AS varchar) AS line
FROM {{ usage_table }}
WHERE verdict <> 'used'
UNION ALL
SELECT
    loc_id,
    reading_ts AS ts,
    sensor,
    verdict AS reason,
    file,
    CAST(NULL AS varchar) AS line
FROM {{ cost_table }}
WHERE verdict <> 'used'
