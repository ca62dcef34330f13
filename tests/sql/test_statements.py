"""The statements of include/sql on one unusual day: given raw lines, expect rows worked out by hand."""

import re

import pytest

from ops.settings import ROOT
from smart_hub.core.quality import audit_query, read_checks, rules_of
from smart_hub.shared import sql
from tests.sql.conftest import (
    AT_04,
    AT_05,
    AT_06,
    AT_07,
    AT_08,
    CONTENT_HASHES,
    DAY,
    FIRST_FILE,
    LAST_FILE,
    NEW_YORK,
    NEXT_DAY,
    PHOENIX,
    PHOENIX_ENDS,
    SENSORS,
    RawDay,
)

FOLDER = ROOT / "include" / "sql"


Row = tuple[str | None, ...]


# Convert


def test_empty_fields_of_locations_become_null(day: RawDay) -> None:
    assert sorted(day.athena.rows("SELECT * FROM staging_locations"), key=str) == [
        (
            *(PHOENIX, "America/Phoenix", "az", None, "33.4", "7", "Elm", "Apt 2"),
            *("Phoenix", None, "AZ", "85001", None, f"s3://{day.athena.bucket}/raw/locations/state=az/l.csv"),
        ),
        (
            *(NEW_YORK, "America/New_York", "ny", "-73.9", "40.7", "1", "Main St, Rear", None),
            *("New York", None, "NY", None, "n-1", f"s3://{day.athena.bucket}/raw/locations/state=ny/l.csv"),
        ),
    ]


def test_mappings_are_converted_unchanged(day: RawDay) -> None:
    rows = day.athena.rows("SELECT * FROM staging_mappings ORDER BY loc_id, sensor")

    file = f"s3://{day.athena.bucket}/raw/mappings/state=az/m.json"
    assert rows[0] == (PHOENIX, "s_01", "Device 1", "House", "100", "1568314800", "az", file)
    assert [row[:2] for row in rows] == [
        *((PHOENIX, sensor) for sensor in SENSORS),
        *((NEW_YORK, sensor) for sensor in SENSORS if sensor != "s_09"),
    ]


@pytest.fixture(scope="session")
def readings(day: RawDay) -> str:
    return day.readings("staging_readings")


def test_each_record_has_a_verdict(day: RawDay, readings: str) -> None:
    rows = day.athena.rows(f"SELECT verdict, loc_id, ts, file, element_at(data, 's_01') FROM {readings}")

    folder = f"s3://{day.athena.bucket}/raw/usage/dt={DAY}"
    first, last = f"{folder}/a.json", f"{folder}/b.json"
    assert sorted(rows, key=str) == sorted(
        [
            ("used", NEW_YORK, str(AT_04), last, "0.5"),
            ("used", NEW_YORK, str(AT_05), first, "1.0"),
            ("used", NEW_YORK, str(AT_06), first, "2.0"),
            ("used", PHOENIX, str(AT_07), first, "0.0"),
            ("used", PHOENIX, str(AT_08), last, "0.0"),
            ("conflicting", NEW_YORK, str(AT_04), first, "9.0"),
            ("out_of_day", NEW_YORK, str(AT_04 - 300), first, "1.0"),
            ("out_of_day", PHOENIX, str(PHOENIX_ENDS), first, "1.0"),
            ("unknown_hub", "ghost", str(AT_04), first, "0.0"),
            ("malformed", None, None, first, None),
            ("missing_loc_id", None, str(AT_04), first, "0.0"),
            ("missing_ts", NEW_YORK, None, first, "0.0"),
            ("missing_data", NEW_YORK, str(AT_05 + 300), first, None),
        ],
        key=str,
    )


