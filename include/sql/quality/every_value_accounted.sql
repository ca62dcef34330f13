-- rule every_value_accounted, fatal: Values of the readings used = rows published + values rejected.
SELECT
    CASE
        WHEN
            sent <> published + rejected
            THEN
                CAST(sent AS varchar) || ' values, ' || CAST(published AS varchar) || ' published and '
                || CAST(rejected AS varchar) || ' rejected'
    END AS every_value_accounted
FROM (
    SELECT
        coalesce(sum(u.numbers), 0)
        + coalesce(sum(cardinality(CAST(json_parse(u.odd) AS MAP (varchar, json)))), 0) AS sent,
        (
            SELECT count(*)
            FROM ${compacted_table}
        ) AS published,
        (
            SELECT count(*)
            FROM ${rejects_table} AS r
            WHERE r.sensor IS NOT NULL
        ) AS rejected
    FROM ${readings_table} AS u
    WHERE u.verdict = 'used'
) AS totals
