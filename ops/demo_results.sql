-- The results of the demo's days, one row per day that was published.
-- in: usage_cost, readings, usage_rejects
WITH cost AS (
    SELECT
        dt,
        count(DISTINCT loc_id) AS hubs,
        count(*) AS published,
        sum(kwh) AS kwh,
        sum(cost) / 100 AS dollars,
        sum(CASE WHEN type = 'peak' THEN cost ELSE 0 END) / 100 AS peak_dollars
    FROM usage_cost
    WHERE dt BETWEEN DATE '${first}' AND DATE '${last}'
    GROUP BY dt
),

used AS (
    SELECT
        dt,
        count(*) AS readings
    FROM readings
    WHERE dt BETWEEN DATE '${first}' AND DATE '${last}'
    GROUP BY dt
),

rejects AS (
    SELECT
        dt,
        count_if(sensor IS NULL) AS readings_rejected,
        count_if(sensor IS NOT NULL) AS values_rejected
    FROM usage_rejects
    WHERE dt BETWEEN DATE '${first}' AND DATE '${last}'
    GROUP BY dt
)

SELECT
    CAST(c.dt AS varchar) AS day,
    c.hubs,
    coalesce(r.readings, 0) AS readings_used,
    coalesce(x.readings_rejected, 0) AS readings_rejected,
    c.published,
    coalesce(x.values_rejected, 0) AS values_rejected,
    c.kwh,
    c.dollars,
    c.peak_dollars
FROM cost AS c
LEFT JOIN used AS r ON c.dt = r.dt
LEFT JOIN rejects AS x ON c.dt = x.dt
ORDER BY c.dt