def test_a_reading_has_its_numbers_and_its_other_values_apart(day: RawDay, readings: str) -> None:
    numbers = ", ".join(f"element_at(data, '{sensor}')" for sensor in SENSORS)

    rows = day.athena.rows(f"SELECT seconds, odd, {numbers} FROM {readings} WHERE ts = {AT_08} AND verdict = 'used'")

    odd = '{"s_03":null,"s_04":"Infinity"}'
    assert rows == [("300", odd, "0.0", "0.0", None, None, "3.0", "-1.0", "0.0", "0.0", "0.0", "0.0")]


# Transform


@pytest.fixture(scope="session")
def cost(day: RawDay, readings: str) -> str:
    return day.make("transform/usage_cost", "staging_usage_cost", readings_table=readings, **CONTENT_HASHES)


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


def test_each_value_is_priced_by_the_hubs_own_clock(day: RawDay, cost: str) -> None:
    rows = day.athena.rows(f"SELECT {COLUMNS} FROM {cost} WHERE verdict = 'used' AND kwh <> 0")

    assert sorted(rows, key=str) == sorted(PRICED, key=str)


def test_each_value_has_a_verdict(day: RawDay, cost: str) -> None:
    # given: five readings used with 48 numbers; New York's s_09 has no mapping
    rejected = day.athena.rows(f"SELECT verdict, loc_id, sensor, ts_utc FROM {cost} WHERE verdict <> 'used'")

    assert sorted(rejected) == [
        ("unknown_sensor", NEW_YORK, "s_09", f"{DAY} 04:00:00.000"),
        ("unknown_sensor", NEW_YORK, "s_09", f"{DAY} 05:00:00.000"),
        ("unknown_sensor", NEW_YORK, "s_09", f"{DAY} 06:00:00.000"),
    ]
    assert day.athena.rows(f"SELECT count(*) FROM {cost} WHERE verdict = 'used'") == [("45",)]


@pytest.fixture(scope="session")
def rejects(day: RawDay, readings: str, cost: str) -> str:
    name = "transform/usage_rejects"
    return day.make(name, "staging_usage_rejects", readings_table=readings, cost_table=cost)


def test_rejected_lines_and_values_have_their_original_text(day: RawDay, rejects: str) -> None:
    rows = day.athena.rows(f"SELECT reason, loc_id, ts, sensor, line, file FROM {rejects}")

    first, last = (f"s3://{day.athena.bucket}/raw/usage/dt={DAY}/{name}.json" for name in "ab")
    assert sorted(rows, key=str) == sorted(
        [
            ("conflicting", NEW_YORK, str(AT_04), None, FIRST_FILE[0], first),
            ("out_of_day", NEW_YORK, str(AT_04 - 300), None, FIRST_FILE[4], first),
            ("out_of_day", PHOENIX, str(PHOENIX_ENDS), None, FIRST_FILE[5], first),
            ("unknown_hub", "ghost", str(AT_04), None, FIRST_FILE[6], first),
            ("malformed", None, None, None, "not json", first),
            ("missing_loc_id", None, str(AT_04), None, FIRST_FILE[9], first),
            ("missing_ts", NEW_YORK, None, None, FIRST_FILE[10], first),
            ("missing_data", NEW_YORK, str(AT_05 + 300), None, FIRST_FILE[11], first),
            ("missing_value", PHOENIX, str(AT_08), "s_03", LAST_FILE[1], last),
            ("not_finite", PHOENIX, str(AT_08), "s_04", LAST_FILE[1], last),
            ("unknown_sensor", NEW_YORK, str(AT_04), "s_09", None, last),
            ("unknown_sensor", NEW_YORK, str(AT_05), "s_09", None, first),
            ("unknown_sensor", NEW_YORK, str(AT_06), "s_09", None, first),
        ],
        key=str,
    )


def test_a_damaged_file_is_a_reject_without_a_line(day: RawDay, readings: str, cost: str) -> None:
    # given the rejects of a day with a file that was set aside
    table = day.make("transform/usage_rejects", "rejects_of_files", readings_table=readings, cost_table=cost)
    file = f"s3://{day.athena.bucket}/raw/damaged/usage/dt={DAY}/O'Hara.json.gz"

    day.run("transform/damaged_file", table=table, file=sql.StringLiteral(file))

    rows = day.athena.rows(f"SELECT loc_id, ts, sensor, reason, file, line FROM {table} WHERE reason = 'damaged_file'")
    assert rows == [(None, None, None, "damaged_file", file, None)]
    assert day.athena.rows(f"SELECT count(*) FROM {table}") == [("14",)]


