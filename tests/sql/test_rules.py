"""Each quality rule by itself, in this process: given a few rows, expect exactly these faults.

The cases are at the limit of a rule and just beyond it, with each field of its condition invalid alone, and with rows
that the rule ignores. test_statements.py runs all rules on a whole day.
"""

from dataclasses import dataclass, field

import pytest

from localaws.testing.sql import FakeSource, query, rows, table
from ops.settings import ROOT
from smart_hub.core.quality import REJECTS_RULE, ROWS_RULE, QualityCheck, audit_query, read_checks, rules_of

pytestmark = pytest.mark.unit

SQL = ROOT / "include" / "sql"
DAY = "2019-12-21"

# A valid row of each table: columns as (type, value as SQL). No rule finds a fault in it.
SOUND: dict[str, dict[str, tuple[str, str]]] = {
    "readings": {
        "loc_id": ("string", "'hub'"),
        "numbers": ("bigint", "1"),
        "odd": ("string", "NULL"),
        "verdict": ("string", "'used'"),
    },
    "cost": {
        "kwh": ("double", "0.5"),
        "verdict": ("string", "'used'"),
    },
    "rejects": {
        "loc_id": ("string", "'hub'"),
        "sensor": ("string", "NULL"),
        "reason": ("string", "'malformed'"),
        "file": ("string", "'f'"),
    },
    "published": {
        "loc_id": ("string", "'hub'"),
        "sensor": ("string", "'s_01'"),
        "ts": ("timestamp", f"'{DAY} 23:55:00'"),
        "ts_utc": ("timestamp", "'2019-12-22 07:55:00'"),
        "tz": ("string", "'America/Los_Angeles'"),
        "state": ("string", "'ca'"),
        "device": ("string", "'Oven'"),
        "kwh": ("double", "0.5"),
        "type": ("string", "'peak'"),
        "cents_per_kwh": ("double", "10"),
        "cost": ("double", "5"),
    },
    "location_versions": {
        "loc_id": ("string", "'hub'"),
        "tz": ("string", "'America/Los_Angeles'"),
        "state": ("string", "'ca'"),
        "file": ("string", "'f'"),
        "content": ("string", "'L'"),
    },
    "mapping_versions": {
        "loc_id": ("string", "'hub'"),
        "sensor": ("string", "'s_01'"),
        "device": ("string", "'Oven'"),
        "watts": ("bigint", "6000"),
        "file": ("string", "'f'"),
        "content": ("string", "'M'"),
    },
    "rate_versions": {
        "state": ("string", "'ca'"),
        "content": ("string", "'R'"),
    },
}
VALUES: dict[str, str | int] = {
    **{"readings_table": "readings", "cost_table": "cost", "rejects_table": "rejects", "compacted_table": "published"},
    **{"mappings_content_hash": "M", "locations_content_hash": "L", "rates_content_hash": "R"},
    **{"day": DAY, "next_day": "2019-12-22", "files": 1, "max_reject_ratio": "0.5", "watts_margin": "1.25"},
}


def hubs(count: int, row: dict[str, str]) -> list[dict[str, str]]:
    """The row, once for each of `count` hubs."""
    return [{**row, "loc_id": f"'h{number}'"} for number in range(count)]


def over_half(at_fault: int, of: int, ratio: str = "0.5") -> list[str]:
    """The faults of few_rejects: one, with these numbers of hubs."""
    return [f"{at_fault} of {of} hubs have over half of their values rejected; SMART_HUB_MAX_REJECT_RATIO is {ratio}"]


# Rows by table, as differences from the valid row. A table that is not given has the valid row; an empty list, no row.
Given = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Case:
    """A description, the rows (and values other than VALUES), and the expected faults.

    checked: the expected number of checked items, if the case tests it.
    """

    says: str
    given: Given
    faults: list[str]
    values: dict[str, str | int] = field(default_factory=dict)
    checked: int | None = None


