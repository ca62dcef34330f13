-- rule every_reading_accounted, fatal: Records in = readings used + records rejected.
SELECT
    CASE
        WHEN
            records <> used + rejected
            THEN
                CAST(records AS varchar) || ' records, ' || CAST(used AS varchar) || ' used and '
                || CAST(rejected AS varchar) || ' rejected'
    END AS every_reading_accounted
FROM (
    SELECT
        count(*) AS records,
        count_if(u.verdict = 'used') AS used,
        (
            SELECT count(*)
            FROM ${rejects_table} AS r
            WHERE r.sensor IS NULL AND r.reason <> 'damaged_file'
        ) AS rejected
    FROM ${readings_table} AS u
) AS totals
