-- Neither kWh nor cost is infinite or no number.
-- severity: fatal
SELECT
    CASE
        WHEN NOT is_finite(kwh) OR NOT is_finite(cost) THEN loc_id || ' ' || sensor || ' ' || CAST(ts AS varchar)
    END AS fault
FROM {{ published_table }}
