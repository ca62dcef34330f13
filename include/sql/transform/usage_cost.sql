-- Priced usage of one day, one row per hub, sensor and interval, partitioned by verdict: 'used', or 'unknown_sensor'
-- for values without a mapping. Rates join on the hub's local hour, before the values become rows, because that is a
-- fraction of the work.
-- in: the readings of step 3; mapping_versions, location_versions, rate_versions of the run's content hashes
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    partitioned_by = ARRAY['verdict']
) AS
WITH hubs AS (
    SELECT
        loc_id,
        tz,
        state
    FROM location_versions
    WHERE content = '${locations_content_hash}'
),

rates AS (
    SELECT
        state,
        year,
        month,
        hour,
        type,
        cents_per_kwh
    FROM rate_versions
    WHERE content = '${rates_content_hash}'
),

devices AS (
    SELECT
        loc_id,
        sensor,
        device,
        location
    FROM mapping_versions
    WHERE content = '${mappings_content_hash}' AND device IS NOT NULL
),

readings AS (
    SELECT
        u.loc_id,
        u.ts,
        h.tz,
        h.state,
        u.data,
        u.file
    FROM ${readings_table} AS u
    INNER JOIN hubs AS h ON u.loc_id = h.loc_id
    WHERE u.verdict = 'used'
),

-- Hubs of the same state and time zone share their local time and rates, so each interval is looked up once for them.
clock AS (
    SELECT
        ts,
        tz,
        state,
        CAST(from_unixtime(ts, tz) AS timestamp) AS local_ts,
        CAST(from_unixtime(ts, 'UTC') AS timestamp) AS ts_utc
    FROM readings
    GROUP BY ts, tz, state
),

intervals AS (
    SELECT
        c.*,
        r.type,
        r.cents_per_kwh
    FROM clock AS c
    LEFT JOIN rates AS r
        ON
            c.state = r.state
            AND year(c.local_ts) = r.year
            AND month(c.local_ts) = r.month
            AND hour(c.local_ts) = r.hour
),

measured AS (
    SELECT
        r.loc_id,
        r.ts,
        i.local_ts,
        i.ts_utc,
        r.tz,
        r.state,
        i.type,
        i.cents_per_kwh,
        r.file,
        v.sensor,
        v.kwh
    FROM readings AS r
    INNER JOIN intervals AS i ON r.ts = i.ts AND r.tz = i.tz AND r.state = i.state
    CROSS JOIN UNNEST(r.data) AS v (sensor, kwh)
)

SELECT
    m.loc_id,
    d.device,
    d.location,
    m.local_ts AS ts,
    m.ts_utc,
    m.tz,
    m.type,
    m.kwh,
    m.cents_per_kwh,
    m.kwh * m.cents_per_kwh AS cost,
    m.state,
    m.sensor,
    CASE WHEN d.loc_id IS NULL THEN m.file END AS file,
    CASE WHEN d.loc_id IS NULL THEN 'unknown_sensor' ELSE 'used' END AS verdict
FROM measured AS m
LEFT JOIN devices AS d ON m.loc_id = d.loc_id AND m.sensor = d.sensor
