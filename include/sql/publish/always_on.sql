-- Always-on consumption, one row per hub, from the published days for which it is known. days: number of these days;
-- watts, kwh_per_year, cost_per_year (cents): from the mean of these days, for a year of 365 days.
CREATE OR REPLACE VIEW always_on AS
SELECT
    loc_id,
    state,
    count(*) AS days,
    avg(always_on_kwh / (intervals / 12e0)) * 1000 AS watts,
    365 * avg(always_on_kwh) AS kwh_per_year,
    365 * avg(always_on_cost) AS cost_per_year
FROM hub_day_summary
WHERE always_on_kwh IS NOT NULL
GROUP BY loc_id, state
