"""Faults of real sources: each test runs a day from raw files to audit, and checks used values, rejects and rules.

The source has three hubs in New York with ten channels each: 0.01 kWh in each of the 288 intervals of a day in 2024-04,
at 10 cents. Step 1 replaces the reference data of the day before, and no day is published.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dag_runner import TaskError
from generator.__main__ import main as generate
from tests.deployment import Deployment

HUBS = ("aaaa000000000001", "bbbb000000000002", "cccc000000000003")
SENSORS = tuple(f"s_{number:02}" for number in range(1, 11))
INTERVALS = 288
LOCATIONS, MAPPINGS = "locations/state=ny/locations.csv", "mappings/state=ny/mappings.json"
HEADER = "lon,lat,number,street,unit,city,district,region,postcode,id,hash,tz\n"

# Channel names of other manufacturers.
NAMES = (
    "Küche, links",
    'the "big" one',
    "a.b.c",
    "it's",
    "冷蔵庫",
    " blanks around ",
    "$path",
    "back\\slash",
    "{}",
    "%s",
)

Broken = dict[str, tuple[str | None, ...]]


def midnight(day: int) -> int:
    """Midnight of a day of April 2024 in New York. April 1 begins at 04:00 UTC (date -d '2024-04-01 04:00 UTC' +%s)."""
    return 1711944000 + 86400 * (day - 1)


def reading(hub: str, ts: Any, **values: float) -> str:
    return json.dumps({"loc_id": hub, "ts": ts, "data": {**dict.fromkeys(SENSORS, 0.01), **values}})


def readings(hub: str, start: int, **values: float) -> list[str]:
    return [reading(hub, start + 300 * number, **values) for number in range(INTERVALS)]


def location(hub: str, zone: str = "America/New_York") -> str:
    return f"-73.9,40.7,1,Test Street,,Town,,NY,10001,,{hub},{zone}\n"


def mapping(hub: str, sensor: str, **fields: Any) -> str:
    watts = {"watts": 3500, "last_modified": 1568314800}
    row = {"loc_id": hub, "id": sensor, "description": f"Device {sensor}", "location": "House", **watts, **fields}
    return json.dumps({name: value for name, value in row.items() if value is not ...}) + "\n"


def mappings(*hubs: str) -> str:
    return "".join(mapping(hub, sensor) for hub in hubs for sensor in SENSORS)


def rates(year: int, month: int) -> str:
    return (
        f"<root><row><state>ny</state><year>{year}</year><month>{month}</month><from>00:00:00</from>"
        "<to>23:59:59</to><type>off-peak</type><rate>10</rate></row></root>"
    )


class Source:
    """A source of three hubs, which tests modify. Its days are run up to the audit, which can fail."""

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self.folder = folder
        self.deployment = deployment
        self.put(LOCATIONS, HEADER + "".join(map(location, HUBS)))
        self.put(MAPPINGS, mappings(*HUBS))
        self.put("rates/rates.xml", rates(2024, 4))

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def run(self, day: str, lines: Sequence[str], **settings: str) -> Broken:
        self.put(f"usage/dt={day}/u.json", "".join(f"{line}\n" for line in lines))
        return audited(self.deployment, self.folder, day, **settings)

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        return sorted(self.deployment.intermediate_rows(sql), key=str)

    def used(self) -> list[tuple[str | None, ...]]:
        """Values and kWh of each hub."""
        return self.rows(
            "SELECT loc_id, count(*), CAST(sum(kwh) AS decimal(12, 4)) FROM {compacted_table} GROUP BY loc_id"
        )

    def rejects(self) -> list[tuple[str | None, ...]]:
        return self.rows("SELECT reason, loc_id, sensor, count(*) FROM {rejects_table} GROUP BY reason, loc_id, sensor")


def audited(deployment: Deployment, folder: Path, day: str, **settings: str) -> Broken:
    """Severity, violations and sample of each rule that is violated. The audit must fail if one of them is fatal."""
    failed = ""
    try:
        deployment.run(day, folder, last_task="audit", **settings)
    except TaskError as error:
        if error.task_id != "audit":
            raise
        failed = str(error)
    broken = {rule: result for rule, result in deployment.audit(day).items() if result[1] != "0"}
    fatal = [rule for rule, (severity, *_) in broken.items() if severity == "fatal"]
    assert bool(failed) == bool(fatal)
    assert all(rule in failed for rule in fatal)
    return broken


@pytest.fixture
def source(tmp_path: Path, deployment: Deployment) -> Source:
    return Source(tmp_path, deployment)


def whole(*hubs: str) -> list[tuple[str | None, ...]]:
    """The expected result of Source.used: 288 intervals of ten channels, 0.01 kWh each."""
    return [(hub, "2880", "28.8000") for hub in hubs]


# Lines


def test_records_without_line_breaks_are_all_used(source: Source) -> None:
    # given records without line breaks, as Firehose writes them, and a hub with one missing line break
    day, start = "2024-04-02", midnight(2)
    one_lost = readings(HUBS[2], start)
    one_lost[100:102] = [one_lost[100] + one_lost[101]]
    lines = ["".join(readings(HUBS[0], start)), "".join(readings(HUBS[1], start)), *one_lost]

    assert source.run(day, lines) == {}
    assert source.used() == whole(*HUBS)
    assert source.rejects() == []


def test_a_reject_has_its_own_line(source: Source) -> None:
    # given times in MATLAB's notation, 1.7121168e9, and a hub without a location
    day, start = "2024-04-03", midnight(3)

    def matlab(hub: str, number: int) -> str:
        return reading(hub, "@").replace('"@"', f"{(start + 300 * number) / 1e9!r}e9")

    lines = [matlab(hub, number) for hub in HUBS for number in range(INTERVALS)]
    assert lines[1] == lines[0].replace("1.7121168e9", "1.7121171e9")

    assert source.run(day, [*lines[:500], matlab("zz", 0), *lines[500:]]) == {
        "hubs_with_location": ("warning", "1", "zz")
    }
    assert source.used() == whole(*HUBS)
    rejected = source.rows("SELECT reason, loc_id, line FROM {rejects_table}")
    assert rejected == [("unknown_hub", "zz", matlab("zz", 0))]


def test_a_day_of_2007_keeps_the_lines_of_its_rejects(source: Source) -> None:
    # given 2007-02-01, which begins at 05:00 UTC (date -d '2007-02-01 05:00 UTC' +%s), a value that is not a number,
    # and a line in another format
    day = "2007-02-01"
    lines = [line for hub in HUBS for line in readings(hub, 1170306000)]
    lines[3] = lines[3].replace('"s_02": 0.01', '"s_02": "?"')
    source.put("rates/rates.xml", rates(2007, 2))

    assert source.run(day, [*lines, "1/2/2007;00:00:00;?;?;?"]) == {}
    assert source.used() == [(HUBS[0], "2879", "28.7900"), *whole(*HUBS[1:])]
    rejected = source.rows("SELECT reason, sensor, line FROM {rejects_table}")
    assert rejected == [("malformed", None, "1/2/2007;00:00:00;?;?;?"), ("not_numeric", "s_02", lines[3])]


def test_a_damaged_file_is_a_reject(source: Source) -> None:
    # given a second file, which is no gzip
    day = "2024-04-04"
    name = f"usage/dt={day}/b.json.gz"
    source.put(name, "not compressed")

    source.run(day, readings(HUBS[0], midnight(4)))

    assert source.used() == whole(HUBS[0])
    rejected = source.rows("SELECT reason, file, line FROM {rejects_table}")
    assert rejected == [("damaged_file", f"s3://{source.deployment.bucket}/raw/damaged/{name}", None)]


# Days without usable readings, and days of few hubs


def test_a_day_of_nothing_usable_fails_its_audit(source: Source) -> None:
    # given times in milliseconds
    day, start = "2024-04-05", midnight(5)
    lines = [reading(hub, 1000 * (start + 300 * number)) for hub in HUBS for number in range(INTERVALS)]

    assert source.run(day, lines) == {
        "some_usage": ("fatal", "1", "no value to publish"),
        "few_rejects": (
            "fatal",
            "1",
            "3 of 3 hubs have over half of their values rejected; SMART_HUB_MAX_REJECT_RATIO is 0.5",
        ),
        "hubs_with_usage": ("warning", "3", f"{HUBS[0]}, {HUBS[2]}"),
    }
    assert source.used() == []
    assert source.rejects() == [("out_of_day", hub, None, "288") for hub in HUBS]


def test_an_empty_day_fails_its_audit(source: Source) -> None:
    # given a file without lines
    day = "2024-04-06"

    assert source.run(day, []) == {
        "some_usage": ("fatal", "1", "no value to publish"),
        "hubs_with_usage": ("warning", "3", f"{HUBS[0]}, {HUBS[2]}"),
    }
    assert (source.used(), source.rejects()) == ([], [])


def test_a_day_has_at_most_as_many_files_as_hubs(source: Source) -> None:
    # given SMART_HUB_FILES_PER_DAY=8
    day = "2024-04-07"

    assert (
        source.run(day, [line for hub in HUBS for line in readings(hub, midnight(7))], SMART_HUB_FILES_PER_DAY="8")
        == {}
    )
    assert source.used() == whole(*HUBS)
    ((files,),) = source.rows('SELECT count(DISTINCT "$path") FROM {compacted_table}')
    assert files in ("1", "2", "3")


# Channels


def test_the_readings_retain_the_energy_of_a_channel_without_a_mapping(source: Source) -> None:
    # given an additional channel s_11 with 1.5 kWh in each of 288 intervals
    day, start = "2024-04-09", midnight(9)
    lines = [*readings(HUBS[0], start), *readings(HUBS[1], start), *readings(HUBS[2], start, s_11=1.5)]

    # expect 288 of 3,168 values, more than 5 %, to be rejected
    assert source.run(day, lines) == {
        "sensors_with_mapping": ("warning", "1", f"{HUBS[2]} s_11"),
        "few_rejected_values": ("warning", "1", f"{HUBS[2]}: 288 of 3168 values rejected"),
    }
    assert source.used() == whole(*HUBS)
    assert source.rejects() == [("unknown_sensor", HUBS[2], "s_11", "288")]
    ((kwh,),) = source.rows(
        "SELECT sum(v.kwh) FROM {readings_table} AS r CROSS JOIN UNNEST(r.data) AS v (sensor, kwh)"
        " INNER JOIN {rejects_table} AS u ON r.loc_id = u.loc_id AND r.ts = u.ts AND v.sensor = u.sensor"
    )
    assert float(str(kwh)) == 432


@pytest.mark.parametrize(
    ("day", "names"), [("2024-04-10", None), ("2024-04-14", NAMES)], ids=["54 channels", "odd names"]
)
def test_a_hub_has_any_channels(
    deployment: Deployment, tmp_path: Path, day: str, names: tuple[str, ...] | None
) -> None:
    folder = tmp_path / "generated"
    channels = names or tuple(f"s_{number:02}" for number in range(1, 55))
    (tmp_path / "names").write_text("\n".join(channels), encoding="utf-8")
    asked = ["--channel-names", str(tmp_path / "names")] if names else ["--channels", "54"]
    assert generate([*asked, "--hubs", "2", "--from", day, "--days", "1", "--clean", "--out", str(folder)]) == 0
    # given the sum of each channel's readings in the files
    sent: dict[tuple[str, str], float] = defaultdict(float)
    for path in folder.glob("usage/*/*.json"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            for channel, kwh in record["data"].items():
                sent[record["loc_id"], channel] += kwh
    assert len(sent) == 2 * len(channels)

    assert audited(deployment, folder, day) == {}

    # expect one row per channel in each of 288 intervals of two hubs, and the sum of each channel
    intervals = "SELECT loc_id, ts_utc, count(*) AS n FROM {compacted_table} GROUP BY loc_id, ts_utc"
    counts = deployment.intermediate_rows(f"SELECT n, count(*) FROM ({intervals}) GROUP BY n")
    assert counts == [(str(len(channels)), "576")]
    found = deployment.intermediate_rows(
        "SELECT loc_id, sensor, sum(kwh) FROM {compacted_table} GROUP BY loc_id, sensor"
    )
    assert {(hub, sensor): float(str(kwh)) for hub, sensor, kwh in found} == pytest.approx(dict(sent))


# Locations and mappings


def test_capitals_and_blank_lines_are_ignored(source: Source) -> None:
    # given a header in capitals with a byte-order mark, blanks and additional columns, and blank lines anywhere
    day = "2024-04-11"
    header = HEADER.upper().replace("HASH", " HASH\t").strip() + ",NOTE"
    source.put(LOCATIONS, f"\ufeff{header}\r\n\n" + "\n \n".join(map(location, HUBS)) + "\n,,,,,,,,,,,\n\n")
    source.put(MAPPINGS, "\n" + mappings(*HUBS[:2]) + " \t\r\n" + mappings(HUBS[2]) + "\n\n")

    lines = [line for hub in HUBS for line in ["", *readings(hub, midnight(11)), " ", ""]]
    assert source.run(day, lines) == {}
    assert source.used() == whole(*HUBS)
    assert source.rejects() == []
    assert source.rows("SELECT count(*) FROM location_versions WHERE content = '{locations_content_hash}'") == [("3",)]
    assert source.rows("SELECT count(*) FROM mapping_versions WHERE content = '{mappings_content_hash}'") == [("30",)]


def test_an_unknown_zone_affects_its_hub_only(source: Source) -> None:
    # given a zone that is only in IANA's list of former names, and an unknown zone
    day, start = "2024-04-12", midnight(12)
    zones = ("US/Eastern", "Mars/Olympus", "America/New_York")
    source.put(LOCATIONS, HEADER + "".join(map(location, HUBS, zones)))

    assert source.run(day, [line for hub in HUBS for line in readings(hub, start)]) == {
        "sound_locations": (
            "warning",
            "1",
            f"s3://{source.deployment.bucket}/raw/{LOCATIONS}: hash {HUBS[1]}, tz Mars/Olympus, state ny",
        ),
        "hubs_with_usage": ("warning", "1", HUBS[1]),
    }
    assert source.used() == whole(HUBS[0], HUBS[2])
    assert source.rejects() == [("unknown_zone", HUBS[1], None, "288")]
    # expect the first hub to be priced in local time: 288 intervals × 10 channels × 0.01 kWh × 10 cents
    priced = "SELECT tz, min(ts), CAST(sum(cost) AS decimal(9, 4)) FROM {compacted_table} GROUP BY tz"
    assert source.rows(priced) == [
        ("America/New_York", "2024-04-12 00:00:00.000", "288.0000"),
        ("US/Eastern", "2024-04-12 00:00:00.000", "288.0000"),
    ]


def test_an_invalid_mapping_affects_its_channel_only(source: Source) -> None:
    # given watts in quotes, watts that are not a number, a truncated line, and a mapping without a description
    day, start = "2024-04-13", midnight(13)
    lines = [mapping(hub, sensor) for hub in HUBS for sensor in SENSORS]
    lines[0] = mapping(HUBS[0], "s_01", watts="3500")
    lines[1] = mapping(HUBS[0], "s_02", watts={"x": 1})
    lines[12] = lines[12][:40] + "\n"
    lines[23] = mapping(HUBS[2], "s_04", description=...)
    source.put(MAPPINGS, "".join(lines))

    file = f"s3://{source.deployment.bucket}/raw/{MAPPINGS}"
    assert source.run(day, [line for hub in HUBS for line in readings(hub, start)]) == {
        "sound_mappings": (
            "warning",
            "2",
            f"{file}: loc_id ?, id ?, description ?, {file}: loc_id {HUBS[2]}, id s_04, description ?",
        ),
        "sensors_with_mapping": ("warning", "2", f"{HUBS[1]} s_03, {HUBS[2]} s_04"),
        "few_rejected_values": (
            "warning",
            "2",
            f"{HUBS[1]}: 288 of 2880 values rejected, {HUBS[2]}: 288 of 2880 values rejected",
        ),
    }
    assert source.used() == [*whole(HUBS[0]), (HUBS[1], "2592", "25.9200"), (HUBS[2], "2592", "25.9200")]
    assert source.rejects() == [
        ("unknown_sensor", HUBS[1], "s_03", "288"),
        ("unknown_sensor", HUBS[2], "s_04", "288"),
    ]
    watts = source.rows(
        "SELECT sensor, watts FROM mapping_versions"
        f" WHERE content = '{{mappings_content_hash}}' AND loc_id = '{HUBS[0]}' AND sensor <= 's_03'"
    )
    assert watts == [("s_01", "3500"), ("s_02", None), ("s_03", "3500")]