# Where values are compared, one sorts before the valid one and one after it.
USED, UNUSED, UNUSED_TOO = ({"verdict": f"'{verdict}'"} for verdict in ("used", "duplicate", "wrong_unit"))
OTHER_CONTENTS = [{"content": "'A'"}, {"content": "'older'"}]
OTHER_HUBS = [{"loc_id": "'another'"}, {"loc_id": "'other'"}]
LINE, VALUE = {"sensor": "NULL"}, {"sensor": "'s_03'"}  # what is rejected is a whole line, or one value
THREE = {"numbers": "2", "odd": """'{"s_03":true}'"""}
# Records without numbers: with odd values only, and without values.
ONE_ODD, TWO_ODD = ({"numbers": "NULL", "odd": f"'{odd}'"} for odd in ('{"s_03":true}', '{"s_02":"x","s_03":null}'))
NO_VALUES = {"numbers": "NULL", "verdict": "'missing_data'"}
TIME = f"{DAY} 23:55:00.000"
# The key of a row, with which each sample of a row begins.
ROW = f"hub s_01 {TIME}"
NOT_FINITE = [f"CAST('{value}' AS double)" for value in ("Infinity", "-Infinity", "NaN")]

CASES: dict[str, list[Case]] = {
    "compaction_kept_all": [
        Case("nothing staged, nothing compacted", {"cost": [], "published": []}, []),
        Case(
            "what was rejected is not compacted",
            {"cost": [{}, *({**one, "kwh": "7"} for one in (UNUSED, UNUSED_TOO))]},
            [],
        ),
        Case("one more row, of no energy", {"published": [{}, {"kwh": "0"}]}, ["1 rows staged, 2 compacted"]),
        Case("one row less, of no energy", {"cost": [{}, {"kwh": "0"}]}, ["2 rows staged, 1 compacted"]),
        Case("as many rows, of more energy", {"published": [{"kwh": "0.6"}]}, ["1 rows staged, 1 compacted"]),
        Case("energy lost altogether", {"published": [{"kwh": "NULL"}]}, ["1 rows staged, 1 compacted"]),
        Case("energy out of nothing", {"cost": [{"kwh": "NULL"}]}, ["1 rows staged, 1 compacted"]),
        *(
            Case(f"the ninth decimal, {one}", {one: [{"kwh": "0.500000001"}]}, ["1 rows staged, 1 compacted"])
            for one in ("cost", "published")
        ),
        *(
            Case(f"beyond the ninth decimal, {one}", {one: [{"kwh": "0.5000000001"}]}, [])
            for one in ("cost", "published")
        ),
        *(
            Case(f"{kwh} kept is another rule's", {one: [{"kwh": kwh}] for one in ("cost", "published")}, [])
            for kwh in (NOT_FINITE[2], "999999999", "1000000000")  # at most nine digits are compared
        ),
    ],
    "complete_rows": [
        Case("sound", {}, []),
        Case("neither rate nor room is asked for", {"published": [{"type": "NULL", "cost": "NULL"}]}, []),
        Case("no hub", {"published": [{"loc_id": "NULL"}]}, [f"? s_01 {TIME}"]),
        Case("no sensor", {"published": [{"sensor": "NULL"}]}, [f"hub ? {TIME}"]),
        Case("no time", {"published": [{"ts": "NULL"}]}, ["hub s_01 ?"]),
        *(
            Case(f"no {column}", {"published": [{}, {column: "NULL"}]}, [ROW])
            for column in ("ts_utc", "tz", "state", "device", "kwh")
        ),
    ],
    "every_reading_accounted": [
        Case("a record used, two rejected", {"readings": [USED, UNUSED, UNUSED_TOO], "rejects": [LINE, LINE]}, []),
        Case("values are not records", {"readings": [USED, UNUSED], "rejects": [LINE, VALUE, VALUE]}, []),
        Case(
            "damaged files are not records",
            {"readings": [USED, UNUSED], "rejects": [LINE, {**LINE, "reason": "'damaged_file'"}]},
            [],
        ),
        Case(
            "records rejected for any other reason count",
            {"readings": [USED, UNUSED, UNUSED], "rejects": [{"reason": "'bad_ts'"}, {"reason": "'out_of_day'"}]},
            [],
        ),
        Case("a record lost", {"readings": [USED, UNUSED, UNUSED]}, ["3 records, 1 used and 1 rejected"]),
        Case(
            "a record too many",
            {"readings": [USED, UNUSED], "rejects": [LINE, LINE]},
            ["2 records, 1 used and 2 rejected"],
        ),
    ],
    "every_reject_has_a_reason": [
        Case("nothing but reason and file is asked for", {"rejects": [{"loc_id": "NULL"}]}, []),
        Case("no reason", {"rejects": [{}, {"reason": "NULL"}]}, ["hub f"]),
        Case("no file", {"rejects": [{"file": "NULL"}, {}]}, ["hub ?"]),
        Case("no reason, no hub", {"rejects": [{"reason": "NULL", "loc_id": "NULL"}]}, ["? f"]),
    ],
    # A reading with three values, one of which is not a number.
    "every_value_accounted": [
        Case("two published, one rejected", {"readings": [THREE], "published": [{}] * 2, "rejects": [VALUE]}, []),
        Case(
            "rejected records have no values",
            {"readings": [THREE], "published": [{}] * 2, "rejects": [VALUE, LINE]},
            [],
        ),
        Case(
            "unused readings have none",
            {"readings": [THREE, UNUSED, UNUSED_TOO], "published": [{}] * 2, "rejects": [VALUE]},
            [],
        ),
        Case("nothing used, nothing published", {"readings": [UNUSED], "published": [], "rejects": [LINE]}, []),
        Case("of two readings", {"readings": [THREE, {}], "published": [{}] * 3, "rejects": [VALUE]}, []),
        Case(
            "one published too many",
            {"readings": [THREE], "published": [{}] * 3, "rejects": [VALUE]},
            ["3 values, 3 published and 1 rejected"],
        ),
        Case(
            "one rejected that is lost",
            {"readings": [THREE, {}], "published": [{}] * 3, "rejects": []},
            ["4 values, 3 published and 0 rejected"],
        ),
        Case("published without a reading", {"readings": []}, ["0 values, 1 published and 0 rejected"]),
        Case("published twice", {"published": [{}] * 2}, ["1 values, 2 published and 0 rejected"]),
    ],
    # THREE has three values: two numbers and one other.
    "few_rejected_values": [
        Case("none rejected", {}, [], checked=1),
        Case("a record is not a value", {"rejects": [LINE]}, []),
        Case("one of twenty", {"readings": [{}] * 20, "rejects": [VALUE]}, []),
        Case("one of twenty-one", {"readings": [{}] * 21, "rejects": [VALUE]}, []),
        Case("two of 39", {"readings": [{}] * 39, "rejects": [VALUE] * 2}, ["hub: 2 of 39 values rejected"]),
        Case("one of nineteen", {"readings": [{}] * 19, "rejects": [VALUE]}, ["hub: 1 of 19 values rejected"]),
        Case("one of three of a reading", {"readings": [THREE], "rejects": [VALUE]}, ["hub: 1 of 3 values rejected"]),
        Case("values of other hubs", {"rejects": [{**VALUE, **other} for other in OTHER_HUBS]}, []),
        Case(
            "unused readings do not count",
            {"readings": [{}] * 19 + [UNUSED, UNUSED_TOO], "rejects": [VALUE]},
            ["hub: 1 of 19 values rejected"],
        ),
        Case(
            "odd values count, also of a reading without numbers",
            {"readings": [{}] * 18 + [ONE_ODD], "rejects": [VALUE]},
            ["hub: 1 of 19 values rejected"],
        ),
    ],
    "few_rejects": [
        Case("no record", {"readings": []}, []),
        Case("two hubs at fault are too few", {"readings": [UNUSED_TOO, {**UNUSED_TOO, "loc_id": "'b'"}]}, []),
        Case("three hubs at fault, of three", {"readings": hubs(3, UNUSED_TOO)}, over_half(3, 3)),
        Case("four hubs at fault, of four", {"readings": hubs(4, {"verdict": "'bad_ts'"})}, over_half(4, 4)),
        Case("just the share allowed", {"readings": hubs(3, UNUSED_TOO) + hubs(6, {})[3:]}, []),
        Case("below the share allowed", {"readings": hubs(3, UNUSED_TOO) + hubs(7, {})[3:]}, []),
        Case("one hub less that is right", {"readings": hubs(3, UNUSED_TOO) + hubs(5, {})[3:]}, over_half(3, 5)),
        Case("half of each hub's values is not over half", {"readings": hubs(3, UNUSED_TOO) + hubs(3, {})}, []),
        Case(
            "values, not records: one of three, two of one",
            {"readings": hubs(3, {**THREE, "verdict": "'out_of_day'"}) + hubs(3, {}) * 2},
            over_half(3, 3),
        ),
        Case("a record without values counts as one value", {"readings": hubs(3, NO_VALUES)}, over_half(3, 3)),
        Case("a record without values is half of two values", {"readings": hubs(3, NO_VALUES) + hubs(3, {})}, []),
        Case("equal duplicates", {"readings": hubs(3, {}) + hubs(3, UNUSED) * 9}, []),
        Case(
            "three of five values are rejected, one is a duplicate",
            {"readings": hubs(3, {}) + hubs(3, UNUSED) + hubs(3, UNUSED_TOO) * 3},
            over_half(3, 3),
        ),
        Case(
            "odd values of readings that are used",
            {"readings": hubs(3, {"odd": """'{"s_02":"x","s_03":null}'"""})},
            over_half(3, 3),
        ),
        Case("two of three values are odd", {"readings": hubs(3, TWO_ODD) + hubs(3, {})}, over_half(3, 3)),
        Case("two of four values are odd", {"readings": hubs(3, TWO_ODD) + hubs(3, {"numbers": "2"})}, []),
        Case(
            "records of no known hub are one hub",
            {
                "readings": [
                    *({**one, "verdict": "'unknown_hub'"} for one in hubs(9, {})),
                    *({**one, "verdict": "'out_of_day'"} for one in hubs(1, {})),
                    *(
                        {**NO_VALUES, "loc_id": "NULL", "verdict": f"'{one}'"}
                        for one in ("malformed", "missing_loc_id")
                    ),
                ]
            },
            [],
        ),
        Case(
            "none allowed",
            {"readings": hubs(3, UNUSED_TOO) + hubs(9, {})[3:]},
            over_half(3, 9, ratio="0"),
            {"max_reject_ratio": "0"},
        ),
    ],
    "finite_usage": [
        Case("no cost is another rule's", {"published": [{"cost": "NULL"}, {"kwh": "NULL"}]}, []),
        *(
            Case(f"{column} is {value}", {"published": [{}, {column: value}]}, [ROW])
            for column in ("kwh", "cost")
            for value in NOT_FINITE
        ),
    ],
    "full_days": [
        Case("288 readings of 24 hours", {"readings": [{}] * 288}, []),
        Case("one less", {"readings": [{}] * 287}, ["hub partial: 287 of 288 intervals"]),
        Case("one more", {"readings": [{}] * 289}, []),
        Case(
            "unused ones do not count",
            {"readings": [{}] * 287 + [UNUSED, UNUSED_TOO]},
            ["hub partial: 287 of 288 intervals"],
        ),
        Case(
            "clocks go back: 25 hours",
            {"readings": [{}] * 299},
            ["hub partial: 299 of 300 intervals"],
            {"day": "2019-11-03", "next_day": "2019-11-04"},
        ),
        Case(
            "clocks go forward: 23 hours",
            {"readings": [{}] * 276},
            [],
            {"day": "2020-03-08", "next_day": "2020-03-09"},
        ),
        Case(
            "each hub by itself",
            {"readings": [{}] * 288 + OTHER_HUBS * 287, "location_versions": [{}, *OTHER_HUBS]},
            ["another partial: 287 of 288 intervals", "other partial: 287 of 288 intervals"],
        ),
        Case("a hub without a location is another rule's", {"readings": OTHER_HUBS}, [], checked=0),
        Case("another content's zone is not asked", {"readings": [{}] * 287, "location_versions": OTHER_CONTENTS}, []),
        Case("a zone that nobody knows", {"location_versions": [{"tz": "'America/Portland'"}]}, []),
        Case("no zone", {"location_versions": [{"tz": "NULL"}]}, []),
    ],
    "hours_with_rate": [
        Case("energy without a name has a cost", {"published": [{"device": "NULL", "kwh": "NULL"}]}, []),
        *(
            Case(f"no {column}", {"published": [{}, {column: "NULL"}]}, ["ca 2019-12 hour 23"])
            for column in ("type", "cents_per_kwh", "cost")
        ),
    ],
    "hubs_with_location": [
        Case("another reason", {"rejects": [{}, {"reason": "'unknown_zone'"}]}, []),
        Case("an unknown hub is reported once", {"rejects": [{"reason": "'unknown_hub'"}] * 2}, ["hub"]),
        Case("a value's reason is not a line's", {"rejects": [{**VALUE, "reason": "'unknown_hub'"}]}, []),
    ],
    "hubs_with_usage": [
        Case("sound", {}, []),
        Case("no reading", {"readings": []}, ["hub"]),
        Case("one hub, however many readings", {"readings": [{}, {}]}, [], checked=1),
        Case("none that was used", {"readings": [UNUSED, UNUSED_TOO]}, ["hub"]),
        Case("other hubs'", {"readings": OTHER_HUBS}, ["hub"]),
        Case("a hub of another content", {"readings": [], "location_versions": OTHER_CONTENTS}, []),
    ],
    "inside_the_day": [
        Case("its last interval", {}, []),
        Case("its first", {"published": [{"ts": f"'{DAY} 00:00:00'"}]}, []),
        Case("the day after", {"published": [{"ts": "'2019-12-22 00:00:00'"}]}, ["hub 2019-12-22 00:00:00.000"]),
        Case("the day before", {"published": [{"ts": "'2019-12-20 23:55:00'"}]}, ["hub 2019-12-20 23:55:00.000"]),
    ],
    "no_negative_usage": [
        Case("sound", {}, []),
        Case("nothing drawn", {"published": [{"kwh": "0"}]}, []),
        Case("ever so little given back", {"published": [{"kwh": "-0.000001"}, {}]}, [ROW]),
    ],
    "one_location_per_hub": [
        Case("hubs that differ", {"location_versions": [{}, {"loc_id": "'other'"}]}, []),
        Case("one in each content", {"location_versions": [{}, *OTHER_CONTENTS]}, []),
        Case("rows without a hub are not checked", {"location_versions": [{"loc_id": "NULL"}] * 2}, [], checked=0),
        Case("of two, the first file is named", {"location_versions": [{"file": "'g'"}, {}]}, ["f: hash hub"]),
    ],
    "one_mapping_per_sensor": [
        Case("sensors that differ", {"mapping_versions": [{}, {"sensor": "'s_02'"}]}, []),
        Case("hubs that differ", {"mapping_versions": [{}, {"loc_id": "'other'"}]}, []),
        *(
            Case(
                f"rows without a {column} are not checked", {"mapping_versions": [{column: "NULL"}] * 2}, [], checked=0
            )
            for column in ("loc_id", "sensor")
        ),
        Case("one in each content", {"mapping_versions": [{}, *OTHER_CONTENTS]}, []),
        Case(
            "of two, the first file is named",
            {"mapping_versions": [{"file": "'g'"}, {}]},
            ["f: loc_id hub, id s_01"],
        ),
    ],
    "one_object": [
        Case("no row, so no object", {"published": []}, []),
        Case("two rows of one object", {"published": [{}, {}]}, []),
        Case("one object more than allowed", {}, ["1 objects"], {"files": 0}),
    ],
    "one_row_per_value": [
        Case("hubs that differ", {"published": [{}, {"loc_id": "'other'"}]}, []),
        Case("sensors that differ", {"published": [{}, {"sensor": "'s_02'"}]}, []),
        Case(
            "an hour that comes twice by the clock",
            {"published": [{}, {"ts_utc": "'2019-12-22 08:55:00'"}]},
            [],
        ),
        Case("twice", {"published": [{}, {"kwh": "1"}]}, ["hub s_01 2019-12-22 07:55:00.000 UTC"]),
    ],
    # 6000 W draw 0.5 kWh in five minutes, by a margin of 1.25 0.625 kWh.
    "possible_power": [
        Case("less", {}, []),
        Case("just what is possible", {"published": [{"kwh": "0.625"}]}, []),
        Case("a little more", {"published": [{"kwh": "0.62505"}]}, [ROW]),
        Case("without a margin", {"published": [{"kwh": "0.501"}]}, [ROW], {"watts_margin": "1"}),
        Case("of other sensors", {"published": [{"kwh": "9", "sensor": f"'s_0{number}'"} for number in "02"]}, []),
        Case("of other hubs' sensors", {"published": [{"kwh": "9", **other} for other in OTHER_HUBS]}, []),
        Case("by another content", {"published": [{"kwh": "9"}], "mapping_versions": OTHER_CONTENTS}, []),
    ],
    "sensors_with_mapping": [
        Case("another reason", {"rejects": [VALUE, {**VALUE, "reason": "'unknown_zone'"}]}, []),
        Case(
            "an unknown sensor is reported once",
            {"rejects": [{**VALUE, "reason": "'unknown_sensor'"}] * 2},
            ["hub s_03"],
        ),
        Case("a line's reason is not a value's", {"rejects": [{"reason": "'unknown_sensor'"}]}, [], checked=0),
    ],
    "some_usage": [
        Case("one value", {}, []),
        Case("none", {"published": []}, ["no value to publish"]),
    ],
    "sound_locations": [
        Case("sound", {}, []),
        Case(
            "the message has all fields",
            {"location_versions": [{"loc_id": "NULL"}]},
            ["f: hash ?, tz America/Los_Angeles, state ca"],
        ),
        Case("no zone", {"location_versions": [{"tz": "NULL"}]}, ["f: hash hub, tz ?, state ca"]),
        Case(
            "an unknown zone",
            {"location_versions": [{"tz": "'America/Portland'"}]},
            ["f: hash hub, tz America/Portland, state ca"],
        ),
        Case(
            "states without rates",
            {"location_versions": [{}, {"state": "'az'"}, {"state": "'or'"}]},
            [f"f: hash hub, tz America/Los_Angeles, state {state}" for state in ("az", "or")],
        ),
        Case(
            "a state with rates in another content",
            {"rate_versions": OTHER_CONTENTS},
            ["f: hash hub, tz America/Los_Angeles, state ca"],
        ),
        Case(
            "another content's location",
            {"location_versions": [{"tz": "NULL", **other} for other in OTHER_CONTENTS]},
            [],
        ),
        Case(
            "reported once for any number of rates",
            {"location_versions": [{"tz": "NULL"}], "rate_versions": [{}, {}]},
            ["f: hash hub, tz ?, state ca"],
        ),
    ],
    "mappings_with_usage": [
        Case("sound", {}, []),
        Case("a channel that never came", {"mapping_versions": [{}, {"sensor": "'s_02'"}]}, ["hub s_02"]),
        Case("a hub that sent nothing is another rule's", {"mapping_versions": OTHER_HUBS}, [], checked=0),
        *(
            Case(
                f"a mapping without a {name} is not checked",
                {"mapping_versions": [{}, {"sensor": "'s_02'", name: "NULL"}]},
                [],
                checked=1,
            )
            for name in ("sensor", "device")
        ),
        Case("another content's", {"mapping_versions": [{"sensor": "'s_02'", **one} for one in OTHER_CONTENTS]}, []),
        Case(
            "other hubs' channels",
            {
                "published": [{}, *({**other, "sensor": "'s_02'"} for other in OTHER_HUBS)],
                "mapping_versions": [{"sensor": "'s_02'"}],
            },
            ["hub s_02"],
        ),
        Case(
            "the hub's other channels",
            {"published": [{}, {"sensor": "'s_03'"}], "mapping_versions": [{"sensor": "'s_02'"}]},
            ["hub s_02"],
        ),
        Case(
            "a mapping is checked once, however many values and channels there are",
            {"published": [{}, {}, {"sensor": "'s_03'"}]},
            [],
            checked=1,
        ),
    ],
    "sound_mappings": [
        *(
            Case(f"{sensor}", {"mapping_versions": [{"sensor": f"'{sensor}'"}]}, [])
            for sensor in ("s_01", "mains", 'circuit 17, "left"', "Kühlschrank", "x" * 64)
        ),
        Case(
            "a name of 65 characters",
            {"mapping_versions": [{}, {"sensor": f"'{'x' * 65}'"}]},
            [f"f: loc_id hub, id {'x' * 65}, description Oven"],
        ),
        Case("no sensor", {"mapping_versions": [{"sensor": "NULL"}]}, ["f: loc_id hub, id ?, description Oven"]),
        Case("no hub", {"mapping_versions": [{"loc_id": "NULL"}]}, ["f: loc_id ?, id s_01, description Oven"]),
        Case("no device", {"mapping_versions": [{"device": "NULL"}]}, ["f: loc_id hub, id s_01, description ?"]),
        Case(
            "another content's",
            {"mapping_versions": [{"device": "NULL", **other} for other in OTHER_CONTENTS]},
            [],
        ),
    ],
}


