-- rule full_days, warning: A hub has a reading for each five minutes of its local day of 23, 24 or 25 hours.
WITH hubs AS (
    SELECT
        loc_id,
        CAST((
            to_unixtime(TRY(with_timezone(TIMESTAMP '${next_day} 00:00:00', tz)))
            - to_unixtime(TRY(with_timezone(TIMESTAMP '${day} 00:00:00', tz)))
        ) / 300 AS bigint) AS intervals
    FROM location_versions
    WHERE content = '${locations_content_hash}'
),

used AS (
    SELECT
        loc_id,
        count(*) AS readings
    FROM ${readings_table}
    WHERE verdict = 'used'
    GROUP BY loc_id
)

SELECT
    CASE
        WHEN
            u.readings < h.intervals
            THEN
                u.loc_id || ' partial: ' || CAST(u.readings AS varchar) || ' of '
                || CAST(h.intervals AS varchar) || ' intervals'
    END AS full_days
FROM used AS u
INNER JOIN hubs AS h ON u.loc_id = h.loc_id
