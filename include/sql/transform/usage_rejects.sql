-- What was not usable of one day: one row per rejected line (sensor is NULL) or value, with the reason and the line.
-- Athena knows no line numbers. A reading's line is found by the hub and the interval that the text says; several
-- differing lines of one hub and interval in one file stand together. A reading that lacks one of the two gets, in
-- order, one of the file's lines that belong to no other reading.
-- in: the day's staged readings and priced usage; raw_usage_lines of the day
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}'
) AS
WITH rejected AS (
    SELECT
        u.loc_id,
        u.ts,
        CAST(NULL AS varchar) AS sensor,
        CASE
            WHEN
                u.verdict = 'duplicate'
                AND NOT (
                    u.s_01 IS NOT DISTINCT FROM k.s_01
                    AND u.s_02 IS NOT DISTINCT FROM k.s_02
                    AND u.s_03 IS NOT DISTINCT FROM k.s_03
                    AND u.s_04 IS NOT DISTINCT FROM k.s_04
                    AND u.s_05 IS NOT DISTINCT FROM k.s_05
                    AND u.s_06 IS NOT DISTINCT FROM k.s_06
                    AND u.s_07 IS NOT DISTINCT FROM k.s_07
                    AND u.s_08 IS NOT DISTINCT FROM k.s_08
                    AND u.s_09 IS NOT DISTINCT FROM k.s_09
                    AND u.s_10 IS NOT DISTINCT FROM k.s_10
                )
                THEN 'conflicting'
            ELSE u.verdict
        END AS reason,
        u.file
    FROM {{ usage_table }} AS u
    LEFT JOIN {{ usage_table }} AS k ON u.loc_id = k.loc_id AND u.ts = k.ts AND k.verdict = 'used'
    WHERE u.verdict <> 'used'
    UNION ALL
    SELECT
        loc_id,
        reading_ts AS ts,
        sensor,
        verdict AS reason,
        file
    FROM {{ cost_table }}
    WHERE verdict <> 'used'
),

nameless AS (
    SELECT
        r.*,
        row_number() OVER (PARTITION BY r.file ORDER BY r.loc_id ASC, r.ts ASC) AS place
    FROM rejected AS r
    WHERE r.loc_id IS NULL OR r.ts IS NULL
),

-- Keys match in any case, and a number may stand in quotes, as for the reader of raw_usage.
lines AS (
    SELECT
        "$path" AS file,
        line,
        regexp_extract(line, '"[lL][oO][cC]_[iI][dD]"\s*:\s*"([^"]*)"', 1) AS loc_id,
        TRY_CAST(regexp_extract(line, '"[tT][sS]"\s*:\s*"?(-?[0-9]+)', 1) AS bigint) AS ts
    FROM raw_usage_lines
    WHERE dt = '{{ day }}'
),

wanted AS (
    SELECT DISTINCT
        file,
        loc_id,
        ts
    FROM rejected
),

named_lines AS (
    SELECT
        n.file,
        n.loc_id,
        n.ts,
        array_join(array_agg(DISTINCT l.line ORDER BY l.line ASC), '
') AS line
    FROM wanted AS n
    INNER JOIN lines AS l ON n.file = l.file AND n.loc_id = l.loc_id AND n.ts = l.ts
    GROUP BY n.file, n.loc_id, n.ts
),

named AS (
    SELECT DISTINCT
        file,
        loc_id,
        ts
    FROM {{ usage_table }}
    WHERE loc_id IS NOT NULL AND ts IS NOT NULL
),

spare_lines AS (
    SELECT
        l.file,
        l.line,
        row_number() OVER (PARTITION BY l.file ORDER BY l.loc_id ASC, l.ts ASC, l.line ASC) AS place
    FROM lines AS l
    LEFT JOIN named AS u ON l.file = u.file AND l.loc_id = u.loc_id AND l.ts = u.ts
    WHERE u.file IS NULL
)

SELECT
    r.loc_id,
    r.ts,
    r.sensor,
    r.reason,
    r.file,
    l.line
FROM rejected AS r
LEFT JOIN named_lines AS l ON r.file = l.file AND r.loc_id = l.loc_id AND r.ts = l.ts
WHERE r.loc_id IS NOT NULL AND r.ts IS NOT NULL
UNION ALL
SELECT
    n.loc_id,
    n.ts,
    n.sensor,
    n.reason,
    n.file,
    s.line
FROM nameless AS n
LEFT JOIN spare_lines AS s ON n.file = s.file AND n.place = s.place
