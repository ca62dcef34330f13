-- The load of all states, one row per day and local hour; kWh and cents.
CREATE OR REPLACE VIEW provider_load AS
SELECT
    dt,
    hour,
    sum(kwh) AS kwh,
    sum(cost) AS cost,
    sum(shifted_kwh) AS shifted_kwh,
    sum(shifted_cost) AS shifted_cost,
    sum(hubs) AS hubs
FROM hourly_load
GROUP BY dt, hour
