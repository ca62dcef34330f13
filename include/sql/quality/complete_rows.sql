-- No NULL in key, device or kWh: a sensor without a name cannot be charged.
-- severity: fatal
SELECT
    CASE
        WHEN
            loc_id IS NULL OR sensor IS NULL OR ts IS NULL OR ts_utc IS NULL OR tz IS NULL OR state IS NULL
            OR device IS NULL OR kwh IS NULL
            THEN coalesce(loc_id, '?') || ' ' || coalesce(sensor, '?') || ' ' || coalesce(CAST(ts AS varchar), '?')
    END AS fault
FROM {{ published_table }}
