-- Priced usage of one day, one row per hub, interval and sensor, parted by verdict: 'used', or why not.
-- Rates join on the hub's own wall clock; they join before the ten values become rows, a tenth of the work.
-- in: the day's staged readings; mapping_versions, location_versions, rate_versions of the run's contents
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}',
    partitioned_by = ARRAY['verdict']
) AS
WITH hubs AS (
    SELECT
        loc_id,
        tz,
        state
    FROM location_versions
    WHERE content = '{{ locations }}'
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
    WHERE content = '{{ rates }}'
),

devices AS (
    SELECT
        loc_id,
        sensor,
        device,
        location
    FROM mapping_versions
    WHERE content = '{{ mappings }}'
),

readings AS (
    SELECT
        u.loc_id,
        u.ts,
        CAST(from_unixtime(u.ts, h.tz) AS timestamp) AS local_ts,
        h.tz,
        h.state,
        u.s_01,
        u.s_02,
        u.s_03,
        u.s_04,
        u.s_05,
        u.s_06,
        u.s_07,
        u.s_08,
        u.s_09,
        u.s_10,
        u.file
    FROM {{ usage_table }} AS u
    INNER JOIN hubs AS h ON u.loc_id = h.loc_id
    WHERE u.verdict = 'used'
),

priced AS (
    SELECT
        r.*,
        p.type,
        p.cents_per_kwh
    FROM readings AS r
    LEFT JOIN rates AS p
        ON
            r.state = p.state
            AND year(r.local_ts) = p.year
            AND month(r.local_ts) = p.month
            AND hour(r.local_ts) = p.hour
),

measured AS (
    SELECT
        p.loc_id,
        p.ts,
        p.local_ts,
        p.tz,
        p.state,
        p.type,
        p.cents_per_kwh,
        p.file,
        v.sensor,
        v.kwh
    FROM priced AS p
    CROSS JOIN UNNEST(
        ARRAY['s_01', 's_02', 's_03', 's_04', 's_05', 's_06', 's_07', 's_08', 's_09', 's_10'],
        ARRAY[p.s_01, p.s_02, p.s_03, p.s_04, p.s_05, p.s_06, p.s_07, p.s_08, p.s_09, p.s_10]
    ) AS v (sensor, kwh)
)

SELECT
    m.loc_id,
    d.device,
    d.location,
    m.local_ts AS ts,
    CAST(from_unixtime(m.ts, 'UTC') AS timestamp) AS ts_utc,
    m.tz,
    m.type,
    m.kwh,
    m.cents_per_kwh,
    m.kwh * m.cents_per_kwh AS cost,
    m.state,
    m.sensor,
    m.ts AS reading_ts,
    m.file,
    CASE
        WHEN m.kwh IS NULL THEN 'missing_value'
        WHEN NOT is_finite(m.kwh) THEN 'not_finite'
        WHEN d.loc_id IS NULL THEN 'unknown_sensor'
        ELSE 'used'
    END AS verdict
FROM measured AS m
LEFT JOIN devices AS d ON m.loc_id = d.loc_id AND m.sensor = d.sensor
