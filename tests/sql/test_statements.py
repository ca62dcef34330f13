"""Every statement of include/sql on one odd day: given raw lines, expect rows, worked out by hand."""

from pathlib import Path

import pytest
from local_server import ROOT
from trino_query_parser import parse_statement

from localaws.athena import ddl
from smart_hub import sql
from tests.sql.conftest import (
    AT_04,
    AT_05,
    AT_06,
    AT_07,
    AT_08,
    DAY,
    NEW_YORK,
    PHOENIX,
    PHOENIX_ENDS,
    SENSORS,
    Day,
)

FOLDER = ROOT / "include" / "sql"
NAMES = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in sorted(FOLDER.rglob("*.sql"))]
HIVE_DDL = ["publish/add_partition", "publish/set_location"]
VALUES: dict[str, str | int] = {"day": DAY, "location": "s3://bucket/prefix/", "files": 1}

Row = tuple[str | None, ...]


def rendered(name: str) -> str:
    wanted = sql.placeholders((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
    return sql.statement(FOLDER, name, **{one: VALUES.get(one, f"some_{one}") for one in wanted})


@pytest.mark.parametrize("name", NAMES)
def test_a_header_says_what_a_statement_gives(name: str) -> None:
    assert Path(FOLDER, f"{name}.sql").read_text(encoding="utf-8").startswith("-- ")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HIVE_DDL])
def test_trinos_grammar_takes_the_statement(name: str) -> None:
    parse_statement(rendered(name))


@pytest.mark.parametrize("name", HIVE_DDL)
def test_hive_ddl_is_what_the_local_athena_knows(name: str) -> None:
    statement = ddl.find(rendered(name), "db", glue=None)

    assert statement is not None
    assert statement.parts["table"] == "some_table"
    assert statement.parts["location"] == "s3://bucket/prefix/"


# Convert


def test_locations_lose_their_empty_fields(day: Day) -> None:
    assert sorted(day.athena.rows("SELECT * FROM staging_locations"), key=str) == [
        (
            *(PHOENIX, "America/Phoenix", "az", None, "33.4", "7", "Elm", "Apt 2"),
            *("Phoenix", None, "AZ", "85001", None),
        ),
        (
            *(NEW_YORK, "America/New_York", "ny", "-73.9", "40.7", "1", "Main St, Rear", None),
            *("New York", None, "NY", None, "n-1"),
        ),
    ]


def test_mappings_come_as_they_are(day: Day) -> None:
    rows = day.athena.rows("SELECT * FROM staging_mappings ORDER BY loc_id, sensor")

    assert rows[0] == (PHOENIX, "s_01", "Device 1", "House", "100", "1568314800", "az")
    assert [row[:2] for row in rows] == [
        *((PHOENIX, sensor) for sensor in SENSORS),
        *((NEW_YORK, sensor) for sensor in SENSORS if sensor != "s_09"),
    ]


@pytest.fixture(scope="session")
def usage(day: Day) -> str:
    return day.make("convert/usage", "staging_usage", day=DAY, locations="L")


def test_each_line_has_a_verdict(day: Day, usage: str) -> None:
    rows = day.athena.rows(f"SELECT verdict, loc_id, ts, file, s_01 FROM {usage}")

    folder = f"s3://{day.athena.bucket}/raw/usage/dt={DAY}"
    first, last = f"{folder}/a.json", f"{folder}/b.json"
    assert sorted(rows, key=str) == sorted(
        [
            ("used", NEW_YORK, str(AT_04), last, "0.5"),
            ("used", NEW_YORK, str(AT_05), first, "1.0"),
            ("used", NEW_YORK, str(AT_06), first, "2.0"),
            ("used", PHOENIX, str(AT_07), first, "0.0"),
            ("used", PHOENIX, str(AT_08), last, "0.0"),
            ("duplicate", NEW_YORK, str(AT_04), first, "9.0"),
            ("out_of_day", NEW_YORK, str(AT_04 - 300), first, "1.0"),
            ("out_of_day", PHOENIX, str(PHOENIX_ENDS), first, "1.0"),
            ("unknown_hub", "ghost", str(AT_04), first, "0.0"),
            ("malformed", None, None, first, None),
            ("malformed", None, None, first, None),
            ("missing_loc_id", None, str(AT_04), first, "0.0"),
            ("missing_ts", NEW_YORK, None, first, "0.0"),
            ("missing_data", NEW_YORK, str(AT_05 + 300), first, None),
        ],
        key=str,
    )


