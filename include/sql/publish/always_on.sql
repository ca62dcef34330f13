-- What a hub draws when all is quiet, one row per hub whose always-on use is known of a published day.
-- days: how many these are; watts, kwh_per_year, cost_per_year (cents): by the mean of them, a year having 365.
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
