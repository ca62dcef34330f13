"""The contents of the generated data, and the validation of the options."""

import gzip
import json
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from generator.__main__ import main
from generator.appliances import ACTIVITIES, COMMON, OPTIONAL
from generator.hubs import CHANNELS, Hub
from generator.states import STATES
from generator.usage import readings
from tests.generator.output import SAMPLE, files, generate, locations, mappings, usage_lines


def rates(source: dict[str, bytes]) -> list[dict[str, str]]:
    root = ElementTree.fromstring(source["rates/rates.xml"])
    return [{field.tag: field.text or "" for field in row} for row in root]


@pytest.fixture(scope="module")
def sample() -> dict[str, bytes]:
    return files(SAMPLE)


@pytest.fixture(scope="module")
def every_state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """22 hubs, two in each place of the cycle of states, from a Friday to a Sunday in July."""
    arguments = "--hubs 22 --from 2020-07-17 --to 2020-07-19 --clean"
    return generate(tmp_path_factory.mktemp("every_state"), arguments)


def test_sample_is_small_and_laid_out_by_partition(sample: dict[str, bytes]) -> None:
    assert list(sample) == [
        "locations/state=az/locations.csv",
        "locations/state=ca/locations.csv",
        "locations/state=co/locations.csv",
        "locations/state=ny/locations.csv",
        "locations/state=or/locations.csv",
        "mappings/state=az/mappings.json",
        "mappings/state=ca/mappings.json",
        "mappings/state=co/mappings.json",
        "mappings/state=ny/mappings.json",
        "mappings/state=or/mappings.json",
        "rates/rates.xml",
        "usage/dt=2019-12-21/usage-01.json",
        "usage/dt=2019-12-21/usage-02.json",
        "usage/dt=2019-12-22/usage-01.json",
        "usage/dt=2019-12-22/usage-02.json",
    ]
    assert sum(map(len, sample.values())) < 800_000


def test_writing_again_over_the_same_folder_changes_nothing(tmp_path: Path) -> None:
    first = generate(tmp_path, "--hubs 2 --gzip")
    assert generate(tmp_path, "--hubs 2 --gzip") == first


def test_gzip_only_compresses_the_usage(tmp_path: Path) -> None:
    plain = generate(tmp_path / "plain", "--hubs 2")
    compressed = generate(tmp_path / "compressed", "--hubs 2 --gzip")
    unpacked = {
        name.removesuffix(".gz"): gzip.decompress(content) if name.endswith(".gz") else content
        for name, content in compressed.items()
    }
    assert [name for name in compressed if name.endswith(".gz")] == [
        "usage/dt=2019-12-21/usage-01.json.gz",
        "usage/dt=2019-12-21/usage-02.json.gz",
        "usage/dt=2019-12-22/usage-01.json.gz",
        "usage/dt=2019-12-22/usage-02.json.gz",
    ]
    assert unpacked == plain
    # RFC 1952: magic, deflate, no flags (so no file name), modification time 0: nothing that differs between runs
    headers = {content[:8] for name, content in compressed.items() if name.endswith(".gz")}
    assert headers == {bytes.fromhex("1f8b080000000000")}


def test_a_hubs_day_does_not_depend_on_the_other_hubs_and_days(tmp_path: Path, sample: dict[str, bytes]) -> None:
    part = generate(tmp_path, "--hubs 3 --from 2019-12-22 --to 2019-12-22 --files-per-day 1")
    of_sample = usage_lines(sample, "2019-12-22")
    # 3 hubs with 288 readings each; the sample has a truncated line in the first hub's
    assert usage_lines(part, "2019-12-22") == of_sample[:100] + of_sample[101 : 3 * 288 + 1]
    for kind, name in (("mappings", "mappings.json"), ("locations", "locations.csv")):
        path = f"{kind}/state=or/{name}"
        assert part[path] == sample[path]


