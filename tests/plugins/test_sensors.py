"""The sensors: ``layout.SENSORS`` has them, and whatever has to spell them out has the same ones."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.contestants import SENSORS as COMPARED
from generator.hubs import SENSORS as GENERATED
from ops.templates import load
from smart_hub.layout import SENSORS

ROOT = Path(__file__).parents[2]
SQL = ROOT / "include" / "sql"
SPELLED = [path for path in sorted(SQL.rglob("*.sql")) if re.search(r"\bs_\d\d\b", path.read_text("utf-8"))]
TEMPLATE = load((ROOT / "include" / "infrastructure" / "smart_hub.yaml").read_text("utf-8"))


def text(name: str) -> str:
    return (SQL / f"{name}.sql").read_text("utf-8")


def columns(table: str) -> dict[str, str]:
    """Name -> type."""
    storage = TEMPLATE["Resources"][table]["Properties"]["TableInput"]["StorageDescriptor"]
    return {column["Name"]: column["Type"] for column in storage["Columns"]}


def test_the_tables_have_a_value_of_each() -> None:
    struct = re.fullmatch(r"struct<(.*)>", columns("RawUsage")["data"].replace(" ", ""))

    assert struct
    assert struct[1].split(",") == [f"{sensor}:double" for sensor in SENSORS]
    assert columns("Usage") == {"loc_id": "string", "ts": "bigint", **dict.fromkeys(SENSORS, "double")}


@pytest.mark.parametrize(
    "path", [path for path in SPELLED if path.parent.name != "quality"], ids=lambda path: path.stem
)
def test_a_statement_that_names_them_names_all_equally_often(path: Path) -> None:
    named = Counter(re.findall(r"\bs_\d\d\b", path.read_text("utf-8")))

    assert named.keys() == set(SENSORS)
    assert len(set(named.values())) == 1, named


def test_the_audit_expects_a_value_of_each() -> None:
    assert re.findall(r"(\d+) \* used", text("quality/every_value_accounted")) == [str(len(SENSORS))]


def test_the_audit_takes_mappings_of_these_alone() -> None:
    pattern = re.search(r"regexp_like\(sensor, '(.+)'\)", text("quality/sound_mappings"))

    assert pattern
    two_digits = [f"s_{number:02}" for number in range(100)]
    assert tuple(name for name in two_digits if re.search(pattern[1], name)) == SENSORS


def test_the_invented_hubs_and_the_benchmarks_contestants_have_these() -> None:
    assert GENERATED == SENSORS
    assert tuple(COMPARED) == SENSORS
