-- Mappings, one row per line of the raw files. Fields that are missing or of another type become NULL. Blank lines are
-- ignored.
-- in: raw_mappings_lines, all states
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}'
) AS
WITH lines AS (
    SELECT
        "$path" AS file,
        CASE
            WHEN length(line) <= 500 OR length(line) - length(replace(replace(line, '{', ''), '[', '')) <= 500
                THEN TRY(CAST(json_parse(line) AS MAP (varchar, json)))
        END AS fields
    FROM raw_mappings_lines
    WHERE line IS NULL OR regexp_like(line, '[^\s]')
)

SELECT
    nullif(TRY(CAST(element_at(fields, 'loc_id') AS varchar)), '') AS loc_id,
    nullif(TRY(CAST(element_at(fields, 'id') AS varchar)), '') AS sensor,
    nullif(TRY(CAST(element_at(fields, 'description') AS varchar)), '') AS device,
    TRY(CAST(element_at(fields, 'location') AS varchar)) AS location,
    TRY(CAST(element_at(fields, 'watts') AS bigint)) AS watts,
    TRY(CAST(element_at(fields, 'last_modified') AS bigint)) AS last_modified,
    regexp_extract(file, '/state=([^/]*)/', 1) AS state,
    file
FROM lines
