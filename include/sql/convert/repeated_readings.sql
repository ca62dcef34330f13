-- The number of (hub, ts) pairs with several readings, in one row.
-- in: the converted readings of the day
SELECT count(*) AS repeated
FROM (
    SELECT 1 AS one
    FROM ${readings_table}
    WHERE verdict = 'used'
    GROUP BY loc_id, ts
    HAVING count(*) > 1
) AS counted