def source_of(given: Given) -> FakeSource:
    """The tables, as Athena would find them."""
    source = FakeSource()
    for name, columns in SOUND.items():
        lines = []
        for changes in given.get(name, [{}]):
            assert changes.keys() <= columns.keys()
            lines.append(f"({', '.join(({one: sql for one, (_, sql) in columns.items()} | changes).values())})")
        none = f"({', '.join('NULL' for _ in columns)}) LIMIT 0"
        listed = ", ".join(f"{column} {kind}" for column, (kind, _) in columns.items())
        source.add(table(name, listed), ", ".join(lines) or none)
    return source


CHECKS = {rule.name: check for check in read_checks(SQL) for rule in check.rules}


def faults(check: QualityCheck, rule: str, values: dict[str, str | int]) -> str:
    """The column of one rule."""
    return f"SELECT {rule} FROM (\n{check.statement(values)}\n) AS checked"


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=f"{name}: {case.says}") for name, cases in CASES.items() for case in cases],
)
def test_given_these_rows_expect_these_faults(name: str, case: Case) -> None:
    found = rows(faults(CHECKS[name], name, {**VALUES, **case.values}), source_of(case.given))

    assert sorted(fault for (fault,) in found if fault is not None) == case.faults
    assert case.checked in (None, len(found))