def test_readings_keep_all_ten_values(day: Day, usage: str) -> None:
    values = ", ".join(SENSORS)

    assert day.athena.rows(f"SELECT {values} FROM {usage} WHERE ts = {AT_08} AND verdict = 'used'") == [
        ("0.0", "0.0", None, "Infinity", "3.0", "-1.0", "0.0", "0.0", "0.0", "0.0")
    ]


# Transform


@pytest.fixture(scope="session")
def cost(day: Day, usage: str) -> str:
    contents = {"locations": "L", "mappings": "M", "rates": "R"}
    return day.make("transform/usage_cost", "staging_usage_cost", usage_table=usage, **contents)


COLUMNS = "loc_id, device, location, ts, ts_utc, tz, type, kwh, cents_per_kwh, cost, state, sensor"


def new_york(local: str, utc: str, kind: str, kwh: str, cents: str, cost: str) -> Row:
    times = (f"{DAY} {local}:00.000", f"{DAY} {utc}:00.000", "America/New_York")
    return (NEW_YORK, "Device 1", "House", *times, kind, kwh, cents, cost, "ny", "s_01")


# 01:00 comes twice in New York. Phoenix has no rate at 01:00, so no cost.
PRICED = [
    new_york("00:00", "04:00", "off-peak", "0.5", "10.0", "5.0"),
    new_york("01:00", "05:00", "peak", "1.0", "20.0", "20.0"),
    new_york("01:00", "06:00", "peak", "2.0", "20.0", "40.0"),
    (
        *(PHOENIX, "Device 2", "House", f"{DAY} 00:00:00.000", f"{DAY} 07:00:00.000", "America/Phoenix"),
        *("off-peak", "0.25", "8.0", "2.0", "az", "s_02"),
    ),
    (
        *(PHOENIX, "Device 5", "House", f"{DAY} 01:00:00.000", f"{DAY} 08:00:00.000", "America/Phoenix"),
        *(None, "3.0", None, None, "az", "s_05"),
    ),
    (
        *(PHOENIX, "Device 6", "House", f"{DAY} 01:00:00.000", f"{DAY} 08:00:00.000", "America/Phoenix"),
        *(None, "-1.0", None, None, "az", "s_06"),
    ),
]


def test_each_value_is_priced_by_the_hubs_own_clock(day: Day, cost: str) -> None:
    rows = day.athena.rows(f"SELECT {COLUMNS} FROM {cost} WHERE verdict = 'used' AND kwh <> 0")

    assert sorted(rows, key=str) == sorted(PRICED, key=str)


def test_each_value_has_a_verdict(day: Day, cost: str) -> None:
    # given: five readings used of ten values each; New York's s_09 has no mapping
    rejected = day.athena.rows(f"SELECT verdict, loc_id, sensor, reading_ts FROM {cost} WHERE verdict <> 'used'")

    assert sorted(rejected) == [
        ("missing_value", PHOENIX, "s_03", str(AT_08)),
        ("not_finite", PHOENIX, "s_04", str(AT_08)),
        ("unknown_sensor", NEW_YORK, "s_09", str(AT_04)),
        ("unknown_sensor", NEW_YORK, "s_09", str(AT_05)),
        ("unknown_sensor", NEW_YORK, "s_09", str(AT_06)),
    ]
    assert day.athena.rows(f"SELECT count(*) FROM {cost} WHERE verdict = 'used'") == [("45",)]


@pytest.fixture(scope="session")
def rejects(day: Day, usage: str, cost: str) -> str:
    return day.make("transform/usage_rejects", "staging_usage_rejects", usage_table=usage, cost_table=cost)


