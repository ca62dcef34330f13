-- rule every_reject_has_a_reason, fatal: Each reject has a reason and a file.
SELECT
    CASE
        WHEN reason IS NULL OR file IS NULL THEN coalesce(loc_id, '?') || ' ' || coalesce(file, '?')
    END AS every_reject_has_a_reason
FROM ${rejects_table}
