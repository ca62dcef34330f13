-- rule some_usage, fatal: A day with no usable reading at all is a fault of its source, not a day without usage.
SELECT CASE WHEN published = 0 THEN 'no value to publish' END AS some_usage
FROM (
    SELECT count(*) AS published
    FROM ${published_table}
) AS totals