@pytest.mark.parametrize(
    ("hubs", "files_per_day", "lines"), [(5, 2, [2 * 288, 3 * 288]), (2, 3, [288, 288]), (3, 1, [3 * 288])]
)
def test_files_per_day_share_the_hubs(tmp_path: Path, hubs: int, files_per_day: int, lines: list[int]) -> None:
    source = generate(tmp_path, f"--hubs {hubs} --files-per-day {files_per_day} --clean --to 2019-12-21")
    assert [len(source[name].splitlines()) for name in source if name.startswith("usage/")] == lines


def test_another_seed_gives_other_homes(tmp_path: Path, sample: dict[str, bytes]) -> None:
    other = generate(tmp_path, "--seed 14")
    assert not {row["hash"] for row in locations(other)} & {row["hash"] for row in locations(sample)}


# Midnights in UTC by the zones' rules; Phoenix and Honolulu never change their clocks.
@pytest.mark.parametrize(
    ("hub", "zone", "day", "first", "intervals"),
    [
        (1, "America/Los_Angeles", "2019-12-21", "2019-12-21T08:00+00:00", 288),
        (1, "America/Los_Angeles", "2019-11-03", "2019-11-03T07:00+00:00", 300),
        (1, "America/Los_Angeles", "2020-03-08", "2020-03-08T08:00+00:00", 276),
        (3, "America/Phoenix", "2019-11-03", "2019-11-03T07:00+00:00", 288),
        (3, "America/Phoenix", "2020-03-08", "2020-03-08T07:00+00:00", 288),
        (4, "America/Denver", "2020-03-08", "2020-03-08T07:00+00:00", 276),
        (5, "America/New_York", "2019-11-03", "2019-11-03T04:00+00:00", 300),
        (7, "Pacific/Honolulu", "2019-11-03", "2019-11-03T10:00+00:00", 288),
    ],
)
def test_a_day_is_the_hubs_local_day(hub: int, zone: str, day: str, first: str, intervals: int) -> None:
    home = Hub(13, hub)
    times = [json.loads(line)["ts"] for line in readings(home, date.fromisoformat(day))]
    assert home.state.zone == zone
    start = int(datetime.fromisoformat(first).timestamp())
    assert times == [start + 300 * n for n in range(intervals)]
    assert {datetime.fromtimestamp(ts, ZoneInfo(zone)).date().isoformat() for ts in times} == {day}


def test_first_day_has_no_unusable_line_and_the_second_exactly_two(tmp_path: Path, sample: dict[str, bytes]) -> None:
    clean = generate(tmp_path, "--clean")
    assert usage_lines(clean, "2019-12-21") == usage_lines(sample, "2019-12-21")
    assert len(usage_lines(sample, "2019-12-21")) == 6 * 288
    assert len(usage_lines(sample, "2019-12-22")) == 6 * 288 + 2

    lines = usage_lines(sample, "2019-12-22")
    cut, complete, stray = lines[100], lines[101], lines[-1]
    assert usage_lines(clean, "2019-12-22") == lines[:100] + lines[101:-1]
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    assert complete.startswith(cut)
    assert json.loads(complete)["loc_id"] in {row["hash"] for row in locations(sample)}

    reading = json.loads(stray)
    assert tuple(reading["data"]) == CHANNELS
    assert reading["loc_id"] not in {row["hash"] for row in locations(sample)}
    assert reading["loc_id"] not in {row["loc_id"] for row in mappings(sample)}


@pytest.mark.parametrize("source_name", ["sample", "every_state"])
def test_a_value_has_five_decimals_and_stays_within_the_rated_power(
    request: pytest.FixtureRequest, source_name: str
) -> None:
    source: dict[str, bytes] = request.getfixturevalue(source_name)
    watts = {(row["loc_id"], row["id"]): row["watts"] for row in mappings(source)}
    days = {name.split("/")[1].removeprefix("dt=") for name in source if name.startswith("usage/")}
    checked = 0
    for line in (line for day in days for line in usage_lines(source, day)):
        hub = line.removeprefix('{"loc_id":"')[:16]
        if not line.endswith("}}") or (hub, CHANNELS[0]) not in watts:
            continue
        for channel, text in json.loads(line, parse_float=str, parse_int=str)["data"].items():
            assert text == "0" or (text.startswith("0.") and len(text) <= 7 and not text.endswith("0"))
            assert 0 <= float(text) <= watts[hub, channel] / 12_000
            checked += 1
    assert checked == {"sample": 6 * 2, "every_state": 22 * 3}[source_name] * 288 * len(CHANNELS)


