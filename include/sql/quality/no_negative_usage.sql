-- Appliances draw energy, they do not return any.
-- severity: fatal
SELECT
    count(*) AS checked,
    count_if(kwh < 0) AS violations,
    min(CASE WHEN kwh < 0 THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar) END) AS sample
FROM {{ published_table }}
