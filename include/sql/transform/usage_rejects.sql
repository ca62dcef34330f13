-- What was not usable of one day: one row per rejected line (sensor is NULL) or value, with the reason and the line.
-- Athena knows no line numbers. A reading's line is found by the hub and the interval that the text says; several
-- differing lines of one hub and interval in one file stand together. Readings without a line of their own (one of the
-- two is missing, or spelled with an escape) get, in order, those of the file's lines that are no other reading's.
-- in: the day's staged readings and priced usage; raw_usage_lines of the day
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}'
) AS
WITH readings AS (
    SELECT
        u.*,
        row_number() OVER (
            PARTITION BY u.file, u.loc_id, u.ts
            ORDER BY CASE WHEN u.verdict = 'used' THEN 0 ELSE 1 END ASC, u.verdict ASC
        ) AS copy
    FROM {{ usage_table }} AS u
),

rejected AS (
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
        u.file,
        u.copy
    FROM readings AS u
    LEFT JOIN {{ usage_table }} AS k ON u.loc_id = k.loc_id AND u.ts = k.ts AND k.verdict = 'used'
    WHERE u.verdict <> 'used'
    UNION ALL
    SELECT
        c.loc_id,
        u.ts,
        c.sensor,
        c.verdict AS reason,
        u.file,
        1 AS copy  -- of a reading used, which comes first
    FROM {{ cost_table }} AS c
    INNER JOIN {{ usage_table }} AS u
        ON c.loc_id = u.loc_id AND c.ts_utc = CAST(from_unixtime(u.ts, 'UTC') AS timestamp) AND u.verdict = 'used'
    WHERE c.verdict <> 'used'
),

-- Keys match in any case, the last of equal keys counts, and a number may stand in quotes, as for the reader of
-- raw_usage.
lines AS (
    SELECT
        "$path" AS file,
        line,
        regexp_extract(line, '.*"[lL][oO][cC]_[iI][dD]"\s*:\s*"([^"]*)"', 1) AS loc_id,
        TRY_CAST(regexp_extract(line, '.*"[tT][sS]"\s*:\s*"?(-?[0-9]+)', 1) AS bigint) AS ts
    FROM raw_usage_lines
    WHERE dt = '{{ day }}'
),

named_lines AS (
    SELECT
        file,
        loc_id,
        ts,
        array_join(array_agg(DISTINCT line ORDER BY line ASC), '
') AS line
    FROM lines
    WHERE loc_id IS NOT NULL AND ts IS NOT NULL
    GROUP BY file, loc_id, ts
),

nameless AS (
    SELECT
        r.file,
        r.loc_id,
        r.ts,
        r.copy,
        row_number() OVER (PARTITION BY r.file ORDER BY r.ts ASC, r.loc_id ASC, r.copy ASC) AS place
    FROM readings AS r
    LEFT JOIN named_lines AS l ON r.file = l.file AND r.loc_id = l.loc_id AND r.ts = l.ts
    WHERE l.file IS NULL
),

spare_lines AS (
    SELECT
        l.file,
        l.line,
        row_number() OVER (PARTITION BY l.file ORDER BY l.ts ASC, l.loc_id ASC, l.line ASC) AS place
    FROM lines AS l
    LEFT JOIN readings AS r ON l.file = r.file AND l.loc_id = r.loc_id AND l.ts = r.ts AND r.copy = 1
    WHERE r.file IS NULL
),

other_lines AS (
    SELECT
        n.file,
        coalesce(n.loc_id, '') AS loc_id,
        coalesce(n.ts, -1) AS ts,
        n.copy,
        s.line
    FROM nameless AS n
    INNER JOIN spare_lines AS s ON n.file = s.file AND n.place = s.place
)

SELECT
    r.loc_id,
    r.ts,
    r.sensor,
    r.reason,
    r.file,
    coalesce(l.line, o.line) AS line
FROM rejected AS r
LEFT JOIN named_lines AS l ON r.file = l.file AND r.loc_id = l.loc_id AND r.ts = l.ts
LEFT JOIN other_lines AS o
    ON
        r.file = o.file
        AND coalesce(r.loc_id, '') = o.loc_id
        AND coalesce(r.ts, -1) = o.ts
        AND r.copy = o.copy