def values_of(source: dict[str, bytes], day: str, description: str) -> dict[str, list[float]]:
    """For each hub with this appliance its kWh by interval."""
    channels = {row["loc_id"]: row["id"] for row in mappings(source) if row["description"] == description}
    values: dict[str, list[float]] = {hub: [] for hub in channels}
    for reading in map(json.loads, usage_lines(source, day)):
        if reading["loc_id"] in channels:
            values[reading["loc_id"]].append(reading["data"][channels[reading["loc_id"]]])
    return values


def test_the_dryer_runs_45_to_60_minutes_after_the_washer(every_state: dict[str, bytes]) -> None:
    loads = 0
    for day in ("2020-07-17", "2020-07-18", "2020-07-19"):
        washers, dryers = (values_of(every_state, day, f"Clothes {name}") for name in ("Washer", "Dryer"))
        for hub, dryer in dryers.items():
            washing = [i for i, kwh in enumerate(washers[hub]) if kwh]
            drying = [i for i, kwh in enumerate(dryer) if kwh]
            assert bool(washing) == bool(drying)
            if drying:
                assert 1 <= drying[0] - washing[-1] <= 5
                assert drying == list(range(drying[0], drying[0] + len(drying)))
                assert 9 <= len(drying) <= 12
                loads += 1
    assert loads > 20


def test_a_refrigerator_always_draws_power_and_lights_are_off_at_noon(every_state: dict[str, bytes]) -> None:
    noon = slice(144, 156)
    for kwh in values_of(every_state, "2020-07-18", "Refrigerator").values():
        assert min(kwh) > 0
        assert max(kwh) > 10 * min(kwh)
    for kwh in values_of(every_state, "2020-07-18", "Lighting").values():
        assert sum(kwh[noon]) == 0
        assert sum(kwh) > 0


def test_every_activity_ends_before_midnight_and_uses_known_appliances() -> None:
    known = {appliance.description for appliance in (*COMMON, *OPTIONAL)}
    for activity in ACTIVITIES:
        longest = sum(run.after[1] + run.minutes[1] for run in activity.runs) / 60
        assert max(activity.weekday.latest, activity.weekend.latest) + longest < 24
        assert {run.description for run in activity.runs} <= known


def test_each_hub_has_one_appliance_per_channel_in_its_own_order(every_state: dict[str, bytes]) -> None:
    homes: dict[str, list[dict[str, Any]]] = {}
    for row in mappings(every_state):
        homes.setdefault(row["loc_id"], []).append(row)
    assert set(homes) == {row["hash"] for row in locations(every_state)}
    for home in homes.values():
        assert tuple(row["id"] for row in home) == CHANNELS
        assert len({row["description"] for row in home}) == len(CHANNELS)
    assert len({home[0]["description"] for home in homes.values()}) > 3
    # last_modified lies in 2019 (UTC), before the first sample day
    assert all(1546300800 <= row["last_modified"] < 1576886400 for row in mappings(every_state))


@pytest.mark.parametrize(
    ("channels", "first", "last"),
    [(1, "s_01", "s_01"), (9, "s_01", "s_09"), (54, "s_01", "s_54"), (100, "s_001", "s_100")],
)
def test_hubs_have_the_given_number_of_channels(tmp_path: Path, channels: int, first: str, last: str) -> None:
    source = generate(tmp_path, f"--hubs 2 --days 1 --channels {channels}")

    # expect a value for each channel in every reading, and a device on each channel
    names = [row["id"] for row in mappings(source)][:channels]
    assert (names[0], names[-1], len(set(names))) == (first, last, channels)
    assert names == sorted(names)
    assert {tuple(json.loads(line)["data"]) for line in usage_lines(source, "2019-12-21")} == {tuple(names)}
    assert [row["id"] for row in mappings(source)] == 2 * names


