-- TRY_CAST, TRY, IS DISTINCT FROM, local times, regular expressions, some elements as one text.

SELECT n, s, TRY_CAST(s AS double), TRY_CAST(s AS bigint), TRY_CAST(s AS integer), TRY_CAST(s AS date) FROM texts WHERE s IS NULL OR length(s) >= 0 ORDER BY n;
SELECT TRY_CAST(x AS double) FROM UNNEST(ARRAY['1', '1.5', ' 12 ', '1e3', '1.', '.5', 'abc', '', ' ', '-', '1f', '1D', '1.e5', '.e5', '1e', '1e-400', '-1e999', '1 2', '1,5', 'NaN', '-Infinity', 'nan', 'INFINITY', 'Ärger', '1_000', '+5']) AS t (x);
SELECT TRY_CAST(x AS double) FROM UNNEST(ARRAY['0x1p3']) AS t (x);
SELECT TRY_CAST(x AS bigint) FROM UNNEST(ARRAY['1', '1.5', ' 12 ', '1e3', '+12', '-', '--1', '1_000', '', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '00000000000000000000001', 'abc', 'Ärger', '12a', '- 1']) AS t (x);
SELECT TRY_CAST(x AS integer) FROM UNNEST(ARRAY['1', ' 12 ', '2147483648', '+', '0x1', '1e2', '-2147483648']) AS t (x);
SELECT TRY_CAST(x AS date) FROM UNNEST(ARRAY['2020-01-01', '2020-1-1', ' 2020-01-01 ', '2020-02-30', '20200101', '2020-01-01 00:00:00', '2020-W01', '', 'abc', '2020', '2020-01', '2020-001', '2020-13-01', '2020-01-01T00:00', '2020/01/01']) AS t (x);
SELECT TRY_CAST(x AS bigint) FROM UNNEST(ARRAY[1e0, 2.5e0, 1e300, nan(), infinity(), -9.3e18]) AS t (x);
SELECT TRY_CAST(1e0 AS bigint), TRY_CAST(2.5e0 AS bigint), TRY_CAST(1e300 AS bigint), TRY_CAST(300 AS tinyint), TRY_CAST(1000 AS decimal(3, 0)), TRY_CAST(2.5 AS integer), TRY_CAST(NULL AS bigint), TRY_CAST(1 AS varchar);
SELECT TRY_CAST(CAST('a' AS bigint) AS integer);
SELECT CAST(' 12 ' AS bigint), CAST('2020-1-1' AS date), CAST('NaN' AS double), CAST('1d' AS double);
SELECT TRY(CAST(from_unixtime(0, 'Europe/Berlin') AS timestamp)), TRY(CAST('a' AS bigint)), TRY(CAST(CAST('300' AS bigint) AS tinyint));
SELECT TRY(CAST(from_unixtime(0, 'America/Portland') AS timestamp));
SELECT TRY(CAST(from_unixtime(0, 'America/Coyhaique') AS timestamp));
SELECT CAST(from_unixtime(0, 'America/Coyhaique') AS timestamp);
SELECT z, TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), nullif(z, '')) AS timestamp)) FROM UNNEST(ARRAY['America/Portland', '', 'UTC', 'Europe/Berlin', NULL, 'abc', 'america', 'America/New_York ', 'America/Port-au-Princ', 'Asia/Kolkata2']) AS t (z);
SELECT z, TRY(CAST(at_timezone(from_unixtime(0, 'UTC'), z) AS timestamp)) FROM UNNEST(ARRAY['PST8PDT', 'Z', '+01:00', 'EST', 'utc', 'america/new_york']) AS t (z);
SELECT TRY(with_timezone(TIMESTAMP '2019-01-01 00:00:00', z)) IS NULL FROM UNNEST(ARRAY['America/Portland', 'UTC', 'Europe/Berlin', NULL]) AS t (z);
SELECT TRY(CAST(at_timezone(from_unixtime(x, 'UTC'), 'Europe/Berlin') AS timestamp)) FROM UNNEST(ARRAY[0, 9223372036854775807, 2251799813686, -2251799813686, 100000000000, NULL]) AS t (x);
SELECT CAST(at_timezone(from_unixtime(0, 'UTC'), 'America/Portland') AS timestamp);
SELECT to_unixtime(with_timezone(TIMESTAMP '2019-01-01 00:00:00', 'America/Portland'));
SELECT from_unixtime(0, CAST(NULL AS varchar)) IS NULL, from_unixtime(0, 'UTC') IS NULL;
SELECT CAST(coalesce(from_unixtime(0, 'UTC'), from_unixtime(1, 'UTC')) AS timestamp);
SELECT TRY(1, 2);
SELECT TRY(1 / 0);
SELECT TRY_CAST(s AS double) FROM texts GROUP BY CAST(s AS double);
SELECT TRY(CAST(n AS double)) FROM texts GROUP BY TRY_CAST(n AS double);
SELECT TRY(CAST(n AS double)), count(*) FROM texts GROUP BY TRY(CAST(n AS double));
SELECT 1 IS DISTINCT FROM 1, NULL IS DISTINCT FROM 1, NULL IS NOT DISTINCT FROM NULL, 0e0 IS DISTINCT FROM -0e0, 1 IS DISTINCT FROM 1.0;
SELECT a.n, b.n, a.d IS DISTINCT FROM b.d, a.s IS NOT DISTINCT FROM b.s, a.ts IS DISTINCT FROM b.ts, a.day IS DISTINCT FROM b.ts FROM mixed AS a CROSS JOIN mixed AS b;
SELECT 1 IS DISTINCT FROM 'a';
SELECT a.n, b.n FROM mixed AS a INNER JOIN mixed AS b ON a.d IS NOT DISTINCT FROM b.d;
SELECT a.n, b.n FROM mixed AS a LEFT JOIN mixed AS b ON a.s IS NOT DISTINCT FROM b.s AND a.d IS NOT DISTINCT FROM b.d;
SELECT day, z, to_unixtime(with_timezone(day, z)), to_unixtime(with_timezone(CAST(day AS timestamp), z)) FROM calendar CROSS JOIN UNNEST(ARRAY['America/New_York', 'America/Los_Angeles', 'America/Phoenix', 'America/Sao_Paulo', 'Europe/Berlin', 'Asia/Beirut', 'Asia/Amman', 'Atlantic/Azores', 'America/Havana', 'America/Asuncion', 'Australia/Lord_Howe', 'Africa/Casablanca', 'America/Santiago', 'Pacific/Honolulu']) AS t (z);
SELECT x, z, to_unixtime(with_timezone(x, z)) FROM UNNEST(ARRAY[TIMESTAMP '2019-03-10 02:30:00', TIMESTAMP '2019-03-10 01:59:59', TIMESTAMP '2019-03-10 03:00:00', TIMESTAMP '2019-11-03 00:00:00', TIMESTAMP '2019-11-03 02:00:00', TIMESTAMP '2018-11-04 00:00:00', TIMESTAMP '2019-02-17 00:00:00', TIMESTAMP '2011-12-30 00:00:00', TIMESTAMP '2037-11-01 00:30:00', TIMESTAMP '1986-04-27 02:30:00']) AS t (x) CROSS JOIN UNNEST(ARRAY['America/New_York', 'America/Los_Angeles', 'America/Sao_Paulo', 'America/Havana', 'Australia/Lord_Howe', 'Pacific/Apia', 'Europe/London']) AS u (z);
SELECT to_unixtime(with_timezone(TIMESTAMP '1900-01-01 00:00:00', 'America/New_York'));
SELECT TRY_CAST(x AS date) FROM UNNEST(ARRAY['2020-01-01T', '2020-01-01Z', '2020-01-01 BC', '2020-01-01 00', '2020-01-01+01:00', '2020- 1-01', '2020-+1-01', '--', 'Ärger', '1-1', '2020-01-01-01']) AS t (x);
SELECT TRY_CAST(x AS double) FROM UNNEST(ARRAY['xyz', 'N', 'Nix', '1e', 'e', '0', '1__0', '١', '日本', '1 000', '+', '.', 'Infinity5', '0,5', '1e5f', 'NaNf', '1L']) AS t (x);
SELECT TRY_CAST(x AS bigint) FROM UNNEST(ARRAY['日本', '1 2', 'é1', '000000000000000000000000000000000000000000000000000000000000000000007', '9999999999999999999999999999999999999999999999999999999999']) AS t (x);
SELECT to_unixtime(with_timezone(TIMESTAMP '2019-10-06 02:15:00', 'Australia/Lord_Howe')), to_unixtime(with_timezone(TIMESTAMP '2019-10-06 02:30:00', 'Australia/Lord_Howe'));
SELECT to_unixtime(with_timezone(TIMESTAMP '2019-11-03 01:30:00', 'America/New_York'));

