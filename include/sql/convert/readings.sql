-- Readings of one day, one row per record of its raw files, partitioned by verdict: 'used', or the reason why the
-- record is rejected. Lines are parsed as text, so a faulty line does not affect others. Records that are concatenated
-- on one line are split. data: channels with a number; numbers: their count; odd: other channels, as JSON; line: the
-- record, if it is rejected, has odd values, or with_lines is true.
-- in: raw_usage_lines of the day; location_versions of the run's content hash
CREATE TABLE ${table}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '${location}',
    partitioned_by = ARRAY['verdict']
) AS
-- Nearly all lines are plain: they have no other fields, and their data have only numbers. One cast parses them.
WITH lines AS (
    SELECT
        "$path" AS file,
        line,
        CASE
            WHEN
                regexp_like(
                    line,
                    '^\s*\{(\s|,|"loc_id"\s*:\s*"[^"\\]*"|"ts"\s*:\s*[0-9]{1,18}|"seconds"\s*:\s*[0-9]{1,4}'
                    || '|"data"\s*:\s*\{(\s|,|"[^"\\]*"\s*:\s*-?[0-9.]{1,18}([eE][+\-]?[0-9]{1,2})?)*\})*\}\s*$'
                )
                THEN
                    TRY(
                        CAST(
                            json_parse(line) AS ROW (
                                loc_id varchar, ts bigint, seconds integer, data MAP (varchar, double)
                            )
                        )
                    )
        END AS plain
    FROM raw_usage_lines
    WHERE dt = '${day}' AND (line IS NULL OR regexp_like(line, '[^\s]'))
),

-- A few thousand nested brackets fail the query, even with TRY, so lines with more than 500 are not parsed.
parsed AS (
    SELECT
        file,
        line,
        plain IS NOT NULL AS is_plain,
        plain.loc_id,
        plain.ts,
        plain.seconds,
        plain.data,
        CASE
            WHEN
                plain IS NULL
                AND (length(line) <= 500 OR length(line) - length(replace(replace(line, '{', ''), '[', '')) <= 500)
                THEN TRY(CAST(json_parse(line) AS MAP (varchar, json)))
        END AS fields
    FROM lines
),

-- With a brace in a string, or deeper nesting, a split would be unsafe: the line is not split, and is malformed.
records AS (
    SELECT
        l.*,
        coalesce(r.record, l.line) AS record,
        CASE
            WHEN r.record IS NULL THEN l.fields
            ELSE TRY(CAST(json_parse(r.record) AS MAP (varchar, json)))
        END AS members
    FROM parsed AS l
    CROSS JOIN UNNEST(
        CASE
            WHEN NOT l.is_plain AND l.fields IS NULL AND regexp_like(l.line, '^\s*(\{[^{}]*(\{[^{}]*\}[^{}]*)?\}\s*)+$')
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
        record AS line,
        is_plain,
        NOT is_plain AND members IS NULL AS malformed,
        loc_id,
        ts,
        seconds,
        data,
        CASE WHEN NOT is_plain THEN json_format(element_at(members, 'loc_id')) END AS loc_id_text,
        CASE WHEN NOT is_plain THEN json_format(element_at(members, 'ts')) END AS ts_text,
        CASE WHEN NOT is_plain THEN json_format(element_at(members, 'seconds')) END AS seconds_text,
        CASE WHEN NOT is_plain THEN TRY(CAST(element_at(members, 'data') AS MAP (varchar, json))) END AS channels
    FROM records
),

-- Valid whole numbers are 1576915200, "1576915200" and 1.5769152E9.
readings AS (
    SELECT
        file,
        line,
        malformed,
        nullif(
            CASE
                WHEN is_plain THEN loc_id
                WHEN regexp_like(loc_id_text, '^"') THEN CAST(json_parse(loc_id_text) AS varchar)
                WHEN regexp_like(loc_id_text, '^[^\[{n]') THEN loc_id_text
            END,
            ''
        ) AS loc_id,
        ts IS NULL AND (ts_text IS NULL OR ts_text = 'null') AS without_ts,
        CASE
            WHEN ts IS NOT NULL THEN ts
            WHEN regexp_like(ts_text, '^(-?[0-9]{1,18}|"[0-9]{1,18}")$') THEN CAST(replace(ts_text, '"', '') AS bigint)
            WHEN
                regexp_like(ts_text, '^[0-9]\.[0-9]{1,15}E[0-9]{1,2}$') AND CAST(ts_text AS double) < 1e15
                AND CAST(ts_text AS double) = floor(CAST(ts_text AS double))
                THEN CAST(CAST(ts_text AS double) AS bigint)
        END AS ts,
        CASE
            WHEN seconds IS NOT NULL THEN seconds
            WHEN seconds_text IS NULL THEN ${interval_seconds}
            WHEN regexp_like(seconds_text, '^("[0-9]{1,4}"|[0-9]{1,4})$')
                THEN CAST(replace(seconds_text, '"', '') AS integer)
        END AS seconds,
        coalesce(cardinality(data), cardinality(channels), 0) = 0 AS without_data,
        channels,
        CASE
            WHEN is_plain THEN data
            -- Numbers, also in quotes. The regular expression excludes booleans, which the cast would accept.
            ELSE map_filter(
                transform_values(
                    channels,
                    (channel, value) -> CASE
                        WHEN
                            regexp_like(
                                json_format(value),
                                '^(-?[0-9.]+(E-?[0-9]+)?|"\s*-?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?")$'
                            )
                            THEN TRY(CAST(value AS double))
                    END
                ),
                (channel, kwh) -> is_finite(kwh)
            )
        END AS data
    FROM members
),

-- Start and end of the local day, in Unix seconds; NULL if the time zone is unknown.
hubs AS (
    SELECT
        loc_id,
        to_unixtime(TRY(with_timezone(TIMESTAMP '${day} 00:00:00', tz))) AS day_start,
        to_unixtime(TRY(with_timezone(TIMESTAMP '${next_day} 00:00:00', tz))) AS day_end
    FROM location_versions
    WHERE content = '${locations_content_hash}'
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
)

SELECT
    loc_id,
    ts,
    seconds,
    data,
    cardinality(data) AS numbers,
    odd,
    file,
    -- Replaces invalid UTF-8, which readers of Parquet refuse, with U+FFFD.
    CASE WHEN ${with_lines} OR verdict <> 'used' OR odd IS NOT NULL THEN from_utf8(to_utf8(line)) END AS line,
    verdict
FROM judged
