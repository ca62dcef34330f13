-- Every hour with usage has a rate and so a cost. The remedy: add the hour to the rates.
-- severity: fatal
SELECT
    CASE
        WHEN
            type IS NULL OR cents_per_kwh IS NULL OR cost IS NULL
            THEN
                state || ' ' || CAST(year(ts) AS varchar) || '-' || CAST(month(ts) AS varchar)
                || ' hour ' || CAST(hour(ts) AS varchar)
    END AS fault
FROM {{ published_table }}
