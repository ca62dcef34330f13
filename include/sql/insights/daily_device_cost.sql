-- Energy and cost of each device on one day, one row per hub, sensor and rate period; kWh and cents, not rounded.
-- intervals: number of values; shiftable: the device's use can wait for cheaper hours. The rows add up to those of
-- usage_cost. Sums are of decimals, so they do not depend on the order of rows; values of 1e9 or more, which the rule
-- possible_power reports, are ignored.
-- in: the day's compacted usage
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    bucketed_by = ARRAY['loc_id'],
    bucket_count = 1
) AS
SELECT
    loc_id,
    state,
    sensor,
    device,
    location,
    type,
    count(*) AS intervals,
    CAST(sum(TRY_CAST(kwh AS decimal(18, 9))) AS double) AS kwh,
    CAST(sum(TRY_CAST(cost AS decimal(18, 9))) AS double) AS cost,
    -- The list of shiftable devices, by their names in the mappings; docs/insights.md explains which are omitted.
    device IN (
        -- can be started by a timer
        'Clothes Washer',
        'Clothes Dryer',
        'Dishwasher',
        -- is plugged in for longer than it charges
        'Electric Vehicle Charger',
        -- runs a number of hours a day, no matter which
        'Pool Pump',
        -- stores hot water in its tank
        'Water Heater'
    ) AS shiftable
FROM ${compacted_table}
GROUP BY loc_id, state, sensor, device, location, type
