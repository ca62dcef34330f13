-- The rejects of one day, one row per rejected record (sensor is NULL) or value, with the reason and the line. The line
-- of a value whose channel has no mapping is NULL, because its reading is in the table readings.
-- in: the readings of step 3, the priced usage of step 5
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}'
) AS
WITH odd_values AS (
    SELECT
        r.loc_id,
        r.ts,
        v.sensor,
        json_format(v.value) AS value,
        r.file,
        r.line
    FROM (
        SELECT
            loc_id,
            ts,
            odd,
            file,
            line
        FROM ${readings_table}
        WHERE verdict = 'used' AND odd IS NOT NULL
    ) AS r
    CROSS JOIN UNNEST(CAST(json_parse(r.odd) AS MAP (varchar, json))) AS v (sensor, value)
)

SELECT
    loc_id,
    ts,
    CAST(NULL AS varchar) AS sensor,
    verdict AS reason,
    file,
    line
FROM ${readings_table}
WHERE verdict <> 'used'
UNION ALL
SELECT
    loc_id,
    ts,
    sensor,
    CASE
        WHEN value = 'null' THEN 'missing_value'
        WHEN regexp_like(value, '^"(-?Infinity|\s*-?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?)"$') THEN 'not_finite'
        ELSE 'not_numeric'
    END AS reason,
    file,
    line
FROM odd_values
UNION ALL
SELECT
    loc_id,
    CAST(to_unixtime(with_timezone(ts_utc, 'UTC')) AS bigint) AS ts,
    sensor,
    verdict AS reason,
    file,
    CAST(NULL AS varchar) AS line
FROM ${cost_table}
WHERE verdict <> 'used'