def test_channels_after_the_appliances_are_circuits(tmp_path: Path, sample: dict[str, bytes]) -> None:
    source = generate(tmp_path, "--channels 13 --days 1 --clean")

    # expect the ten appliances of the sample, then circuits within their rated power
    homes = mappings(source)
    assert [row for row in homes if row["id"] <= CHANNELS[-1]] == mappings(sample)
    assert [row["description"] for row in homes[10:13]] == ["Circuit 11", "Circuit 12", "Circuit 13"]
    watts = {(row["loc_id"], row["id"]): row["watts"] for row in homes}
    for reading in map(json.loads, usage_lines(source, "2019-12-21")):
        for channel, kwh in reading["data"].items():
            assert 0 <= kwh <= watts[reading["loc_id"], channel] / 12_000
    for description in ("Circuit 11", "Circuit 12", "Circuit 13"):
        assert all(sum(kwh) > 0 for kwh in values_of(source, "2019-12-21", description).values())


NAMES = (
    "Kitchen, left",
    " a.b ",
    'Küche "rechts"',
    "it's",
    "<script>&amp;",
    "100 %s",
    "C:\\x",
    "日本",
    "a",
    "A",
    "n" * 64,
)


def test_channels_have_the_names_of_a_file(tmp_path: Path) -> None:
    # given a file as saved by an editor on Windows
    (tmp_path / "names").write_text("\ufeff" + "\r\n".join([*NAMES, "", ""]), encoding="utf-8", newline="")

    source = generate(tmp_path / "out", f"--hubs 1 --channel-names {tmp_path / 'names'}")

    # expect the names unchanged in each complete line
    assert tuple(row["id"] for row in mappings(source)) == NAMES
    lines = usage_lines(source, "2019-12-21")
    assert {tuple(json.loads(line)["data"]) for line in lines} == {NAMES}
    assert '"Küche \\"rechts\\""' in lines[0]
    with pytest.raises(json.JSONDecodeError):
        json.loads(usage_lines(source, "2019-12-22")[100])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"oven\nk\xc3\xbcche\noven\n", "{file} contains 'oven' 2 times: channel names must be unique"),
        ("ü".encode() * 65, f"'{'ü' * 65}' has 65 characters: 64 at most"),
        (b"\n\n", "{file} contains no channel names"),
        (b"k\xfcche\n", "{file} is not UTF-8"),
        (None, "cannot read {file}: No such file or directory"),
    ],
)
def test_invalid_channel_names_are_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    file = tmp_path / "names"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SystemExit) as exit_:
        main(["--channel-names", str(file), "--out", str(tmp_path / "out")])

    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"generator: argument --channel-names: {message.format(file=file)}\n"
    assert not (tmp_path / "out").exists()


def test_locations_have_quoted_commas_and_half_of_them_no_postcode(sample: dict[str, bytes]) -> None:
    rows = locations(sample)
    assert b'"Bldg 2, Apt 4"' in sample["locations/state=ca/locations.csv"]
    assert [row["unit"] for row in rows].count("Bldg 2, Apt 4") == 1
    assert [bool(row["postcode"]) for row in rows].count(False) == 3
    assert all(len(row["hash"]) == 16 and int(row["hash"], 16) >= 0 for row in rows)
    assert sorted((row["region"], row["tz"]) for row in rows) == [
        ("AZ", "America/Phoenix"),
        ("CA", "America/Los_Angeles"),
        ("CA", "America/Los_Angeles"),
        ("CO", "America/Denver"),
        ("NY", "America/New_York"),
        ("OR", "America/Los_Angeles"),
    ]


