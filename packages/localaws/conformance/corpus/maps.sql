-- Maps, lambdas, and related string functions.

SELECT * FROM maps ORDER BY n;
SELECT n, cardinality(m), element_at(m, 'b'), element_at(m, 'nosuch'), map_keys(m), map_values(j), array_join(map_keys(m), '|') FROM maps;
SELECT n, map_filter(m, (k, v) -> v > 1), map_filter(m, (k, v) -> v IS NULL), map_filter(m, (K, V) -> k IN ('a', 'ä') OR NOT is_finite(v)) FROM maps;
SELECT n, map_filter(m, (k, v) -> v > n), map_filter(m, (n, v) -> n < 'b'), map_filter(m, (k, v) -> k > element_at(j, 'x')) FROM maps;
SELECT transform_values(m, (k, v) -> n + cardinality(j)), transform_values(m, (k, v) -> k || '!'), transform_values(j, (k, v) -> length(v)) FROM maps;
SELECT transform_values(m, (k, v) -> CASE WHEN k IN ('a', 'b') THEN v ELSE NULL END), transform_values(m, (k, v) -> CAST(v AS decimal(5, 2)) IS NULL) FROM maps WHERE n < 4;
SELECT transform_values(j, (k, v) -> TRY(CAST(v AS double))), transform_values(j, (k, v) -> regexp_like(v, '^y')) FROM maps;
SELECT n, sensor, kwh FROM maps CROSS JOIN UNNEST(m) AS v (sensor, kwh);
SELECT n, sensor, kwh * 2 FROM maps CROSS JOIN UNNEST(map_filter(m, (k, v) -> v > 0)) AS v (sensor, kwh) WHERE kwh < 100;
SELECT n, k, v, k2, v2, e FROM maps CROSS JOIN UNNEST(m, j, ARRAY[n, 2]) AS t (k, v, k2, v2, e);
SELECT count(m), count(*), sum(cardinality(m)), count_if(m IS NOT NULL) FROM maps;
SELECT n, count(*), sum(v) FROM maps CROSS JOIN UNNEST(m) AS t (k, v) GROUP BY n HAVING count(*) > 1;
SELECT CAST(m AS json), CAST(map_filter(m, (k, v) -> false) AS json) FROM maps;
SELECT coalesce(m, transform_values(m, (k, v) -> v)), IF(n = 1, m) FROM maps;
SELECT m FROM maps UNION ALL SELECT CAST(json_parse('{"b":1,"a":2}') AS map(varchar, double));
SELECT CASE WHEN n = 1 THEN m ELSE CAST(json_parse('{"b":1,"a":2}') AS map(varchar, double)) END FROM maps;
SELECT a.n, a.m, b.m FROM maps AS a LEFT JOIN maps AS b ON a.n = b.n + 1 AND cardinality(b.m) > 0;
SELECT element_at(m, 'b') FROM (SELECT m, max(n) AS x FROM (SELECT n, m FROM maps) WHERE n = 1 GROUP BY m);
WITH fields AS (SELECT n, TRY(CAST(json_parse(line) AS map(varchar, json))) AS f FROM raws), data AS (SELECT n, json_format(element_at(f, 'loc_id')) AS loc, TRY(CAST(element_at(f, 'ts') AS bigint)) AS ts, TRY(CAST(element_at(f, 'data') AS map(varchar, json))) AS d FROM fields), kwh AS (SELECT n, loc, ts, map_filter(transform_values(d, (k, v) -> CASE WHEN regexp_like(json_format(v), '^-?(0|[1-9][0-9]*)([.][0-9]+)?(E-?[0-9]+)?$') THEN CAST(v AS double) END), (k, v) -> v IS NOT NULL AND is_finite(v) AND v >= 0) AS m, d FROM data) SELECT n, loc, ts, m, d, cardinality(d) - cardinality(m) FROM kwh;
WITH fields AS (SELECT n, TRY(CAST(json_parse(line) AS map(varchar, json))) AS f FROM raws) SELECT n, sensor, json_format(kwh), TRY(CAST(kwh AS double)), TRY(CAST(kwh AS varchar)) FROM fields CROSS JOIN UNNEST(TRY(CAST(element_at(f, 'data') AS map(varchar, json)))) AS v (sensor, kwh) WHERE sensor <> 'e';
SELECT n, TRY(map_filter(TRY(CAST(json_parse(line) AS map(varchar, json))), (k, v) -> TRY(CAST(v AS bigint)) > 1)), TRY(cardinality(CAST(json_parse(line) AS map(varchar, json)))) FROM raws;
SELECT n, record FROM raws CROSS JOIN UNNEST(CASE WHEN regexp_like(line, '^(\{[^{}]*(\{[^{}]*\}[^{}]*)?\}\s*)+$') THEN split(replace(regexp_replace(line, '\}\s*\{', '}~{'), '"', ''''), '~') ELSE ARRAY[line] END) AS r (record);
SELECT filter(ARRAY[1, 2, NULL], x -> x > 1), transform(ARRAY[1, NULL], x -> x IS NULL), filter(ARRAY['a'], x -> x LIKE 'a%');
SELECT transform(ARRAY[1, 2], x -> cardinality(filter(ARRAY[1, 2, 3], y -> y > x)));
SELECT any_match(ARRAY[1, NULL], x -> x = 1), any_match(ARRAY[NULL, 2], x -> x = 1), any_match(filter(ARRAY[1], x -> false), x -> x = 1);
SELECT all_match(ARRAY[1, NULL], x -> x = 1), all_match(ARRAY[NULL, 2], x -> x = 1), all_match(filter(ARRAY[1], x -> false), x -> x = 1);
SELECT none_match(ARRAY[1, NULL], x -> x = 1), none_match(ARRAY[NULL, 2], x -> x = 1), none_match(filter(ARRAY[1], x -> false), x -> x = 1);
SELECT n, any_match(map_keys(m), x -> x = 'a'), none_match(split(element_at(j, 'x'), 'y'), x -> x = '') FROM maps;
SELECT element_at(ARRAY[1, 2], 1), element_at(ARRAY[1, 2], 3), element_at(ARRAY[1, 2], -1);
SELECT CAST(NULL AS map(varchar, json)), CAST(NULL AS map(varchar, double)) IS NULL, cardinality(CAST(NULL AS map(varchar, double)));
SELECT m['b'], CAST(j AS json), transform_values(m, (k, v) -> NULL) FROM maps WHERE n = 1;
SELECT m = m, m IS DISTINCT FROM m FROM maps;
SELECT DISTINCT m FROM maps;
SELECT m, count(*) FROM maps GROUP BY m;
SELECT count(*) OVER (PARTITION BY m) FROM maps;
SELECT MAP(ARRAY['b', 'a'], ARRAY[1, 2]), MAP(), map_entries(m), map_from_entries(map_entries(m)), map_concat(m, m) FROM maps;
SELECT ARRAY[m], transform(ARRAY[1], x -> ARRAY[x]) FROM maps;

SELECT replace('abc', 'b', 'xx'), replace('abc', 'b'), replace(s, 'a', 'bb'), replace(s, 'abc') FROM texts;
SELECT split(s, ','), split(s, 'a'), split('a,b', ',') FROM texts;
SELECT substr(s, 1), substr(s, 2, 3), substr(s, 1, 0), substr(s, 100), substr('äbc', 2, 1) FROM texts;
SELECT trim(s), ltrim(s), rtrim(s), trim(' a ') FROM texts;
SELECT length(trim(x)), length(ltrim(x)), length(rtrim(x)) FROM UNNEST(ARRAY[' a ', ' a ', ' a', '​a', '　a ', 'a', 'a', '	a	', ' a ', ' a']) AS t (x);
SELECT starts_with(s, 'a'), starts_with(s, ''), starts_with(s, s) FROM texts;
SELECT strpos(s, 'b'), strpos(s, 'bc'), strpos('äöü', 'ü'), strpos(s, 'zz') FROM texts;
SELECT regexp_replace(s, '[0-9]+', '#'), regexp_replace(s, '^a', 'X'), regexp_replace(s, '(a|b)c?'), regexp_replace('abcabc', 'b', 'yy') FROM texts;
SELECT regexp_count(s, 'a'), regexp_count(s, '[a-c]+'), regexp_count(s, '(a)(b)?'), regexp_count(s, '^a') FROM texts;
SELECT regexp_like(s, '(a|b)+c'), regexp_like(s, '((a)b?)*c'), length(regexp_replace(s, '[^a]', '')) FROM texts;
SELECT max(s) OVER (PARTITION BY length(s)), count(*) OVER (PARTITION BY length(s)) FROM texts;
SELECT regexp_replace(s, 'a', '$0'), regexp_replace(s, 'x*', 'y'), regexp_replace(s, 'a$', 'y') FROM texts;
SELECT replace(s, '', 'x'), substr(s, 0), substr(s, -1), strpos(s, ''), substring(s, 2, 3) FROM texts;

CREATE TABLE written WITH (external_location = '{{ location }}') AS SELECT n, m, j, map_filter(m, (k, v) -> v > 1) AS f FROM maps;
INSERT INTO written SELECT 9, CAST(json_parse(line) AS map(varchar, double)), NULL, NULL FROM raws WHERE n = 1;
INSERT INTO written (n) VALUES 10;
SELECT * FROM written;
SELECT n, k, v FROM written CROSS JOIN UNNEST(f) AS t (k, v);
CREATE VIEW seen AS SELECT n, m FROM maps;
SELECT n, element_at(m, 'b') FROM seen;

CREATE TABLE from_json WITH (external_location = '{{ location }}', partitioned_by = ARRAY['p']) AS SELECT TRY(CAST(json_parse(line) AS map(varchar, double))) AS m, n AS p FROM raws;
SELECT m, p FROM from_json;

-- Trino refuses:
SELECT cardinality(m, 1) FROM maps;
SELECT element_at(m, 1) FROM maps;
SELECT map_keys(ARRAY[1]);
SELECT n FROM maps ORDER BY m;
SELECT min(m) FROM maps;
SELECT m < m FROM maps;
SELECT map_filter(m, k -> true) FROM maps;
SELECT map_filter(m, (k, v) -> 1) FROM maps;
SELECT transform_values(m, (k, v) -> nosuch) FROM maps;
SELECT transform_values(m, (k, k) -> 1) FROM maps;
SELECT transform_values(m, (k, v) -> sum(v)) FROM maps;
SELECT transform_values(m, (k, v) -> v + k) FROM maps;
SELECT filter(ARRAY['a'], x -> NULL);
SELECT filter(ARRAY[1], 1);
SELECT filter(1, x -> true);
SELECT any_match(m, x -> true) FROM maps;
SELECT x -> 1;
SELECT abs(x -> 1);
SELECT transform_values(j, (k, v) -> CAST(v AS double)) FROM maps WHERE n = 1;
SELECT n FROM maps CROSS JOIN UNNEST(m) AS t (k);
SELECT n FROM maps CROSS JOIN UNNEST(m) AS t (k, v, x);
SELECT trim(1);
SELECT replace(1, 'a', 'b');
SELECT replace('a', 'b', 'c', 'd');
SELECT split('a', 1);
SELECT substr('a', 'b');
SELECT starts_with('a', 1);
CREATE TABLE of_json WITH (external_location = '{{ location }}') AS SELECT n, json_parse('1') AS j FROM maps;