# Compact


@pytest.fixture(scope="session")
def compacted(day: RawDay, cost: str) -> str:
    return day.make("compact/usage_cost", "compacted", cost_table=cost, files=1)


def test_the_day_becomes_one_ordered_file(day: RawDay, compacted: str) -> None:
    rows = day.athena.rows(f"SELECT {COLUMNS} FROM {compacted}")

    assert len(day.athena.keys(f"staging/{compacted}/")) == 1
    assert len(rows) == 45
    assert [(row[0], row[4], row[1]) for row in rows] == sorted((row[0], row[4], row[1]) for row in rows)
    assert sorted((row for row in rows if row[7] != "0.0"), key=str) == sorted(PRICED, key=str)


@pytest.mark.parametrize(
    ("statement", "made", "table"),
    [
        ("convert/locations", "staging_locations", "location_versions"),
        ("convert/mappings", "staging_mappings", "mapping_versions"),
        ("convert/readings", "staging_readings", "readings"),
        ("convert/distinct_readings", "staging_readings_distinct", "readings"),
        ("transform/usage_rejects", "rejects", "usage_rejects"),
        ("compact/usage_cost", "compacted", "usage_cost"),
    ],
)
def test_a_statement_returns_the_deployed_columns(
    day: RawDay, readings: str, request: pytest.FixtureRequest, statement: str, made: str, table: str
) -> None:
    # given the additional columns that the rejects need
    extra = [("numbers", "bigint"), *((name, "string") for name in ("odd", "file", "line"))]
    beside = extra if table == "readings" else []

    found = day.columns(made if made.startswith("staging_") else request.getfixturevalue(made))

    # in Parquet, text of limited length is like any other
    assert [(name, re.sub(r"^varchar\(\d+\)$", "string", of)) for name, of in found] == day.columns(table) + beside


@pytest.mark.parametrize("files", [5, 100])
def test_the_day_has_at_most_the_given_number_of_files(day: RawDay, cost: str, compacted: str, files: int) -> None:
    # given: of five buckets Hive's hash puts ny1 (110·31² + 121·31 + 49 = 109510) in 0 and az1 (97·31² + 122·31 + 49 =
    # 97048) in 3, and no hub in the other three; of a hundred, in 10 and 48
    several = day.make("compact/usage_cost", f"compacted_in_{files}", cost_table=cost, files=files)

    assert len(day.athena.keys(f"staging/{several}/")) == 2
    everything = f"SELECT {COLUMNS} FROM"
    assert sorted(day.athena.rows(f"{everything} {several}"), key=str) == sorted(
        day.athena.rows(f"{everything} {compacted}"), key=str
    )
    # expect the audit to accept this number of files, and to refuse it if one is allowed
    checks = [check for check in read_checks(FOLDER) if check.name in ("compaction_kept_all", "one_object")]
    values = {**LIMITS, "compacted_table": several, "cost_table": cost}
    kept_all = ("compaction_kept_all", "fatal", "1", "0", None)
    for allowed, one_object in ((files, ("1", "0", None)), (1, ("1", "1", "2 objects"))):
        found = day.athena.rows(audit_query(checks, {**values, "files": allowed}))
        assert sorted(found) == [kept_all, ("one_object", "fatal", *one_object)]


def test_athena_refuses_more_files_than_the_setting_allows(day: RawDay, cost: str) -> None:
    refused = day.athena.failure(
        day.statement(
            "compact/usage_cost", table="too_many", location=day.location("too_many"), cost_table=cost, files=101
        )
    )
    assert refused.startswith("HIVE_TOO_MANY_OPEN_PARTITIONS")


