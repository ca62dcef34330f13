-- Readings of one day, one row per record, with one used reading for each hub and ts: the one in the last file by path;
-- within one file, the one whose data sort last as JSON text. The others have the verdict 'duplicate' or 'conflicting'.
-- in: the converted readings of the day, with the lines of all records
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

-- Only repeated readings need the JSON text of their data.
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
