-- The reject of a compressed file that is cut off or damaged, and was set aside: one row, without line.
-- in: nothing
INSERT INTO {{ table }}
SELECT
    CAST(NULL AS varchar) AS loc_id,
    CAST(NULL AS bigint) AS ts,
    CAST(NULL AS varchar) AS sensor,
    'damaged_file' AS reason,
    {{ file }} AS file,
    CAST(NULL AS varchar) AS line
