-- Savings of a hub if a shiftable device ran only at the cheapest rate, one row per hub and sensor with a shiftable
-- device; kWh and cents, not rounded. Hubs with a coverage below SMART_HUB_MIN_COVERAGE are omitted. cost: of the peak
-- and partial-peak kWh; shifted_cost: of the same kWh at the cheapest rate of the state in the local month; saving:
-- cost - shifted_cost, never negative, because both are rounded value by value; saving_per_year: 365 times saving.
-- in: the day's compacted usage and daily_device_cost; rate_versions of the run's content hash
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    bucketed_by = ARRAY['loc_id'],
    bucket_count = 1
) AS
WITH shiftable_devices AS (
    SELECT DISTINCT device
    FROM ${daily_device_cost_table}
    WHERE shiftable
),

cheapest_rates AS (
    SELECT
        state,
        min(cents_per_kwh) AS cents_per_kwh
    FROM rate_versions
    WHERE content = '${rates_content_hash}' AND year = year(DATE '${day}') AND month = month(DATE '${day}')
    GROUP BY state
),

-- A local day has 276, 288 or 300 intervals of five minutes.
covered_hubs AS (
    SELECT loc_id
    FROM ${compacted_table}
    GROUP BY loc_id, tz
    HAVING
        CAST(count(DISTINCT ts_utc) AS double) / ((
            to_unixtime(with_timezone(TIMESTAMP '${next_day} 00:00:00', tz))
            - to_unixtime(with_timezone(TIMESTAMP '${day} 00:00:00', tz))
        ) / 300) >= CAST('${min_coverage}' AS double)
),

shifts AS (
    SELECT
        u.loc_id,
        u.state,
        u.sensor,
        u.device,
        u.location,
        CAST(sum(TRY_CAST(u.kwh AS decimal(18, 9))) FILTER (WHERE u.type = 'peak') AS double) AS peak_kwh,
        CAST(sum(TRY_CAST(u.kwh AS decimal(18, 9))) FILTER (WHERE u.type = 'partial-peak') AS double)
            AS partial_peak_kwh,
        CAST(sum(TRY_CAST(u.cost AS decimal(18, 9))) FILTER (WHERE u.type IN ('peak', 'partial-peak')) AS double)
            AS cost,
        CAST(
            sum(TRY_CAST(u.kwh * c.cents_per_kwh AS decimal(18, 9)))
            FILTER (WHERE u.type IN ('peak', 'partial-peak')) AS double
        ) AS shifted_cost
    FROM ${compacted_table} AS u
    INNER JOIN covered_hubs AS h ON u.loc_id = h.loc_id
    INNER JOIN shiftable_devices AS s ON u.device = s.device
    INNER JOIN cheapest_rates AS c ON u.state = c.state
    GROUP BY u.loc_id, u.state, u.sensor, u.device, u.location
)

SELECT
    loc_id,
    state,
    sensor,
    device,
    location,
    coalesce(peak_kwh, 0e0) AS peak_kwh,
    coalesce(partial_peak_kwh, 0e0) AS partial_peak_kwh,
    coalesce(cost, 0e0) AS cost,
    coalesce(shifted_cost, 0e0) AS shifted_cost,
    coalesce(cost - shifted_cost, 0e0) AS saving,
    coalesce(365 * (cost - shifted_cost), 0e0) AS saving_per_year
FROM shifts
