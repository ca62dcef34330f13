-- What each device of a hub used and cost on the day, one row per hub, sensor and rate period.
-- kWh and cents, not rounded; intervals counts the values; shiftable: the device's use can wait for cheaper hours.
-- Identity: the day's rows add up to those of usage_cost. Sums are of decimals, whose order does not matter; a value
-- of 1e9 or more has no place in them (possible_power tells of it).
-- in: the day's compacted priced usage
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
    -- The one list of shiftable devices, by the names that the mappings give them; docs/insights.md tells what is left
    -- out, and why.
    device IN (
        -- are filled when it suits, and start by a timer
        'Clothes Washer',
        'Clothes Dryer',
        'Dishwasher',
        -- stands plugged in for longer than it charges
        'Electric Vehicle Charger',
        -- has so many hours to run a day, no matter which
        'Pool Pump',
        -- keeps in its tank what it has heated earlier
        'Water Heater'
    ) AS shiftable
FROM ${published_table}
GROUP BY loc_id, state, sensor, device, location, type