@pytest.mark.parametrize(
    ("source_name", "states", "months"),
    [
        ("sample", {"or", "ca", "az", "co", "ny"}, {("2019", "12"), ("2020", "1")}),
        ("every_state", set(STATES), {("2020", "7"), ("2020", "8")}),
    ],
)
def test_rates_cover_every_local_hour_once(
    request: pytest.FixtureRequest, source_name: str, states: set[str], months: set[tuple[str, str]]
) -> None:
    rows = rates(request.getfixturevalue(source_name))
    hours: Counter[tuple[str, str, str, int]] = Counter()
    for row in rows:
        assert list(row) == ["state", "year", "month", "from", "to", "type", "rate"]
        assert row["from"].endswith(":00:00")
        assert row["to"].endswith(":59:59")
        assert len(row["rate"].split(".")[1]) == 3
        for hour in range(int(row["from"][:2]), int(row["to"][:2]) + 1):
            hours[row["state"], row["year"], row["month"], hour] += 1
    assert dict(hours) == {(s, y, m, hour): 1 for s in states for y, m in months for hour in range(24)}
    assert {row["type"] for row in rows} == {"off-peak", "partial-peak", "peak"}
    assert {row["from"][:2] == row["to"][:2] for row in rows} == {
        True,
        False,
    }  # rows of an hour and of several


def test_peak_costs_more_than_off_peak_and_each_state_has_its_own_prices(sample: dict[str, bytes]) -> None:
    price = {(row["state"], row["month"], row["type"]): float(row["rate"]) for row in rates(sample)}
    for state in ("or", "ca", "az", "co", "ny"):
        for month in ("12", "1"):
            prices = [price[state, month, period] for period in ("off-peak", "partial-peak", "peak")]
            assert prices == sorted(prices)
    assert len(set(price.values())) == 5 * 2 * 3


def test_rates_reach_into_the_next_year(tmp_path: Path) -> None:
    source = generate(tmp_path, "--hubs 1 --from 2019-11-30 --to 2019-12-01")
    assert sorted({(row["year"], int(row["month"])) for row in rates(source)}) == [
        ("2019", 11),
        ("2019", 12),
        ("2020", 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--from 2019-12-23 --to 2019-12-22", "--from 2019-12-23 is after --to 2019-12-22: swap them"),
        ("--hubs 0", "argument --hubs: '0' is not a whole number from 1 to 10,000,000"),
        ("--hubs 10000001", "argument --hubs: '10000001' is not a whole number from 1 to 10,000,000"),
        ("--hubs six", "argument --hubs: 'six' is not a whole number from 1 to 10,000,000"),
        ("--channels 0", "argument --channels: '0' is not a whole number from 1 to 10,000"),
        ("--channels 10001", "argument --channels: '10001' is not a whole number from 1 to 10,000"),
        ("--files-per-day -1", "argument --files-per-day: '-1' is not a whole number from 1 to 10,000,000"),
        ("--to 22.12.2019", "argument --to: '22.12.2019' is not a day, write it as 2019-12-21"),
        ("--to 9999-12-31", "argument --to: 9999-12-31 is outside the years 2000 to 2099"),
        ("--days 0", "argument --days: '0' is not a whole number from 1 to 10,000,000"),
        ("--days 1 --to 2019-12-22", "argument --to: not allowed with argument --days"),
        (
            "--days 9999999",
            "9999999 days from 2019-12-21 go beyond the year 2099: reduce --days",
        ),
        ("--processes 0", "argument --processes: '0' is not a whole number from 1 to 10,000,000"),
        ("--homes 3", "unrecognized arguments: --homes 3"),
    ],
)
def test_invalid_options_print_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*arguments.split(), "--out", str(tmp_path)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"generator: {message}\n"
    assert files(tmp_path) == {}


def test_a_folder_with_other_data_is_rejected_and_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = generate(tmp_path, "--hubs 1")
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main(["--hubs", "1", "--to", "2019-12-21", "--out", str(tmp_path)])
    assert exit_.value.code == 2
    stale = tmp_path / "usage/dt=2019-12-22/usage-01.json"
    assert capsys.readouterr().err == (
        f"generator: {stale} does not belong to these data and would be read with them: "
        "remove it or choose another --out\n"
    )
    assert files(tmp_path) == before


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_error_names_a_folder_that_cannot_be_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], processes: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "file"), "--processes", processes])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"generator: cannot write to {tmp_path / 'file'}/usage")
    assert error.endswith("Not a directory; choose another --out\n")
    assert error.count("\n") == 1
