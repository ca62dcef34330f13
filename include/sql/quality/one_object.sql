-- The day is one object, or as many as SMART_HUB_FILES_PER_DAY allows.
-- severity: fatal
SELECT CASE WHEN objects > {{ files }} THEN CAST(objects AS varchar) || ' objects' END AS fault
FROM (
    SELECT count(DISTINCT "$path") AS objects
    FROM {{ published_table }}
)
