-- One row per hub, sensor and interval.
-- severity: fatal
SELECT
    count(*) AS checked,
    count_if(copies > 1) AS violations,
    min(CASE WHEN copies > 1 THEN loc_id || ' ' || sensor END) AS sample
FROM (
    SELECT
        loc_id,
        sensor,
        ts_utc,
        count(*) AS copies
    FROM {{ published_table }}
    GROUP BY loc_id, sensor, ts_utc
)
