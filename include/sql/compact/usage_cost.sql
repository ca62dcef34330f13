-- The day's priced usage in as many files as asked for, one row per hub, sensor and interval.
-- One bucket is one file. Athena drops a plain ORDER BY here; with OFFSET it stays, and readers skip other
-- hubs' rows.
-- in: the day's staged priced usage
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
