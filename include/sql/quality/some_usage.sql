-- A day with no usable reading at all is a fault of its source, not a day without usage.
-- severity: fatal
SELECT
    count(*) AS checked,
    CASE WHEN count(*) = 0 THEN 1 ELSE 0 END AS violations,
    CAST(NULL AS varchar) AS sample
FROM {{ published_table }}
