-- rule sound_locations, warning: A location has a hash and a known time zone, and its state has rates. Otherwise the
-- hub's readings are rejected, or have no rate.
WITH states AS (
    SELECT DISTINCT state
    FROM rate_versions
    WHERE content = '${rates_content_hash}'
)

SELECT
    CASE
        WHEN
            h.loc_id IS NULL OR s.state IS NULL
            OR TRY(with_timezone(TIMESTAMP '${day} 00:00:00', h.tz)) IS NULL
            THEN
                h.file || ': hash ' || coalesce(h.loc_id, '?') || ', tz ' || coalesce(h.tz, '?')
                || ', state ' || h.state
    END AS sound_locations
FROM location_versions AS h
LEFT JOIN states AS s ON h.state = s.state
WHERE h.content = '${locations_content_hash}'
