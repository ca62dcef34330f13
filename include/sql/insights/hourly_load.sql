-- The load of each state, as measured and shifted, one row per state, local hour and rate period; kWh and cents, not
-- rounded. hubs: hubs with a value. shifted_kwh: the load if shiftable devices ran only in the cheapest hours: their
-- energy in other hours is removed there, and spread evenly over the hours of the state's cheapest rate in the month
-- that have a load. Without such hours, shifted_kwh equals kwh. kwh and cost add up to usage_cost; in each state,
-- shifted_kwh adds up to kwh.
-- in: the day's compacted usage and daily_device_cost; rate_versions of the run's content hash
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    bucketed_by = ARRAY['state'],
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

loads AS (
    SELECT
        u.state,
        hour(u.ts) AS hour,
        u.type,
        u.cents_per_kwh,
        coalesce(u.cents_per_kwh = c.cents_per_kwh, FALSE) AS is_cheapest,
        count(DISTINCT u.loc_id) AS hubs,
        sum(TRY_CAST(u.kwh AS decimal(18, 9))) AS kwh,
        sum(TRY_CAST(u.cost AS decimal(18, 9))) AS cost,
        coalesce(
            sum(TRY_CAST(u.kwh AS decimal(18, 9))) FILTER (WHERE s.device IS NOT NULL), CAST(0 AS decimal(38, 9))
        ) AS shiftable_kwh
    FROM ${compacted_table} AS u
    LEFT JOIN shiftable_devices AS s ON u.device = s.device
    LEFT JOIN cheapest_rates AS c ON u.state = c.state
    GROUP BY u.state, hour(u.ts), u.type, u.cents_per_kwh, c.cents_per_kwh
),

moves AS (
    SELECT
        state,
        count_if(is_cheapest) AS cheapest_hours,
        CAST(sum(shiftable_kwh) FILTER (WHERE NOT is_cheapest) AS double) AS kwh
    FROM loads
    GROUP BY state
),

shifted AS (
    SELECT
        l.*,
        CASE
            WHEN m.cheapest_hours = 0 OR m.kwh IS NULL THEN CAST(l.kwh AS double)
            WHEN l.is_cheapest THEN CAST(l.kwh AS double) + m.kwh / m.cheapest_hours
            ELSE CAST(l.kwh AS double) - CAST(l.shiftable_kwh AS double)
        END AS shifted_kwh
    FROM loads AS l
    INNER JOIN moves AS m ON l.state = m.state
)

SELECT
    state,
    CAST(hour AS integer) AS hour,
    type,
    cents_per_kwh,
    hubs,
    CAST(kwh AS double) AS kwh,
    CAST(cost AS double) AS cost,
    CAST(shiftable_kwh AS double) AS shiftable_kwh,
    shifted_kwh,
    shifted_kwh * cents_per_kwh AS shifted_cost
FROM shifted
