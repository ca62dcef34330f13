-- Properties of CREATE TABLE AS: formats, compression, partitions, buckets, order; and all types in Parquet.

CREATE TABLE made WITH (format = 'PARQUET', external_location = '{{ location }}') AS SELECT * FROM numbers;

CREATE TABLE made WITH (format = 'PARQUET', write_compression = 'SNAPPY', external_location = '{{ location }}') AS SELECT * FROM texts;

CREATE TABLE made WITH (format = 'parquet', write_compression = 'zstd', external_location = '{{ location }}') AS SELECT * FROM times;

CREATE TABLE made WITH (write_compression = 'GZIP', external_location = '{{ location }}') AS SELECT * FROM lists;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k']) AS SELECT day, v, k FROM calendar WHERE k IS NOT NULL;
SELECT k, count(*) FROM made GROUP BY k;
SELECT day FROM made WHERE k = 'a' ORDER BY day;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['m', 'k']) AS SELECT day, v, month(day) AS m, k FROM calendar WHERE k IS NOT NULL;
SELECT m, k, count(*) FROM made GROUP BY m, k;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k']) AS SELECT day, v, k FROM calendar;
SELECT k, count(*) FROM made GROUP BY k;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['day']) AS SELECT v, k, day FROM calendar WHERE day < DATE '2019-12-24';
SELECT day, v FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k']) AS SELECT v, k FROM calendar WHERE false;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['s'], bucket_count = 1) AS SELECT n, s FROM texts;
SELECT s FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['s'], bucket_count = 4) AS SELECT n, s FROM texts WHERE s IS NOT NULL;
SELECT s FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['n'], bucket_count = 2) AS SELECT n, s FROM texts;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['s'], bucket_count = 3) AS SELECT n, s FROM texts WHERE false;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k'], bucketed_by = ARRAY['day'], bucket_count = 2) AS SELECT v, day, k FROM calendar WHERE k IS NOT NULL;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['s'], bucket_count = 1) AS SELECT n, s FROM texts ORDER BY n DESC OFFSET 0;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, s FROM texts ORDER BY n DESC;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, s FROM texts ORDER BY n LIMIT 3;

CREATE TABLE made WITH (format = 'ORC', external_location = '{{ location }}') AS SELECT n, s FROM texts;

CREATE TABLE made WITH (format = 'JSON', external_location = '{{ location }}') AS SELECT n, i FROM numbers;

CREATE TABLE made WITH (format = 'TEXTFILE', field_delimiter = ',', external_location = '{{ location }}') AS SELECT n, i FROM numbers;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT CAST('a' AS varchar(3)) AS v, CAST('b' AS char(3)) AS c, CAST(1.5 AS real) AS r;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 'abc' AS literal, 1 AS i, 2147483648 AS b, 1.50 AS d, 1e0 AS x, true AS t;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT CAST(s AS varchar(3)) AS short FROM texts;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT ts, CAST(ts AS timestamp(0)) AS t0 FROM times;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n AS "Upper", i AS "with space" FROM numbers;

CREATE TABLE "Made" WITH (external_location = '{{ location }}') AS SELECT n FROM numbers;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['s']) AS SELECT n, s FROM texts WHERE n IN (3, 11, 16, 54);
SELECT s, n FROM made;

-- Trino refuses:
CREATE TABLE made WITH (format = 'CSV2', external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH (nosuch = 'x', external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH (write_compression = 'LZMA', external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['nosuch']) AS SELECT 1 AS a, 2 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['a']) AS SELECT 1 AS a, 2 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['a']) AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['b', 'a']) AS SELECT 0 AS z, 1 AS a, 2 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = 'b') AS SELECT 1 AS a, 2 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['a']) AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', bucket_count = 2) AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['nosuch'], bucket_count = 2) AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['a'], bucket_count = 0) AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['a'], bucket_count = -1) AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', bucketed_by = ARRAY['a'], bucket_count = 'x') AS SELECT 'x' AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['b'], bucketed_by = ARRAY['b'], bucket_count = 2) AS SELECT 'x' AS a, 'y' AS b;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['x']) AS SELECT 1 AS a, n * 1000 + m AS x FROM (SELECT n FROM numbers) CROSS JOIN (SELECT n AS m FROM numbers);

CREATE TABLE made WITH (external_location = '{{ location }}', external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = 'file:///tmp/x') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = 's3://') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH () AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = 's3://nosuchbucket-conformance/x/') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['d']) AS SELECT n, d FROM numbers;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['a']) AS SELECT n, a FROM lists;
