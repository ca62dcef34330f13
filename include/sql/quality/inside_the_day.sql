-- Every interval starts on the usage day by the hub's own clock.
-- severity: fatal
SELECT
    count(*) AS checked,
    count_if(CAST(ts AS date) <> DATE '{{ day }}') AS violations,
    min(
        CASE WHEN CAST(ts AS date) <> DATE '{{ day }}' THEN loc_id || ' ' || CAST(ts AS varchar) END
    ) AS sample
FROM {{ published_table }}
