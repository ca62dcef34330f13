-- Of the day's lines no larger share is rejected than SMART_HUB_MOST_REJECTED allows.
-- severity: fatal
SELECT
    CASE
        WHEN
            rejected > readings * CAST('{{ most_rejected }}' AS double)
            THEN
                CAST(rejected AS varchar) || ' of ' || CAST(readings AS varchar)
                || ' lines; SMART_HUB_MOST_REJECTED is {{ most_rejected }}'
    END AS fault
FROM (
    SELECT
        count(*) AS readings,
        count_if(verdict <> 'used') AS rejected
    FROM {{ usage_table }}
)
