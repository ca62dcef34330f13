-- rule one_row_per_value, fatal: One row per hub, sensor and interval.
SELECT
    CASE
        WHEN count(*) > 1 THEN loc_id || ' ' || sensor || ' ' || CAST(ts_utc AS varchar) || ' UTC'
    END AS one_row_per_value
FROM ${compacted_table}
GROUP BY loc_id, sensor, ts_utc
