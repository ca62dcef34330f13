-- Summary of the day, one row per hub: coverage, energy and cost, at peak and always on, and the devices with the
-- highest costs; kWh and cents, not rounded. readings: intervals with a value; intervals: those of the local day (276,
-- 288 or 300). always_on_kwh: the lowest kWh of an hour of the day, times the hours of the day (docs/insights.md); an
-- hour counts if each sensor has all twelve values. always_on_cost: at the mean rate of the hub's readings. Both are
-- NULL without such an hour, or if the coverage is below SMART_HUB_MIN_COVERAGE. Of devices with equal cost or saving,
-- the one on the first sensor comes first. best_saving is NULL if peak_shift has no saving above 0. kwh and cost are
-- the sums of the hub's rows in daily_device_cost.
-- in: the day's compacted usage, daily_device_cost and peak_shift
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    bucketed_by = ARRAY['loc_id'],
    bucket_count = 1
) AS
WITH readings AS (
    SELECT
        loc_id,
        state,
        tz,
        ts_utc,
        count(*) AS kwh_values,
        sum(TRY_CAST(kwh AS decimal(18, 9))) AS kwh,
        max(TRY_CAST(cents_per_kwh AS decimal(18, 9))) AS cents_per_kwh
    FROM ${compacted_table}
    GROUP BY loc_id, state, tz, ts_utc
),

hubs AS (
    SELECT
        loc_id,
        state,
        tz,
        count(*) AS readings,
        CAST((
            to_unixtime(with_timezone(TIMESTAMP '${next_day} 00:00:00', tz))
            - to_unixtime(with_timezone(TIMESTAMP '${day} 00:00:00', tz))
        ) / 300 AS bigint) AS intervals,
        CAST(sum(cents_per_kwh) AS double) / count(cents_per_kwh) AS mean_rate
    FROM readings
    GROUP BY loc_id, state, tz
),

totals AS (
    SELECT
        loc_id,
        count(DISTINCT sensor) AS sensors,
        CAST(sum(TRY_CAST(kwh AS decimal(18, 9))) AS double) AS kwh,
        CAST(sum(TRY_CAST(cost AS decimal(18, 9))) AS double) AS cost,
        CAST(sum(TRY_CAST(kwh AS decimal(18, 9))) FILTER (WHERE type = 'peak') AS double) AS peak_kwh,
        CAST(sum(TRY_CAST(cost AS decimal(18, 9))) FILTER (WHERE type = 'peak') AS double) AS peak_cost
    FROM ${daily_device_cost_table}
    GROUP BY loc_id
),

-- Hours in UTC, because the local hour that is repeated when clocks go back is two hours.
complete_hours AS (
    SELECT
        r.loc_id,
        sum(r.kwh) AS kwh
    FROM readings AS r
    INNER JOIN totals AS t ON r.loc_id = t.loc_id
    GROUP BY r.loc_id, t.sensors, date_trunc('hour', r.ts_utc)
    HAVING count(*) = 12 AND sum(r.kwh_values) = 12 * t.sensors
),

quietest_hours AS (
    SELECT
        loc_id,
        CAST(min(kwh) AS double) AS kwh
    FROM complete_hours
    GROUP BY loc_id
),

devices AS (
    SELECT
        loc_id,
        sensor,
        device,
        sum(TRY_CAST(cost AS decimal(18, 9))) AS cost
    FROM ${daily_device_cost_table}
    GROUP BY loc_id, sensor, device
),

ranked_devices AS (
    SELECT
        loc_id,
        device,
        CAST(cost AS double) AS cost,
        row_number() OVER (PARTITION BY loc_id ORDER BY cost DESC, sensor ASC) AS place
    FROM devices
),

costliest_devices AS (
    SELECT
        loc_id,
        max(device) FILTER (WHERE place = 1) AS device_1,
        max(cost) FILTER (WHERE place = 1) AS device_1_cost,
        max(device) FILTER (WHERE place = 2) AS device_2,
        max(cost) FILTER (WHERE place = 2) AS device_2_cost,
        max(device) FILTER (WHERE place = 3) AS device_3,
        max(cost) FILTER (WHERE place = 3) AS device_3_cost
    FROM ranked_devices
    GROUP BY loc_id
),

ranked_savings AS (
    SELECT
        loc_id,
        device,
        saving,
        row_number() OVER (PARTITION BY loc_id ORDER BY saving DESC, sensor ASC) AS place
    FROM ${peak_shift_table}
    WHERE saving > 0
),

days AS (
    SELECT
        h.loc_id,
        h.state,
        h.tz,
        h.readings,
        h.intervals,
        CAST(h.readings AS double) / h.intervals AS coverage,
        h.mean_rate,
        CASE
            WHEN CAST(h.readings AS double) / h.intervals >= CAST('${min_coverage}' AS double)
                THEN q.kwh * h.intervals / 12
        END AS always_on_kwh
    FROM hubs AS h
    LEFT JOIN quietest_hours AS q ON h.loc_id = q.loc_id
)

SELECT
    d.loc_id,
    d.state,
    d.tz,
    d.readings,
    d.intervals,
    d.coverage,
    t.kwh,
    t.cost,
    coalesce(t.peak_kwh, 0e0) AS peak_kwh,
    coalesce(t.peak_cost, 0e0) AS peak_cost,
    coalesce(t.peak_cost, 0e0) / nullif(t.cost, 0e0) AS peak_share,
    d.always_on_kwh,
    d.always_on_kwh * d.mean_rate AS always_on_cost,
    c.device_1,
    c.device_1_cost,
    c.device_2,
    c.device_2_cost,
    c.device_3,
    c.device_3_cost,
    s.device AS best_saving_device,
    s.saving AS best_saving
FROM days AS d
INNER JOIN totals AS t ON d.loc_id = t.loc_id
INNER JOIN costliest_devices AS c ON d.loc_id = c.loc_id
LEFT JOIN ranked_savings AS s ON d.loc_id = s.loc_id AND s.place = 1
