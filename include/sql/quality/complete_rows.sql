-- No NULL in key, device, rate or cost: an hour without a rate or a sensor without a name can't be charged.
-- severity: fatal
SELECT
    count(*) AS checked,
    count_if(incomplete) AS violations,
    min(CASE WHEN incomplete THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar) END) AS sample
FROM (
    SELECT
        loc_id,
        sensor,
        ts,
        loc_id IS NULL OR sensor IS NULL OR ts IS NULL OR ts_utc IS NULL OR device IS NULL OR type IS NULL
        OR cents_per_kwh IS NULL OR kwh IS NULL OR cost IS NULL AS incomplete
    FROM {{ published_table }}
)
