-- Readings of one day, with one reading for each hub and ts: of several, the one of the last file by path is used, then
-- the greater by the JSON text of its data.
-- in: the day's staged readings, with their lines
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    partitioned_by = ARRAY['verdict']
) AS
WITH counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY loc_id, ts, verdict) AS copies
    FROM ${readings_table}
),

-- The JSON text of the data is made only for readings that come more than once.
texts AS (
    SELECT
        *,
        CASE
            WHEN verdict = 'used' AND copies > 1
                THEN
                    json_format(
                        CAST(
                            CAST(
                                element_at(CAST(json_parse(line) AS MAP (varchar, json)), 'data') AS MAP (varchar, json)
                            ) AS json
                        )
                    )
        END AS text
    FROM counted
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY loc_id, ts, verdict ORDER BY file DESC, text DESC) AS copy,
        first_value(text) OVER (PARTITION BY loc_id, ts, verdict ORDER BY file DESC, text DESC) AS used_text
    FROM texts
)

SELECT
    loc_id,
    ts,
    seconds,
    data,
    numbers,
    odd,
    file,
    CASE WHEN verdict <> 'used' OR copy > 1 OR odd IS NOT NULL THEN line END AS line,
    CASE
        WHEN verdict <> 'used' OR copy = 1 THEN verdict
        WHEN text = used_text THEN 'duplicate'
        ELSE 'conflicting'
    END AS verdict
FROM numbered
