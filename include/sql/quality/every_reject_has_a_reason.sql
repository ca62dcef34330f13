-- What was rejected is found again: it has a reason and a file.
-- severity: fatal
SELECT CASE WHEN reason IS NULL OR file IS NULL THEN coalesce(loc_id, '?') || ' ' || coalesce(file, '?') END AS fault
FROM {{ rejects_table }}
