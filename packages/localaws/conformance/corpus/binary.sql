-- Binary values: their texts, functions and operators, what is not UTF-8, and columns of them.

SELECT X'65', X'', X'00fF', to_utf8('ä'), to_utf8('');
SELECT n, to_utf8(s), from_utf8(to_utf8(s)), length(to_utf8(s)), to_hex(to_utf8(c)), to_base64(to_utf8(s)) FROM texts ORDER BY n;
SELECT n, md5(to_utf8(s)), sha1(to_utf8(s)), sha256(to_utf8(c)) FROM texts ORDER BY n;
SELECT n, from_hex(to_hex(to_utf8(s))), from_base64(to_base64(to_utf8(s))), from_utf8(from_hex(to_hex(to_utf8(s)))) FROM texts ORDER BY n;
SELECT s, from_utf8(to_utf8(s)), count(*) FROM texts GROUP BY s;
SELECT from_utf8(to_utf8(s)), from_utf8(b) FROM (SELECT s, to_utf8(s) AS b FROM texts) WHERE from_utf8(b) <> 'a';
SELECT from_hex('6a6B'), from_hex(''), from_base64('YQ=='), from_base64('YQ'), from_base64('YWI'), from_base64('YWI='), from_base64('YWJj'), from_base64(''), from_base64('YR=='), from_base64('YWJjYR');
SELECT to_base64(X'fbff'), to_base64(X''), to_hex(X'abcd'), to_hex(X'');
SELECT X'61' || X'62', concat(X'61', X'62', X'63'), X'' || X'';
SELECT X'61' = to_utf8('a'), X'61' <> X'6100', X'61' < X'6100', X'ff' > X'61', X'' < X'00', X'61' >= X'62';
SELECT X'61' IN (X'62', NULL), X'61' BETWEEN X'60' AND X'62', X'61' IS DISTINCT FROM NULL, X'61' IS NULL, X'61' = NULL;
SELECT greatest(X'61', X'ff'), least(X'61', X'', X'00'), coalesce(NULL, X'61'), nullif(X'61', X'61'), IF(true, X'61'), CASE X'61' WHEN to_utf8('a') THEN X'01' END;
SELECT x, count(*) FROM UNNEST(ARRAY[X'ff', X'61', NULL, X'', X'61', X'8000']) AS t (x) GROUP BY x ORDER BY x;
SELECT DISTINCT x FROM UNNEST(ARRAY[X'ff', X'61', NULL, X'', X'61', X'8000']) AS t (x) ORDER BY x DESC;
SELECT min(x), max(x), count(x), count(DISTINCT x), array_agg(x ORDER BY x) FROM UNNEST(ARRAY[X'ff', X'61', NULL, X'']) AS t (x);
SELECT a.x, row_number() OVER (PARTITION BY a.x ORDER BY b.x) FROM (SELECT to_utf8(s) AS x FROM texts) AS a JOIN (SELECT to_utf8(c) AS x FROM texts) AS b ON a.x <= b.x;
SELECT X'61' UNION SELECT X'62' UNION SELECT to_utf8('a');
SELECT ARRAY[X'6162', NULL], transform(ARRAY['a', NULL], x -> to_utf8(x)), transform_values(CAST(json_parse('{"a":1}') AS map(varchar, json)), (k, v) -> to_utf8(k));
SELECT md5(nullif(X'', X'')), to_utf8(nullif('', '')), from_utf8(nullif(X'', X'')), from_hex(nullif('', '')), from_base64(nullif('', ''));
SELECT from_utf8(X'ff'), from_utf8(X'fffe'), from_utf8(X'80'), from_utf8(X'8080'), from_utf8(X'fe80'), from_utf8(X'00'), from_utf8(X''), from_utf8(X'6100ff00'), from_utf8(X'efbfbe');
SELECT from_utf8(X'c3'), from_utf8(X'c328'), from_utf8(X'e282'), from_utf8(X'e28228'), from_utf8(X'f0'), from_utf8(X'f09f98'), from_utf8(X'f09f98c3a4'), from_utf8(X'f09f9880');
SELECT from_utf8(X'c080'), from_utf8(X'c1bf'), from_utf8(X'e08080'), from_utf8(X'e080'), from_utf8(X'f0808080'), from_utf8(X'f08080'), from_utf8(X'eda080'), from_utf8(X'eda0'), from_utf8(X'eda080edb080');
SELECT from_utf8(X'f4908080'), from_utf8(X'f7bfbfbf'), from_utf8(X'f888808080'), from_utf8(X'f8888080'), from_utf8(X'fc8480808080'), from_utf8(X'fc848080808080'), from_utf8(X'fd80');
SELECT from_utf8(x), length(from_utf8(x)) FROM UNNEST(ARRAY[X'61ff', X'61', NULL, X'c3a4', X'c3']) AS t (x);