@pytest.mark.parametrize("check", read_checks(SQL), ids=lambda check: check.name)
def test_a_check_declares_each_of_its_columns(check: QualityCheck) -> None:
    columns, _ = query(check.statement(VALUES), source_of({}))
    assert [name for name, _ in columns] == [rule.name for rule in check.rules]


def test_rows_and_rejects_are_counted_by_rules_that_check_all_of_them() -> None:
    for rule, kind in ((ROWS_RULE, "published"), (REJECTS_RULE, "rejects")):
        given: Given = {kind: [{}, {}, {"loc_id": "NULL"}]}
        counted = {row[0]: row[2] for row in rows(audit_query([CHECKS[rule]], VALUES), source_of(given))}
        assert counted[rule] == "3"


def test_each_rule_has_a_case_without_and_one_with_a_fault() -> None:
    assert {name: {bool(case.faults) for case in cases} for name, cases in CASES.items()} == {
        rule: {True, False} for rule in rules_of(read_checks(SQL))
    }


# By the clock 00:00, 00:05 and 00:10: the sample is the first and the last.
THREE_NEGATIVE = [{"kwh": "-1", "ts": f"'{DAY} 00:{minute}:00'"} for minute in ("05", "00", "10")]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        # A check of several rules, and one of a single rule: with no fault, one, equal ones, and three.
        ("no_negative_usage", {"published": []}, ("fatal", "0", "0", None)),
        ("no_negative_usage", {}, ("fatal", "1", "0", None)),
        ("no_negative_usage", {"published": [{}, {"kwh": "-1"}]}, ("fatal", "2", "1", ROW)),
        ("no_negative_usage", {"published": [{"kwh": "-1"}, {"kwh": "-1"}]}, ("fatal", "2", "2", ROW)),
        (
            "no_negative_usage",
            {"published": [{}, *THREE_NEGATIVE]},
            ("fatal", "4", "3", f"hub s_01 {DAY} 00:00:00.000, hub s_01 {DAY} 00:10:00.000"),
        ),
        ("hubs_with_usage", {"location_versions": []}, ("warning", "0", "0", None)),
        ("hubs_with_usage", {}, ("warning", "1", "0", None)),
        ("hubs_with_usage", {"location_versions": [{}, {"loc_id": "'b'"}]}, ("warning", "2", "1", "b")),
        ("hubs_with_usage", {"location_versions": [{"loc_id": "'b'"}] * 2}, ("warning", "2", "2", "b")),
        (
            "hubs_with_usage",
            {"location_versions": [{}, {"loc_id": "'b'"}, {"loc_id": "'a'"}, {"loc_id": "'c'"}]},
            ("warning", "4", "3", "a, c"),
        ),
    ],
)
def test_the_result_of_a_rule_has_counts_and_the_first_and_last_fault(
    name: str, given: Given, expected: tuple[str | None, ...]
) -> None:
    found = rows(audit_query([CHECKS[name]], VALUES), source_of(given))

    assert [row for row in found if row[0] == name] == [(name, *expected)]


