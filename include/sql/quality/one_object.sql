-- rule one_object, fatal: The day has at most SMART_HUB_FILES_PER_DAY objects.
SELECT CASE WHEN objects > ${files} THEN CAST(objects AS varchar) || ' objects' END AS one_object
FROM (
    SELECT count(DISTINCT "$path") AS objects
    FROM ${compacted_table}
) AS totals
