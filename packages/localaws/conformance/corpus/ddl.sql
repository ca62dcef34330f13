-- CREATE TABLE AS, INSERT, views. Statements without an empty line between them run one after the other.

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, s FROM texts;
INSERT INTO made SELECT 1000, 'more';
INSERT INTO made VALUES (1001, 'x'), (1002, NULL);
INSERT INTO made (s) VALUES ('only');
SELECT count(*), count(n), count(s) FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT * FROM nothing;
SELECT * FROM made;
INSERT INTO made SELECT 'a', 1, 1.5, DATE '2019-12-21';
SELECT * FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 AS a;
CREATE TABLE made WITH (external_location = '{{ location }}other/') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 AS a;
CREATE TABLE IF NOT EXISTS made WITH (external_location = '{{ location }}') AS SELECT 2 AS b;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 AS a;
CREATE TABLE more WITH (external_location = '{{ location }}') AS SELECT 2 AS a;

CREATE VIEW seen AS SELECT n, i + 1 AS next, price FROM numbers;
SELECT * FROM seen ORDER BY n;
SELECT next FROM seen WHERE n = 2;
CREATE VIEW seen AS SELECT 1 AS a;
CREATE OR REPLACE VIEW seen AS SELECT s FROM texts WHERE n < 4;
SELECT * FROM seen;

CREATE VIEW one AS SELECT n, d FROM numbers;
CREATE VIEW two AS SELECT n, d * 2 AS twice FROM one WHERE n > 3;
SELECT twice FROM two ORDER BY n;
SELECT o.n, t.twice FROM one AS o LEFT JOIN two AS t ON o.n = t.n ORDER BY o.n;

CREATE OR REPLACE VIEW seen AS WITH t AS (SELECT k, sum(v) AS total FROM calendar GROUP BY k) SELECT k, total FROM t;
SELECT k, total FROM seen ORDER BY k;

CREATE OR REPLACE VIEW seen AS SELECT count(*) AS c FROM readings WHERE dt = DATE '2019-12-21';
SELECT c FROM seen;
INSERT INTO seen VALUES 1;
CREATE TABLE seen WITH (external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE VIEW numbers AS SELECT 1 AS a;

CREATE OR REPLACE VIEW numbers AS SELECT 1 AS a;

CREATE VIEW bad AS SELECT nosuch FROM numbers;

CREATE VIEW bad AS SELECT 1;

CREATE VIEW bad AS SELECT 1 AS a, 2 AS a;

CREATE VIEW bad AS SELECT NULL AS a;

CREATE VIEW bad (a, b) AS SELECT 1, 2;

CREATE VIEW nosuch.bad AS SELECT 1 AS a;

CREATE VIEW bad AS INSERT INTO texts VALUES (1, 'a', 'b');

CREATE VIEW again AS SELECT * FROM again;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 AS a, 2 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT NULL AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT nosuch FROM numbers;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 / 0 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT from_unixtime(0) AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT INTERVAL '1' DAY AS a;

CREATE TABLE nosuch.made WITH (external_location = '{{ location }}') AS SELECT 1 AS a;

CREATE TABLE made WITH (external_location = '{{ location }}') SELECT 1 AS a;

CREATE OR REPLACE TABLE made AS SELECT 1 AS a;

CREATE TEMP TABLE made AS SELECT 1 AS a;

CREATE TABLE made (a int);

INSERT INTO nosuch VALUES 1;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT n, s FROM texts WHERE n < 4;
INSERT INTO made VALUES (1);
INSERT INTO made VALUES ('a', 'b');
INSERT INTO made VALUES (1, 'a', 2);
INSERT INTO made (n, nosuch) VALUES (1, 'a');
INSERT INTO made SELECT n FROM numbers;
INSERT INTO made VALUES (1.5, 'a');
INSERT OVERWRITE made VALUES (1, 'a');
UPDATE made SET n = 1;
DELETE FROM made WHERE n = 1;
MERGE INTO made USING texts ON made.n = texts.n WHEN MATCHED THEN DELETE;
TRUNCATE TABLE made;
SELECT count(*) FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k', 'n']) AS SELECT s, 'a' AS k, n FROM texts WHERE n < 4;
INSERT INTO made VALUES ('b', 'a', 1), ('c', NULL, 2), ('d', 'a', NULL);
INSERT INTO made (n, k) SELECT n + 10, k FROM made WHERE k = 'a';
INSERT INTO made WITH t AS (SELECT 'e' AS s) SELECT s, 'a', 9 FROM t ORDER BY s OFFSET 0;
INSERT INTO made SELECT * FROM made WHERE n > 100;
INSERT INTO made VALUES ('f', 'a');
INSERT INTO made VALUES ('f', 'too long', 1);
INSERT INTO made (s, S, n) VALUES ('f', 'g', 1);
INSERT INTO made (s) VALUES ('f', 1), ('g');
INSERT INTO made (s) VALUES 'f', 1;
INSERT INTO made SELECT s, nosuch, n FROM made;
SELECT count(*), count(k), sum(n) FROM made;

CREATE TABLE made WITH (external_location = '{{ location }}') AS SELECT 1 AS i, CAST(1.5 AS decimal(3, 1)) AS d, 1e0 AS x, CAST('abc' AS varchar(3)) AS v, DATE '2019-12-21' AS day, true AS b;
INSERT INTO made VALUES (2.5, 12.35, 1, 'abc  ', TIMESTAMP '2019-12-21 23:59:59.900', NULL);
INSERT INTO made (i) VALUES 2.5e0, -2.5e0, 2147483647;
INSERT INTO made (x, i) VALUES (12345678901234567.5, NULL), (NULL, BIGINT '7');
INSERT INTO made (i) VALUES 3e9;
INSERT INTO made (i) VALUES 2147483648;
INSERT INTO made (d) VALUES 123.456;
INSERT INTO made (v) VALUES 'abcd';
INSERT INTO made (b) VALUES 1;
INSERT INTO made (x) VALUES '1';
INSERT INTO made (v) VALUES 1;
INSERT INTO made (day) VALUES '2019-12-21';
INSERT INTO made (i) VALUES 1 / 0;
INSERT INTO nosuch.made VALUES 1;

CREATE TABLE made WITH (external_location = '{{ location }}', partitioned_by = ARRAY['k'], bucketed_by = ARRAY['s'], bucket_count = 1) AS SELECT n, s, n / 3 AS k FROM texts;
SELECT k, count(*) FROM made GROUP BY k;

INSERT INTO readings SELECT 'h9', 's1', 1, 1.5, DATE '2019-12-30' WHERE false;
SET SESSION query_max_run_time = '1m';

GRANT SELECT ON numbers TO ROLE public;

USE nosuch;

COPY numbers TO 's3://conformance/x';

ATTACH 'file.db';

CREATE FUNCTION f() RETURNS int RETURN 1;

EXPLAIN SELECT nosuch FROM numbers;

CALL system.sync_partition_metadata('a', 'b', 'ADD');
