-- Every interval starts on the usage day by the hub's own clock.
-- severity: fatal
SELECT CASE WHEN CAST(ts AS date) <> DATE '{{ day }}' THEN loc_id || ' ' || CAST(ts AS varchar) END AS fault
FROM {{ published_table }}
