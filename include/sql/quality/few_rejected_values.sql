-- rule few_rejected_values, warning: At most 5 % of a hub's values are rejected, including those of channels without a
-- mapping.
WITH sent AS (
    SELECT
        loc_id,
        sum(
            coalesce(numbers, 0) + coalesce(cardinality(CAST(json_parse(odd) AS MAP (varchar, json))), 0)
        ) AS kwh_values
    FROM ${readings_table}
    WHERE verdict = 'used'
    GROUP BY loc_id
),

rejected AS (
    SELECT
        loc_id,
        count(*) AS kwh_values
    FROM ${rejects_table}
    WHERE sensor IS NOT NULL
    GROUP BY loc_id
)

SELECT
    CASE
        WHEN
            20 * r.kwh_values > s.kwh_values  -- 5 %
            THEN
                s.loc_id || ': ' || CAST(r.kwh_values AS varchar) || ' of ' || CAST(s.kwh_values AS varchar)
                || ' values rejected'
    END AS few_rejected_values
FROM sent AS s
LEFT JOIN rejected AS r ON s.loc_id = r.loc_id