def test_rejects_are_the_lines_and_the_values(day: Day, rejects: str) -> None:
    rows = day.athena.rows(f"SELECT reason, loc_id, ts, sensor, line FROM {rejects}")

    assert sorted(rows, key=str) == sorted(
        [
            ("duplicate", NEW_YORK, str(AT_04), None, None),
            ("out_of_day", NEW_YORK, str(AT_04 - 300), None, None),
            ("out_of_day", PHOENIX, str(PHOENIX_ENDS), None, None),
            ("unknown_hub", "ghost", str(AT_04), None, None),
            ("malformed", None, None, None, None),
            ("malformed", None, None, None, None),
            ("missing_loc_id", None, str(AT_04), None, None),
            ("missing_ts", NEW_YORK, None, None, None),
            ("missing_data", NEW_YORK, str(AT_05 + 300), None, None),
            ("missing_value", PHOENIX, str(AT_08), "s_03", None),
            ("not_finite", PHOENIX, str(AT_08), "s_04", None),
            ("unknown_sensor", NEW_YORK, str(AT_04), "s_09", None),
            ("unknown_sensor", NEW_YORK, str(AT_05), "s_09", None),
            ("unknown_sensor", NEW_YORK, str(AT_06), "s_09", None),
        ],
        key=str,
    )
    files = day.athena.rows(f"SELECT DISTINCT file FROM {rejects} WHERE sensor IS NULL")
    assert files == [(f"s3://{day.athena.bucket}/raw/usage/dt={DAY}/a.json",)]


# Compact


@pytest.fixture(scope="session")
def compacted(day: Day, cost: str) -> str:
    return day.make("compact/usage_cost", "compacted", cost_table=cost, files=1)


def test_the_day_becomes_one_ordered_file(day: Day, compacted: str) -> None:
    rows = day.athena.rows(f"SELECT {COLUMNS} FROM {compacted}")

    assert len(day.athena.keys(f"staging/{compacted}/")) == 1
    assert len(rows) == 45
    assert [(row[0], row[4], row[1]) for row in rows] == sorted((row[0], row[4], row[1]) for row in rows)
    assert sorted((row for row in rows if row[7] != "0.0"), key=str) == sorted(PRICED, key=str)


def test_the_day_becomes_as_many_files_as_are_asked_for(day: Day, cost: str, compacted: str) -> None:
    # given: of five buckets Hive's hash puts ny1 (110·31² + 121·31 + 49 = 109510) in 0 and az1 (97·31² + 122·31 + 49 =
    # 97048) in 3, and no hub in the other three
    in_five = day.make("compact/usage_cost", "compacted_in_five", cost_table=cost, files=5)

    assert len(day.athena.keys(f"staging/{in_five}/")) == 2
    everything = f"SELECT {COLUMNS} FROM"
    assert sorted(day.athena.rows(f"{everything} {in_five}"), key=str) == sorted(
        day.athena.rows(f"{everything} {compacted}"), key=str
    )


# Quality


@pytest.fixture(scope="session")
def tables(usage: str, cost: str, rejects: str, compacted: str) -> dict[str, str]:
    return {"usage_table": usage, "cost_table": cost, "rejects_table": rejects, "published_table": compacted}


def judged(day: Day, name: str, values: dict[str, str]) -> list[Row]:
    wanted = sql.placeholders((FOLDER / "quality" / f"{name}.sql").read_text(encoding="utf-8"))
    return day.rows(f"quality/{name}", **{one: values[one] for one in wanted})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 14 lines = 5 used + 9 rejected; 50 values = 45 published + 5 rejected.
        ("every_reading_accounted", ("14", "0", None)),
        ("every_value_accounted", ("50", "0", None)),
        ("compaction_kept_all", ("45", "0", None)),
        ("inside_the_day", ("45", "0", None)),
        ("one_row_per_value", ("45", "0", None)),
        ("some_usage", ("45", "0", None)),
        # Phoenix at 01:00: eight values are used, none has a rate; one is negative.
        ("complete_rows", ("45", "8", f"{PHOENIX} s_01 {DAY} 01:00:00.000")),
        ("no_negative_usage", ("45", "1", f"{PHOENIX} s_06 {DAY} 01:00:00.000")),
    ],
)
def test_rule(day: Day, tables: dict[str, str], name: str, expected: Row) -> None:
    assert judged(day, name, {**tables, "day": DAY}) == [expected]


