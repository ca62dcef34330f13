-- rule compaction_kept_all, fatal: The compacted file has the rows and kWh of step 5, to nine decimals (sums of doubles
-- depend on their order).
SELECT
    CASE
        WHEN
            published <> staged OR published_kwh <> staged_kwh
            THEN CAST(staged AS varchar) || ' rows staged, ' || CAST(published AS varchar) || ' compacted'
    END AS compaction_kept_all
FROM (
    SELECT
        count(*) AS published,
        coalesce(sum(TRY_CAST(p.kwh AS decimal(18, 9))), 0) AS published_kwh,
        (
            SELECT count(*)
            FROM ${cost_table} AS c
            WHERE c.verdict = 'used'
        ) AS staged,
        (
            SELECT coalesce(sum(TRY_CAST(c.kwh AS decimal(18, 9))), 0)
            FROM ${cost_table} AS c
            WHERE c.verdict = 'used'
        ) AS staged_kwh
    FROM ${compacted_table} AS p
) AS totals
