"""The generator at any size: its output folder, files, processes, progress and interruption."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count
from pathlib import Path

import psutil
import pytest

from generator.__main__ import main
from generator.hubs import CHANNELS, Hub, channel_names
from generator.source import HUBS_PER_FILE, SampleData
from generator.states import STATES
from generator.usage import readings
from tests.generator.output import SAMPLE, files, generate, locations, mappings, usage_lines

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
DEADLINE = 30  # seconds


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMART_HUB_LOCAL", raising=False)
    return tmp_path


# The output folder


def test_without_arguments_the_sample_is_written(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    assert files(checkout / "include/data") == files(SAMPLE)
    assert not (checkout / ".local").exists()
    assert capsys.readouterr().out == (
        "include/data: 6 hubs, 2019-12-21 to 2019-12-22, 3458 usage lines\nNext: make demo\n"
    )


@pytest.mark.parametrize(
    ("arguments", "folder", "days"),
    [
        ("--hubs 6", "hubs-6-days-2-from-2019-12-21", ["2019-12-21", "2019-12-22"]),
        ("--days 3", "hubs-6-days-3-from-2019-12-21", ["2019-12-21", "2019-12-22", "2019-12-23"]),
        ("--days 2", "hubs-6-days-2-from-2019-12-21", ["2019-12-21", "2019-12-22"]),
        ("--from 2020-02-29", "hubs-6-days-2-from-2020-02-29", ["2020-02-29", "2020-03-01"]),
        ("--from 2020-02-29 --days 1", "hubs-6-days-1-from-2020-02-29", ["2020-02-29"]),
        ("--to 2019-12-21", "hubs-6-days-1-from-2019-12-21", ["2019-12-21"]),
        ("--days 1 --channels 10", "hubs-6-days-1-from-2019-12-21", ["2019-12-21"]),
        ("--days 1 --channels 11", "hubs-6-days-1-from-2019-12-21-channels-11", ["2019-12-21"]),
        (
            "--hubs 2 --to 2019-12-21 --files-per-day 1 --gzip --clean --seed 14",
            "hubs-2-days-1-from-2019-12-21-files-1-seed-14-gzip-clean",
            ["2019-12-21"],
        ),
    ],
)
def test_other_data_get_their_own_folder(
    checkout: Path, capsys: pytest.CaptureFixture[str], arguments: str, folder: str, days: list[str]
) -> None:
    # when there is no --out
    assert main(arguments.split()) == 0

    # expect a folder named after its contents, the next command, and the sample unchanged
    written = checkout / ".local/data" / folder
    assert list(checkout.iterdir()) == [checkout / ".local"]
    assert list((checkout / ".local/data").iterdir()) == [written]
    assert sorted(path.name for path in (written / "usage").iterdir()) == [f"dt={day}" for day in days]
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Next: make demo SOURCE=.local/data/{folder} FROM={days[0]} TO={days[-1]}"
    )


def test_other_names_get_another_folder(checkout: Path) -> None:
    # given channels that differ only in their names
    for names in ("oven\n", "hob\n"):
        (checkout / "names").write_text(names)
        assert main(["--hubs", "1", "--days", "1", "--channel-names", "names"]) == 0

    folders = [path.name for path in (checkout / ".local/data").iterdir()]
    assert len(folders) == 2
    assert all(name.startswith("hubs-1-days-1-from-2019-12-21-channels-1-named-") for name in folders)


def test_the_next_command_is_quoted_for_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path / "my homes", "--hubs 1 --days 1")

    assert f" SOURCE='{tmp_path}/my homes' " in capsys.readouterr().out


# Files


@pytest.mark.parametrize(("hubs", "expected"), [(1, 1), (2, 2), (6, 2), (8, 2), (9, 3), (12, 3), (13, 4)])
def test_the_number_of_files_per_day_grows_with_the_hubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hubs: int, expected: int
) -> None:
    # given files of four hubs instead of thousands
    monkeypatch.setattr("generator.source.HUBS_PER_FILE", 4)

    source = generate(tmp_path, f"--hubs {hubs} --days 1")

    usage = [content for name, content in source.items() if name.startswith("usage/")]
    assert len(usage) == expected
    assert max(content.count(b"\n") for content in usage) <= 4 * 288


@pytest.mark.parametrize("day", [date(2019, 12, 21), date(2020, 7, 18), date(2019, 11, 3)])
def test_a_file_is_smaller_than_a_split_of_athena(day: date) -> None:
    sizes = [len("".join(readings(Hub(13, number), day))) for number in range(1, 111)]

    assert 100e6 < sum(sizes) / len(sizes) * HUBS_PER_FILE < 128e6


@pytest.mark.parametrize("channels", [54, 200])
def test_with_more_channels_fewer_hubs_share_a_file(channels: int) -> None:
    source = SampleData(hubs=HUBS_PER_FILE, channels=channel_names(channels))
    sizes = [len("".join(readings(Hub(13, number, source.channels), source.first))) for number in range(1, 23)]

    files_a_day = sum(file.path.match("dt=2019-12-21/*") for file in source._files())
    assert 80e6 < sum(sizes) / len(sizes) * HUBS_PER_FILE / files_a_day < 128e6


def test_names_of_many_files_sort_as_their_hubs_do(tmp_path: Path) -> None:
    source = generate(tmp_path, "--hubs 101 --days 1 --files-per-day 101 --from 2019-12-22")

    first_hub = [json.loads(content.splitlines()[0])["loc_id"] for name, content in source.items() if "usage-" in name]
    assert first_hub == [Hub(13, number).loc_id for number in range(1, 102)]


# Processes


@pytest.mark.parametrize("gzip", ["", " --gzip"])
def test_four_processes_write_the_same_bytes_as_one(tmp_path: Path, gzip: str) -> None:
    arguments = f"--hubs 23 --days 2 --files-per-day 3{gzip}"

    one = generate(tmp_path / "one", f"{arguments} --processes 1")
    four = generate(tmp_path / "four", f"{arguments} --processes 4")

    assert four == one
    assert len([name for name in one if name.startswith("usage/")]) == 6


def test_the_lines_of_all_processes_are_counted(tmp_path: Path) -> None:
    progress: list[int] = []

    lines = SampleData(hubs=5).write(tmp_path, 2, progress.append)

    assert lines == 5 * 2 * 288 + 2
    assert progress[-1] == lines
    assert progress == sorted(progress)


@pytest.mark.parametrize("gzip", [False, True])
def test_memory_does_not_grow_with_the_hubs(tmp_path: Path, gzip: bool) -> None:
    # given a file much larger than a hub's day, written once before to fill the caches
    source = SampleData(hubs=60, last=date(2019, 12, 21), files_per_day=1, gzip=gzip)
    source.write(tmp_path)

    tracemalloc.start()
    source.write(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    a_hub = len("".join(readings(Hub(13, 1), date(2019, 12, 21))))
    assert peak < 15 * a_hub


# Contents


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """300 hubs on the sample's days."""
    return generate(tmp_path_factory.mktemp("town"), "--hubs 300 --files-per-day 8 --processes 2")


