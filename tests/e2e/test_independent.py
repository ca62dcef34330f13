"""Tests of the independent computation, on kinds of channels and values that the sample does not have."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e import independent

pytestmark = pytest.mark.unit

HUB, DAY, TS = "hub", "2019-12-21", 1576915200  # midnight in Portland
CHANNELS = ("Kitchen, left", 'Küche "rechts"', "a.b", "\u2028", "A", "a")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source with one hub without readings, and with a device on each of its channels."""
    devices = [{"loc_id": HUB, "id": name, "description": "Lamp", "location": "House"} for name in CHANNELS]
    hour = "<state>or</state><year>2019</year><month>12</month><from>00:00:00</from><to>23:59:59</to>"
    files = {
        "locations/state=or/locations.csv": f"hash,tz\n{HUB},America/Los_Angeles\n",
        "mappings/state=or/mappings.json": "".join(json.dumps(device) + "\n" for device in devices),
        "rates/rates.xml": f"<rates><row>{hour}<type>peak</type><rate>2.5</rate></row></rates>",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "usage" / f"dt={DAY}").mkdir(parents=True)
    return tmp_path


def deliver(source: Path, name: str, *data: str) -> None:
    """Writes a file of readings of one interval. data: the members of `data` in each line, as JSON text."""
    lines = [f'{{"loc_id":"{HUB}","ts":{TS},"data":{{{one}}}}}\n' for one in data]
    (source / "usage" / f"dt={DAY}" / name).write_text("".join(lines), encoding="utf-8")


def kwh(source: Path) -> dict[str, Decimal]:
    return {channel: cost.kwh for (_, channel, _), cost in independent.costs(source, DAY).items()}


def test_channels_of_all_names_have_their_values(source: Path) -> None:
    values = {name: number for number, name in enumerate(CHANNELS)}
    deliver(source, "usage.json", json.dumps(values, ensure_ascii=False)[1:-1])

    assert kwh(source) == values


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.25", "0.25"),
        ("-1e-3", "-0.001"),
        ("1E+2", "100"),
        ('"0.25"', "0.25"),
        ('" \\t-2e3"', "-2000"),
        ('"007"', "7"),
        *((text, None) for text in ("null", "true", "false", "{}", "[1]", "NaN", "-Infinity", "1e400")),
        *((f'"{text}"', None) for text in ("", " ", "1 ", "+1", ".5", "1.", "1,5", "0x1", "1_0", "NaN", "1e400", "٣")),
    ],
)
def test_a_value_is_a_number_or_a_text_that_spells_one(source: Path, value: str, number: str | None) -> None:
    deliver(source, "usage.json", f'"a":{value},"A":1')

    assert kwh(source) == {"A": 1} | ({} if number is None else {"a": Decimal(number)})


def test_a_channel_without_a_mapping_has_no_cost(source: Path) -> None:
    deliver(source, "usage.json", '"a":1,"b":2')

    assert kwh(source) == {"a": 1}


def test_of_several_readings_the_one_in_the_last_file_counts_as_a_whole(source: Path) -> None:
    deliver(source, "usage-01.json", '"a":1,"A":2')
    deliver(source, "usage-02.json", '"a":3')

    assert kwh(source) == {"a": 3}
