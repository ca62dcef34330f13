-- Readings of one day, one row per record of its raw files, in Parquet, partitioned by verdict: 'used', or the reason
-- why the record is rejected. Lines are parsed as text, so that an odd one is rejected alone. Records that are glued
-- together on one line are split. Of several readings of one hub and ts, the one of the last file by path is used, then
-- the greater by the JSON text of its data.
-- data: the channels that have a number; odd: the others, as JSON; line: of a rejected record, or one with odd values.
-- in: raw_usage_lines of the day, location_versions of the run's content
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}',
    partitioned_by = ARRAY['verdict']
) AS
-- More than some thousand nested brackets fail the query in spite of TRY, so a line with more than 500 is not parsed.
WITH lines AS (
    SELECT
        "$path" AS file,
        line,
        CASE
            WHEN length(line) <= 500 OR length(line) - length(replace(replace(line, '{', ''), '[', '')) <= 500
                THEN TRY(CAST(json_parse(line) AS MAP (varchar, json)))
        END AS fields
    FROM raw_usage_lines
    WHERE dt = '{{ day }}' AND (line IS NULL OR regexp_like(line, '[^\s]'))
),

-- A brace inside of a text, or deeper nesting, makes the split unsafe: then the line stays whole, and is malformed.
records AS (
    SELECT
        l.file,
        coalesce(r.record, l.line) AS line,
        CASE
            WHEN r.record IS NULL THEN l.fields
            ELSE TRY(CAST(json_parse(r.record) AS MAP (varchar, json)))
        END AS fields
    FROM lines AS l
    CROSS JOIN UNNEST(
        CASE
            WHEN l.fields IS NULL AND regexp_like(l.line, '^\s*(\{[^{}]*(\{[^{}]*\}[^{}]*)?\}\s*)+$')
                THEN split(regexp_replace(l.line, '\}\s*\{', '}
{'), '
')
            ELSE ARRAY[CAST(NULL AS varchar)]
        END
    ) AS r (record)
),

members AS (
    SELECT
        file,
        line,
        fields IS NULL AS malformed,
        nullif(TRY(CAST(element_at(fields, 'loc_id') AS varchar)), '') AS loc_id,
        json_format(element_at(fields, 'ts')) AS ts,
        coalesce(json_format(element_at(fields, 'seconds')), '{{ interval_seconds }}') AS seconds,
        TRY(CAST(element_at(fields, 'data') AS MAP (varchar, json))) AS channels
    FROM records
),

-- Whole numbers count: 1576915200, "1576915200", 1.5769152E9.
readings AS (
    SELECT
        file,
        line,
        malformed,
        loc_id,
        ts IS NULL OR ts = 'null' AS without_ts,
        CASE
            WHEN regexp_like(ts, '^(-?[0-9]{1,18}|"[0-9]{1,18}")$') THEN CAST(replace(ts, '"', '') AS bigint)
            WHEN
                regexp_like(ts, '^[0-9]\.[0-9]{1,15}E[0-9]{1,2}$') AND CAST(ts AS double) < 1e15
                AND CAST(ts AS double) = floor(CAST(ts AS double))
                THEN CAST(CAST(ts AS double) AS bigint)
        END AS ts,
        CASE
            WHEN regexp_like(seconds, '^("[0-9]{1,4}"|[0-9]{1,4})$') THEN CAST(replace(seconds, '"', '') AS integer)
        END AS seconds,
        nullif(cardinality(channels), 0) IS NULL AS without_data,
        channels,
        -- A number, also in quotes. A boolean would become one, too.
        map_filter(
            transform_values(
                channels,
                (channel, value) -> CASE
                    WHEN
                        regexp_like(
                            json_format(value), '^(-?[0-9.]+(E-?[0-9]+)?|"\s*-?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?")$'
                        )
                        THEN TRY(CAST(value AS double))
                END
            ),
            (channel, kwh) -> is_finite(kwh)
        ) AS data
    FROM members
),

-- Start and end of the local day, in Unix seconds; NULL where the zone is unknown.
hubs AS (
    SELECT
        loc_id,
        to_unixtime(TRY(with_timezone(TIMESTAMP '{{ day }} 00:00:00', tz))) AS day_start,
        to_unixtime(TRY(with_timezone(TIMESTAMP '{{ next_day }} 00:00:00', tz))) AS day_end
    FROM location_versions
    WHERE content = '{{ locations }}'
),

judged AS (
    SELECT
        r.loc_id,
        r.ts,
        r.seconds,
        r.data,
        CASE
            WHEN cardinality(r.data) < cardinality(r.channels)
                THEN
                    json_format(
                        CAST(map_filter(r.channels, (channel, value) -> element_at(r.data, channel) IS NULL) AS json)
                    )
        END AS odd,
        r.file,
        r.line,
        CASE
            WHEN r.malformed THEN 'malformed'
            WHEN r.loc_id IS NULL THEN 'missing_loc_id'
            WHEN r.without_ts THEN 'missing_ts'
            WHEN r.ts IS NULL THEN 'bad_ts'
            WHEN r.seconds IS NULL OR r.seconds NOT BETWEEN 1 AND 3600 THEN 'bad_seconds'
            WHEN r.without_data THEN 'missing_data'
            WHEN h.loc_id IS NULL THEN 'unknown_hub'
            WHEN h.day_start IS NULL THEN 'unknown_zone'
            WHEN r.ts < h.day_start OR r.ts >= h.day_end THEN 'out_of_day'
            ELSE 'used'
        END AS verdict
    FROM readings AS r
    LEFT JOIN hubs AS h ON r.loc_id = h.loc_id
),

counted AS (
    SELECT
        judged.*,
        count(*) OVER (PARTITION BY loc_id, ts, verdict) AS copies
    FROM judged
),

-- The JSON text of the data is made only for readings that come more than once.
texts AS (
    SELECT
        counted.*,
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
        texts.*,
        row_number() OVER (PARTITION BY loc_id, ts, verdict ORDER BY file DESC, text DESC) AS copy,
        first_value(text) OVER (PARTITION BY loc_id, ts, verdict ORDER BY file DESC, text DESC) AS used_text
    FROM texts
),

verdicts AS (
    SELECT
        loc_id,
        ts,
        seconds,
        data,
        odd,
        file,
        line,
        CASE
            WHEN verdict <> 'used' OR copy = 1 THEN verdict
            WHEN text = used_text THEN 'duplicate'
            ELSE 'conflicting'
        END AS verdict
    FROM numbered
)

SELECT
    loc_id,
    ts,
    seconds,
    data,
    odd,
    file,
    -- Bytes that are no UTF-8 become U+FFFD: readers of Parquet refuse them.
    CASE WHEN verdict <> 'used' OR odd IS NOT NULL THEN from_utf8(to_utf8(line)) END AS line,
    verdict
FROM verdicts