def test_a_hundred_thousand_hubs_have_different_ids() -> None:
    assert len({Hub(13, number).loc_id for number in range(100_001)}) == 100_001  # hub 0 is the one without a location


def test_every_state_has_its_hubs_once(town: dict[str, bytes]) -> None:
    home = {row["hash"]: row["region"].lower() for row in locations(town)}
    assert len(home) == len(locations(town)) == 300
    assert set(home.values()) == set(STATES)
    for name, content in town.items():
        if name.startswith(("mappings/", "locations/")):
            state = name.split("/")[1].removeprefix("state=")
            hubs = [hub for hub in home if hub.encode() in content]
            assert hubs
            assert {home[hub] for hub in hubs} == {state}
    channels = [(row["loc_id"], row["id"]) for row in mappings(town)]
    assert len(channels) == len(set(channels)) == 300 * len(CHANNELS)
    assert {hub for hub, _ in channels} == set(home)


def test_one_of_many_files_has_the_truncated_line_and_one_the_unknown_hub(town: dict[str, bytes]) -> None:
    known = {row["hash"] for row in locations(town)}
    unusable = []
    for name in (name for name in town if name.startswith("usage/")):
        for number, line in enumerate(town[name].decode().splitlines()):
            if not line.endswith("}}"):
                unusable.append((name, number, "truncated"))
            elif json.loads(line)["loc_id"] not in known:
                unusable.append((name, number, "unknown"))

    assert unusable == [
        ("usage/dt=2019-12-22/usage-01.json", 100, "truncated"),
        ("usage/dt=2019-12-22/usage-08.json", 38 * 288, "unknown"),  # after the last 38 of 300 hubs
    ]
    assert len(usage_lines(town, "2019-12-21")) == 300 * 288


