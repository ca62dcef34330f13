-- Appliances draw energy, they do not return any.
-- severity: fatal
SELECT CASE WHEN kwh < 0 THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar) END AS fault
FROM {{ published_table }}
