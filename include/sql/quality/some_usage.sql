-- A day with no usable reading at all is a fault of its source, not a day without usage.
-- severity: fatal
SELECT CASE WHEN published = 0 THEN 'no value to publish' END AS fault
FROM (
    SELECT count(*) AS published
    FROM {{ published_table }}
)