# Progress and interruption


def test_a_long_run_reports_its_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a clock on which each file takes a second
    monkeypatch.setattr("generator.__main__.monotonic", count().__next__)

    generate(tmp_path, "--hubs 10 --days 1 --clean --files-per-day 10")

    assert capsys.readouterr().err.splitlines()[:2] == [
        "generator: 864 usage lines, 30%, 288 a second",
        "generator: 2,880 usage lines, 100%, 222 a second",  # after ten usage files and three of mappings and locations
    ]


def test_a_short_run_reports_no_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupted_run_leaves_the_folder_unchanged(tmp_path: Path, processes: int) -> None:
    # given other homes in the same folder
    before = generate(tmp_path, "--hubs 5 --seed 14")

    def interrupt(lines: int) -> None:
        if lines:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SampleData(hubs=5).write(tmp_path, processes, interrupt)

    assert files(tmp_path) == before


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run with two worker processes, each of which writes a file for minutes."""
    command = [sys.executable, "-m", "generator", "--hubs", "200000", "--files-per-day", "1", "--processes", "2"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores SIGINT, and its child processes inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:
        yield run
        for process in session(run.pid):
            process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def session(leader: int) -> list[psutil.Process]:
    """The running processes of the session."""
    running = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                running.append(process)
        except (ProcessLookupError, PermissionError):
            pass
    return running


def workers(run: subprocess.Popen[str]) -> list[psutil.Process]:
    return [process for process in session(run.pid) if "spawn_main" in " ".join(process.cmdline())]


def both_write(folder: Path, min_size: int = 1) -> bool:
    sizes = [path.stat().st_size for path in (folder / "usage").rglob("*") if path.is_file()]
    return len(sizes) == 2 and min(sizes) >= min_size


@pytest.mark.parametrize(("stop", "signal_"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)])
def test_a_signal_ends_all_processes_and_removes_the_incomplete_files(
    tmp_path: Path, long_run: subprocess.Popen[str], stop: Callable[[int, int], None], signal_: int
) -> None:
    # given
    wait_until(lambda: both_write(tmp_path))

    # when interrupted as by a terminal, or terminated
    stop(long_run.pid, signal_)
    _, error = long_run.communicate(timeout=DEADLINE)

    # expect
    assert long_run.returncode == 130
    assert error.splitlines() == ["", "generator: interrupted; the same command starts again from the beginning"]
    wait_until(lambda: not session(long_run.pid))
    assert files(tmp_path) == {}


def test_workers_ignore_ctrl_c(tmp_path: Path, long_run: subprocess.Popen[str]) -> None:
    # given
    wait_until(lambda: both_write(tmp_path))

    # when only they are interrupted
    for process in workers(long_run):
        process.send_signal(signal.SIGINT)

    # expect them to continue
    written = max(path.stat().st_size for path in (tmp_path / "usage").rglob("*") if path.is_file())
    wait_until(lambda: long_run.poll() is not None or both_write(tmp_path, min_size=written + 1_000_000))
    assert long_run.poll() is None


def test_a_killed_run_leaves_no_process_and_nothing_that_is_taken_for_data(
    tmp_path: Path, long_run: subprocess.Popen[str]
) -> None:
    # given
    wait_until(lambda: both_write(tmp_path))

    # when
    long_run.kill()

    # expect only hidden files
    wait_until(lambda: not session(long_run.pid))
    assert [name.rpartition("/")[2] for name in files(tmp_path)] == [".usage-01.json.part"] * 2
    # expect the next run to replace them
    again = generate(tmp_path, "--hubs 16 --files-per-day 1")
    assert not any("part" in name for name in again)


def test_a_run_fails_if_a_worker_is_killed(tmp_path: Path, long_run: subprocess.Popen[str]) -> None:
    # given
    wait_until(lambda: both_write(tmp_path))

    # when
    workers(long_run)[0].kill()
    _, error = long_run.communicate(timeout=DEADLINE)

    # expect
    assert long_run.returncode == 2
    assert error.splitlines()[-1] == (
        "generator: one of 2 processes was killed, perhaps for lack of memory: reduce --processes"
    )
    wait_until(lambda: not session(long_run.pid))
    assert files(tmp_path) == {}
