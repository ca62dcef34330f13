-- The number of times that several readings of one hub have the same ts.
-- in: the day's staged readings
SELECT count(*) AS repeated
FROM (
    SELECT 1 AS one
    FROM ${readings_table}
    WHERE verdict = 'used'
    GROUP BY loc_id, ts
    HAVING count(*) > 1
) AS counted
