-- rule some_usage, fatal: The day has a usable reading. A day without any is a fault of its source.
SELECT CASE WHEN published = 0 THEN 'no value to publish' END AS some_usage
FROM (
    SELECT count(*) AS published
    FROM ${compacted_table}
) AS totals