def test_there_is_no_rule_without_a_test() -> None:
    rules = {name.removeprefix("quality/") for name in NAMES if name.startswith("quality/")}
    ((_, cases),) = [mark.args for mark in test_rule.pytestmark]  # type: ignore[attr-defined]

    assert rules == {name for name, _ in cases}


@pytest.fixture(scope="session")
def broken(day: Day, tables: dict[str, str]) -> dict[str, str]:
    """The published day with every row twice, less those of Phoenix at 01:00; its rejects are lost."""
    rows = f"SELECT * FROM {tables['published_table']} WHERE type IS NOT NULL"
    location = "external_location = '{}'"
    for name, select in (
        ("doubled", f"{rows} UNION ALL {rows}"),
        ("lost", f"SELECT * FROM {tables['rejects_table']} WHERE reason = 'nothing'"),
    ):
        day.athena.run(f"CREATE TABLE {name} WITH ({location.format(day.location(name))}) AS {select}")
    return {**tables, "published_table": "doubled", "rejects_table": "lost"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 45 − 8 = 37 rows, each twice: 74.
        ("every_reading_accounted", ("14", "9", None)),
        ("every_value_accounted", ("50", "24", None)),
        ("compaction_kept_all", ("74", "1", None)),
        ("inside_the_day", ("74", "74", f"{PHOENIX} {DAY} 00:00:00.000")),
        ("one_row_per_value", ("37", "37", f"{PHOENIX} s_01")),
        ("complete_rows", ("74", "0", None)),
        ("no_negative_usage", ("74", "0", None)),
    ],
)
def test_rule_on_a_broken_day(day: Day, broken: dict[str, str], name: str, expected: Row) -> None:
    assert judged(day, name, {**broken, "day": "2019-11-04"}) == [expected]


def test_a_day_without_usage_breaks_a_rule(day: Day, broken: dict[str, str]) -> None:
    assert judged(day, "some_usage", {"published_table": broken["rejects_table"]}) == [("0", "1", None)]


# Publish


def test_publishing_points_the_day_at_a_version(day: Day, compacted: str) -> None:
    count = f"SELECT count(*) FROM usage_cost WHERE dt = DATE '{DAY}'"
    nowhere, here = day.location("nowhere"), day.location(compacted)

    day.run("publish/add_partition", table="usage_cost", day=DAY, location=nowhere)
    assert day.athena.rows(count) == [("0",)]
    day.run("publish/add_partition", table="usage_cost", day=DAY, location=here)
    assert day.athena.rows(count) == [("0",)]  # the day is known already
    day.run("publish/set_location", table="usage_cost", day=DAY, location=here)
    assert day.athena.rows(count) == [("45",)]


@pytest.mark.parametrize(
    ("name", "content", "count", "columns"),
    [
        (
            "locations",
            "L",
            2,
            "loc_id, tz, state, lon, lat, number, street, unit, city, district, region, postcode, id",
        ),
        ("mappings", "M", 19, "loc_id, sensor, device, location, watts, last_modified, state"),
        ("rates", "R", 6, "state, year, month, hour, type, cents_per_kwh"),
    ],
)
def test_a_view_shows_one_content(day: Day, name: str, content: str, count: int, columns: str) -> None:
    assert day.athena.rows(f"SELECT count(*) FROM {name}") == [("0",)]  # as it was deployed

    day.run(f"publish/{name}", content=content)

    assert len(day.athena.rows(f"SELECT {columns} FROM {name}")) == count
    day.run(f"publish/{name}", content="nothing")
    assert day.athena.rows(f"SELECT count(*) FROM {name}") == [("0",)]
