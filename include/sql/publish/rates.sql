-- The rates that the last publish joined, one row per state, local year, month and hour.
CREATE OR REPLACE VIEW rates AS
SELECT
    state,
    year,
    month,
    hour,
    type,
    cents_per_kwh
FROM rate_versions
WHERE content = '${content_hash}'
