-- The empty table of rejects of a day on which all is usable: its raw text need not be read.
-- in: the day's staged readings, all of verdict 'used'
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
