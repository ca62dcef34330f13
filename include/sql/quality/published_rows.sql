-- rule complete_rows, fatal: No NULL in key, device or kWh: a sensor without a name cannot be charged.
-- rule finite_usage, fatal: Neither kWh nor cost is infinite or no number.
-- rule hours_with_rate, fatal: Every hour with usage has a rate and so a cost. The remedy: add the hour to the rates.
-- rule inside_the_day, fatal: Every interval starts on the usage day by the hub's own clock.
-- rule no_negative_usage, fatal: Appliances draw energy, they do not return any.
SELECT
    CASE
        WHEN
            loc_id IS NULL OR sensor IS NULL OR ts IS NULL OR ts_utc IS NULL OR tz IS NULL OR state IS NULL
            OR device IS NULL OR kwh IS NULL
            THEN coalesce(loc_id, '?') || ' ' || coalesce(sensor, '?') || ' ' || coalesce(CAST(ts AS varchar), '?')
    END AS complete_rows,
    CASE
        WHEN NOT is_finite(kwh) OR NOT is_finite(cost) THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar)
    END AS finite_usage,
    CASE
        WHEN
            type IS NULL OR cents_per_kwh IS NULL OR cost IS NULL
            THEN
                state || ' ' || CAST(year(ts) AS varchar) || '-' || CAST(month(ts) AS varchar)
                || ' hour ' || CAST(hour(ts) AS varchar)
    END AS hours_with_rate,
    CASE WHEN CAST(ts AS date) <> DATE '${day}' THEN loc_id || ' ' || CAST(ts AS varchar) END AS inside_the_day,
    CASE WHEN kwh < 0 THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar) END AS no_negative_usage
FROM ${published_table}