SELECT n, s, regexp_like(s, '^[a-c]+$'), regexp_like(s, '^$'), regexp_like(s, '.b'), regexp_like(s, '[^a]$'), regexp_like(s, '\d\s*$') FROM texts;
SELECT n, s, regexp_extract(s, '^([a-z]*)', 1), regexp_extract(s, '(.)', 1), regexp_extract(s, '([^ ]+) ?(.*)', 2) FROM texts;
SELECT regexp_like(x, 'a$'), regexp_like(x, '^a'), regexp_like(x, 'a.b'), regexp_like(x, 'a[^x]b'), regexp_like(x, '^a\sb$'), regexp_extract(x, '(a\s*)$', 1), regexp_extract(x, '(.*?)b', 1) FROM UNNEST(ARRAY['a', 'a
', 'a

', 'a
b', 'a	b', 'ab', 'ba', 'äab']) AS t (x);
SELECT regexp_extract('abcd', '(a|ab)(?:c|bcd)(d*)', 2), regexp_extract('aaa', '(a{1,2})', 1), regexp_extract('a.b', '(a\.b)', 1), regexp_extract('"dt":"x"', '"dt"\s*:\s*"([^"]*)"', 1), regexp_extract('aXbX', '(.*?)X', 1), regexp_extract('aXbX', '(.*)X', 1);
SELECT regexp_extract('x', 'x(y)?', 1), regexp_extract('ba', '(a)|b', 1), regexp_extract('abab', '(?:(a)|b)*', 1);
SELECT regexp_like('a{,2}', 'a{,2}'), regexp_like('A', '(?i)a'), regexp_like('aa', 'a++'), regexp_like('a', '[[:alpha:]]'), regexp_like('a b', 'a\b');
SELECT regexp_like('abc', '[');
SELECT regexp_extract('abc', '(a', 1);
SELECT regexp_extract('abc', 'b', 1);
SELECT regexp_like(1, 'a');

SELECT array_join(slice(array_agg(s ORDER BY s), 1, 3), ', ') FROM texts;
SELECT flag, array_join(slice(array_agg(DISTINCT s ORDER BY s DESC) FILTER (WHERE n > 2), 1, 3), ', '), count(DISTINCT s), sum(CASE WHEN s > 'a' THEN 1 ELSE 0 END) FROM mixed GROUP BY flag;
SELECT array_agg(n ORDER BY n), array_agg(i ORDER BY i DESC NULLS FIRST), array_agg(price ORDER BY price), array_agg(day ORDER BY day) FROM mixed;
SELECT array_agg(d ORDER BY d) FROM mixed;
SELECT array_agg(s ORDER BY n) FROM mixed;
SELECT array_agg(DISTINCT s ORDER BY n) FROM mixed;
SELECT array_join(ARRAY['a', NULL, 'b'], ', '), array_join(ARRAY[CAST(NULL AS varchar)], ','), array_join(ARRAY['a'], ''), array_join(slice(ARRAY['a'], 2, 1), ',');
SELECT slice(ARRAY[1, 2, 3], 1, 2), slice(ARRAY[1, 2, 3], 2, 20), slice(ARRAY[1, 2, 3], 4, 1), slice(ARRAY[1, 2, 3], 1, 0);
SELECT slice(ARRAY[1, 2, 3], 0, 1);
SELECT a.n, b.n, greatest(a.n, b.i), least(a.price, b.b), greatest(a.ts, b.ts), least(a.day, b.ts), greatest(a.s, b.s), least(a.flag, b.flag) FROM mixed AS a CROSS JOIN mixed AS b;
SELECT a.n, b.n, greatest(a.d, b.d), least(a.d, b.d) FROM mixed AS a INNER JOIN mixed AS b ON a.d < 1e300 AND b.d < 1e300;
SELECT greatest(-0e0, 0e0), greatest(0e0, -0e0), least(-0e0, 0e0), least(0e0, -0e0);
SELECT greatest(1, 2e0), greatest(1, 2.5), greatest(NULL, 1);
SELECT greatest(1, 'a');
SELECT greatest();
