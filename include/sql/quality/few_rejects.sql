-- rule few_rejects, fatal: A hub is at fault if over half of its values are rejected. The rule fails if at least three
-- hubs are at fault and their share of all hubs is larger than SMART_HUB_MAX_REJECT_RATIO. All records without a known
-- hub count as one hub. A record without values counts as one value. Duplicates with the same data, and values of
-- channels without a mapping, do not count as rejected.
WITH records AS (
    SELECT
        CASE WHEN verdict IN ('malformed', 'missing_loc_id', 'unknown_hub') THEN '' ELSE loc_id END AS hub,
        verdict,
        coalesce(numbers, 0) AS numbers,
        coalesce(cardinality(CAST(json_parse(odd) AS MAP (varchar, json))), 0) AS odd
    FROM ${readings_table}
),

hubs AS (
    SELECT
        hub,
        sum(greatest(numbers + odd, 1)) AS sent,
        sum(
            CASE
                WHEN verdict = 'used' THEN odd
                WHEN verdict = 'duplicate' THEN 0
                ELSE greatest(numbers + odd, 1)
            END
        ) AS rejected
    FROM records
    GROUP BY hub
),

counted AS (
    SELECT
        count(*) AS hubs,
        count_if(2 * rejected > sent) AS at_fault
    FROM hubs
)

SELECT
    CASE
        WHEN
            at_fault >= 3 AND at_fault > hubs * CAST('${max_reject_ratio}' AS double)
            THEN
                CAST(at_fault AS varchar) || ' of ' || CAST(hubs AS varchar)
                || ' hubs have over half of their values rejected; SMART_HUB_MAX_REJECT_RATIO is ${max_reject_ratio}'
    END AS few_rejects
FROM counted
