-- Priced usage of one day in ${files} files, one row per hub, sensor and interval.
-- Each bucket is one file. Athena drops a plain ORDER BY in a CREATE TABLE AS, but not one with OFFSET; readers of one
-- hub can then skip the row groups of others.
-- in: the priced usage of step 5
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    bucketed_by = ARRAY['loc_id'],
    bucket_count = ${files}
) AS
SELECT
    loc_id,
    device,
    location,
    ts,
    ts_utc,
    tz,
    type,
    kwh,
    cents_per_kwh,
    cost,
    state,
    sensor
FROM ${cost_table}
WHERE verdict = 'used'
ORDER BY loc_id, ts_utc, device
-- noqa: disable=PRS
OFFSET 0
