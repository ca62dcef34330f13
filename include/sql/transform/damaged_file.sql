-- Adds the reject for a damaged compressed file that step 1 set aside: one row, without a line.
INSERT INTO ${table}
SELECT
    CAST(NULL AS varchar) AS loc_id,
    CAST(NULL AS bigint) AS ts,
    CAST(NULL AS varchar) AS sensor,
    'damaged_file' AS reason,
    ${file} AS file,
    CAST(NULL AS varchar) AS line
