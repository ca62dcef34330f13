-- A day with no usable reading at all is a fault of its source, not a day without usage.
-- severity: fatal
SELECT CASE WHEN count(*) = 0 THEN 'no value to publish' END AS fault
FROM {{ published_table }}
