-- JSON in texts, and the JSON table.

SELECT json_extract_scalar('{"a": 1, "b": {"c": "x"}}', '$.b.c'), json_extract_scalar('{"a": 1}', '$.a');
SELECT json_extract('{"a": [1, 2]}', '$.a'), json_extract_scalar('[1, 2]', '$[1]');
SELECT json_parse('{"b": 1, "a": 2}'), json_format(json_parse('[1, "x"]')), JSON '{"a": 1}';
SELECT json_array_length('[1, 2, 3]'), json_array_contains('[1, 2]', 2), json_size('{"a": {"b": 1}}', '$.a');
SELECT CAST(json_parse('[1, 2]') AS array(bigint)), CAST(ARRAY[1, 2] AS json), CAST(1 AS json);
SELECT json_value('{"a": 1}', 'lax $.a'), json_query('{"a": [1]}', 'lax $.a'), json_exists('{"a": 1}', 'lax $.b');
SELECT json_object('a': 1), json_array(1, 'x');
SELECT json_extract_scalar(s, '$.a') FROM texts WHERE n IN (53, 54, 55, 56) ORDER BY n;
SELECT hub, tz, area FROM hubs ORDER BY hub;
SELECT count(*), count(hub), count(data), sum(area) FROM hubs;
SELECT hub FROM hubs WHERE data IS NULL ORDER BY hub;
SELECT hub, data.x * 2, data.y + area FROM hubs WHERE hub IS NOT NULL ORDER BY hub;
SELECT hub FROM hubs WHERE data.x > 1;
SELECT line FROM lines WHERE line LIKE '%{%';
SELECT json_extract_scalar(line, '$.a') FROM lines;
SELECT "$path", count(*) FROM lines GROUP BY "$path";
SELECT is_json_scalar('1'), is_json_scalar('[1]');

-- Trino refuses:
SELECT json_parse('{a: 1}');
SELECT json_extract('{"a": 1}', 'a..b[');
SELECT '{"a": 1}' -> 'a';
SELECT '{"a": 1}' ->> 'a';
SELECT '{"a": 1}'::json;
SELECT json_extract_string('{"a": 1}', '$.a');
SELECT json_extract_scalar(1, '$.a');
SELECT json_extract_scalar('{"a": 1}');
SELECT hub.data FROM hubs;
SELECT data.nosuch FROM hubs;
SELECT data.x || 'a' FROM hubs;
SELECT data = 1 FROM hubs;
SELECT data > data FROM hubs WHERE data;
SELECT CAST(json_parse('"a"') AS bigint);
SELECT get_json_object('{"a": 1}', '$.a');
SELECT area + tz FROM hubs;
