-- Readings of one day, one row per line of its raw files, in Parquet, parted by verdict: 'used', or why not.
-- Of several readings of one hub and interval the one in the last file by name is used.
-- in: raw_usage of the day, location_versions of the run's content
CREATE TABLE {{ table }}
WITH (
    format = 'PARQUET',
    write_compression = 'SNAPPY',
    external_location = '{{ location }}',
    partitioned_by = ARRAY['verdict']
) AS
WITH readings AS (
    SELECT
        loc_id,
        ts,
        data.s_01 AS s_01,
        data.s_02 AS s_02,
        data.s_03 AS s_03,
        data.s_04 AS s_04,
        data.s_05 AS s_05,
        data.s_06 AS s_06,
        data.s_07 AS s_07,
        data.s_08 AS s_08,
        data.s_09 AS s_09,
        data.s_10 AS s_10,
        data IS NULL AS without_data,
        "$path" AS file
    FROM raw_usage
    WHERE dt = '{{ day }}'
),

numbered AS (
    SELECT
        readings.*,
        row_number() OVER (
            PARTITION BY loc_id, ts
            ORDER BY
                without_data ASC,
                file DESC,
                s_01 ASC,
                s_02 ASC,
                s_03 ASC,
                s_04 ASC,
                s_05 ASC,
                s_06 ASC,
                s_07 ASC,
                s_08 ASC,
                s_09 ASC,
                s_10 ASC
        ) AS copy
    FROM readings
),

-- Start and end of the local day, in Unix seconds; NULL where the zone is unknown.
hubs AS (
    SELECT
        loc_id,
        to_unixtime(TRY(with_timezone(TIMESTAMP '{{ day }} 00:00:00', tz))) AS day_start,
        to_unixtime(TRY(with_timezone(TIMESTAMP '{{ next_day }} 00:00:00', tz))) AS day_end
    FROM location_versions
    WHERE content = '{{ locations }}'
)

SELECT
    n.loc_id,
    n.ts,
    n.s_01,
    n.s_02,
    n.s_03,
    n.s_04,
    n.s_05,
    n.s_06,
    n.s_07,
    n.s_08,
    n.s_09,
    n.s_10,
    n.file,
    CASE
        WHEN n.loc_id IS NULL AND n.ts IS NULL AND n.without_data THEN 'malformed'
        WHEN n.loc_id IS NULL THEN 'missing_loc_id'
        WHEN n.ts IS NULL THEN 'missing_ts'
        WHEN n.without_data THEN 'missing_data'
        WHEN h.loc_id IS NULL THEN 'unknown_hub'
        WHEN h.day_start IS NULL THEN 'unknown_zone'
        WHEN n.ts < h.day_start OR n.ts >= h.day_end THEN 'out_of_day'
        WHEN n.copy > 1 THEN 'duplicate'
        ELSE 'used'
    END AS verdict
FROM numbered AS n
LEFT JOIN hubs AS h ON n.loc_id = h.loc_id