# Quality: all rules on this day; test_rules.py has the cases of each


@pytest.fixture(scope="session")
def tables(readings: str, cost: str, rejects: str, compacted: str) -> dict[str, str | int]:
    return {"readings_table": readings, "cost_table": cost, "rejects_table": rejects, "compacted_table": compacted}


LIMITS: dict[str, str | int] = {
    "day": DAY,
    "next_day": NEXT_DAY,
    "files": 1,
    "max_reject_ratio": "0.5",
    "watts_margin": "1",
    **CONTENT_HASHES,
}


# The number of checked items and of violations, and the first and last of these.
FOUND = {
    # 13 records = 5 used + 8 rejected; 50 values = 45 published + 5 rejected.
    "every_reading_accounted": ("1", "0", None),
    "every_value_accounted": ("1", "0", None),
    "every_reject_has_a_reason": ("13", "0", None),
    "compaction_kept_all": ("1", "0", None),
    "one_object": ("1", "0", None),
    "inside_the_day": ("45", "0", None),
    "one_row_per_value": ("45", "0", None),
    "complete_rows": ("45", "0", None),
    "finite_usage": ("45", "0", None),
    "some_usage": ("1", "0", None),
    # Phoenix at 01:00: eight values are used, none has a rate; one is negative.
    "hours_with_rate": ("45", "8", "az 2019-11 hour 1"),
    "no_negative_usage": ("45", "1", f"{PHOENIX} s_06 {DAY} 01:00:00.000"),
    # Device n has 100 · n watts: 100 W draw 0.0083 kWh in five minutes, 200 W 0.0167, 500 W 0.0417.
    "possible_power": ("45", "5", f"{PHOENIX} s_02 {DAY} 00:00:00.000, {NEW_YORK} s_01 {DAY} 01:00:00.000"),
    # Rejected: New York 31 of 61, unknown hubs all, Phoenix 12 of 30. So only two hubs are at fault.
    "few_rejects": ("1", "0", None),
    "few_rejected_values": ("2", "2", f"{PHOENIX}: 2 of 20 values rejected, {NEW_YORK}: 3 of 30 values rejected"),
    "mappings_with_usage": ("19", "0", None),
    # The day has 25 hours in New York, 24 in Phoenix.
    "full_days": ("2", "2", f"{PHOENIX} partial: 2 of 288 intervals, {NEW_YORK} partial: 3 of 300 intervals"),
    "hubs_with_usage": ("2", "0", None),
    "hubs_with_location": ("8", "1", "ghost"),
    "sensors_with_mapping": ("3", "1", f"{NEW_YORK} s_09"),
    "sound_mappings": ("19", "0", None),
    "one_mapping_per_sensor": ("19", "0", None),
    "sound_locations": ("2", "0", None),
    "one_location_per_hub": ("2", "0", None),
}


def test_the_audit_of_the_odd_day(day: RawDay, tables: dict[str, str | int]) -> None:
    checks = read_checks(FOLDER)
    rules = rules_of(checks)
    assert rules.keys() == FOUND.keys()

    assert sorted(day.athena.rows(audit_query(checks, {**LIMITS, **tables}))) == [
        (rule.name, rule.severity, *FOUND[rule.name]) for rule in rules.values()
    ]


# Publish


def test_publishing_moves_the_partition_of_the_day(day: RawDay, compacted: str) -> None:
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
def test_a_view_shows_one_content(day: RawDay, name: str, content: str, count: int, columns: str) -> None:
    assert day.athena.rows(f"SELECT count(*) FROM {name}") == [("0",)]  # as it was deployed
    declared = day.columns(name)

    day.run(f"publish/{name}", content_hash=content)

    assert day.columns(name) == declared
    assert len(day.athena.rows(f"SELECT {columns} FROM {name}")) == count
    day.run(f"publish/{name}", content_hash="nothing")
    assert day.athena.rows(f"SELECT count(*) FROM {name}") == [("0",)]