-- Trino refuses:
SELECT CAST(X'61' AS varchar);
SELECT CAST(X'61' AS varchar(3));
SELECT CAST(to_utf8('1') AS bigint);
SELECT CAST(X'61' AS json);
SELECT TRY_CAST(X'61' AS map(varchar, json));
SELECT CAST(json_parse('1') AS varbinary);
SELECT CAST(1 AS varbinary);
SELECT CAST(NULL AS blob);
SELECT CAST(NULL AS bytea);
SELECT X'6';
SELECT X'zz';
SELECT X'61' = 'a';
SELECT X'61' LIKE 'a';
SELECT X'61' || 'a';
SELECT X'61' || NULL;
SELECT X'61' + 1;
SELECT -X'61';
SELECT IF(true, X'61', 'a');
SELECT X'61' UNION SELECT 'a';
SELECT md5('a');
SELECT to_hex('a');
SELECT to_utf8(1);
SELECT to_utf8(X'61');
SELECT from_utf8('a');
SELECT upper(X'61');
SELECT json_format(X'61');
SELECT sum(X'61');
SELECT from_hex('616');
SELECT from_hex('zz');
SELECT from_hex('61 ');
SELECT from_hex('ä');
SELECT from_base64('Y');
SELECT from_base64('YQ=');
SELECT from_base64('YWJj=');
SELECT from_base64('YQ==YQ==');
SELECT from_base64('Y Q=');
SELECT from_base64('-_-_');
SELECT from_base64('ä');
SELECT s FROM texts GROUP BY from_utf8(to_utf8(s));
SELECT s FROM texts GROUP BY to_utf8(s);
SELECT to_utf8(s) = s FROM texts;

-- The local engine does not have them:
SELECT CAST('a' AS varbinary), CAST(NULL AS varbinary), TRY(from_hex('zz')), TRY(from_utf8(X'61'));
SELECT to_utf8(NULL), from_utf8(NULL), md5(NULL), from_utf8(X'ff', '?'), from_hex(X'3631'), from_base64(X'5951');
SELECT sha512(X''), substr(X'6162', 1), reverse(X'6162'), crc32(X''), to_utf8(from_utf8(X'ff'));

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, to_utf8(s) AS s, md5(to_utf8(c)) AS hash, ARRAY[to_utf8(c)] AS list FROM texts;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, to_utf8(s) AS s FROM texts;
INSERT INTO made (n, s) VALUES (100, X'ff00'), (101, NULL);
SELECT n, s, from_utf8(s), length(s) FROM made ORDER BY n;
SELECT n, s FROM made WHERE s = 'a';
SELECT n FROM made WHERE s = to_utf8('a') OR s > X'e0' OR s IS NULL;
INSERT INTO made (n, s) VALUES (102, 'a');
INSERT INTO made (n) VALUES (X'61');
CREATE VIEW seen AS SELECT n, s, from_utf8(s) AS t FROM made;
SELECT * FROM seen ORDER BY n;
DESCRIBE made;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['b']) AS SELECT 1 AS n, X'61' AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['b'], bucket_count = 1) AS SELECT 1 AS n, X'61' AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['b'], bucket_count = 1) AS SELECT 1 AS n, 1.5 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['b'], bucket_count = 1) AS SELECT 1 AS n, ARRAY[DATE '2020-01-01'] AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['b'], bucket_count = 2) AS SELECT 1 AS n, X'61' AS b;