def test_rules_of_one_file_read_their_table_once_and_have_counts_of_their_own() -> None:
    # given one row that breaks three of the five rules, one that breaks one of these, and one that breaks none
    given = {
        "published": [{}, {"kwh": "-1"}, {"kwh": "-1", "device": "NULL", "type": "NULL", "ts": f"'{DAY} 00:00:00'"}]
    }

    query = audit_query([CHECKS["complete_rows"]], VALUES)

    at_midnight = f"hub s_01 {DAY} 00:00:00.000"
    assert query.count("FROM published") == 1
    assert sorted(rows(query, source_of(given))) == [
        ("complete_rows", "fatal", "3", "1", at_midnight),
        ("finite_usage", "fatal", "3", "0", None),
        ("hours_with_rate", "fatal", "3", "1", "ca 2019-12 hour 0"),
        ("inside_the_day", "fatal", "3", "0", None),
        ("no_negative_usage", "fatal", "3", "2", f"{at_midnight}, {ROW}"),
    ]


def test_an_audit_of_all_rules_has_the_results_of_each_file() -> None:
    # given rows that violate half of the rules
    given: Given = {
        "published": [{}, {"kwh": "-1"}, {"device": "NULL", "cost": "NULL"}],
        "rejects": [{}, {"reason": "NULL"}, {"reason": "'unknown_hub'"}],
        "mapping_versions": [{}, {"device": "NULL"}],
        "location_versions": [{}, {"loc_id": "'other'", "state": "'or'"}],
    }
    checks = read_checks(SQL)

    together = rows(audit_query(checks, VALUES), source_of(given))

    assert sorted(together) == sorted(
        row for one in checks for row in rows(one.results_query(VALUES), source_of(given))
    )
    assert list(rules_of(checks)) == sorted(str(row[0]) for row in together)
