-- rule complete_rows, fatal: Key, device and kWh are not NULL, because a sensor without a device cannot be billed.
-- rule finite_usage, fatal: kWh and cost are neither infinite nor NaN.
-- rule hours_with_rate, fatal: Every hour with usage has a rate, and therefore a cost. Remedy: add the hour to the
-- rates.
-- rule inside_the_day, fatal: Every interval starts on the usage day in the hub's local time.
-- rule no_negative_usage, fatal: Energy is never negative.
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
FROM ${compacted_table}
