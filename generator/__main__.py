"""Writes a source folder of sample data.

The same arguments and seed give the same bytes, and a hub's day does not depend on the other hubs and days that are
written. Without arguments it writes the sample, the files of include/data. Anything else goes to a folder below
.local/data whose name states its contents, or to --out.
"""

import argparse
import os
import shlex
import signal
import sys
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from datetime import date, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from generator.hubs import CHANNELS, channel_names, digest
from generator.source import HUBS_PER_FILE, SampleData, UnexpectedFileError

SAMPLE = Path("include/data")
YEARS = range(2000, 2100)
MAX_COUNT = 10_000_000  # of any kind: a day of that many hubs has 480 GB
MAX_CHANNELS = 10_000  # per hub, because a hub's day is kept in memory
MAX_NAME_LENGTH = 64  # characters
READINGS_PER_DAY = 288  # except on the days on which clocks change
CHANNEL_DAYS_PER_PROCESS = 10_000  # about a second's work: with less, starting another process does not pay off


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"generator: {message}\n")


class _Progress:
    """Reports the progress of a long run on stderr: first after three seconds, then every ten, between two files."""

    def __init__(self, source: SampleData) -> None:
        self._expected = source.hubs * source.days * READINGS_PER_DAY
        self._started = monotonic()
        self._next = self._started + 3

    def __call__(self, lines: int) -> None:
        now = monotonic()
        if now >= self._next:
            self._next = now + 10
            share, speed = min(lines / self._expected, 1), lines / (now - self._started)
            print(f"generator: {lines:,} usage lines, {share:.0%}, {speed:,.0f} a second", file=sys.stderr)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, write it as 2019-12-21") from None
    if day.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text} is outside the years {YEARS[0]} to {YEARS[-1]}")
    return day


def _count(text: str, maximum: int = MAX_COUNT) -> int:
    if not text.isdecimal() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {maximum:,}")
    return int(text)


def _channels(text: str) -> tuple[str, ...]:
    return channel_names(_count(text, MAX_CHANNELS))


def _channel_names(file: str) -> tuple[str, ...]:
    """The names in a file, one per line; empty lines are ignored."""
    try:
        names = [line for line in Path(file).read_text("utf-8-sig").split("\n") if line]
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"{file} is not UTF-8") from None
    if not names:
        raise argparse.ArgumentTypeError(f"{file} contains no channel names")
    for name, times in Counter(names).items():
        if times > 1:
            raise argparse.ArgumentTypeError(f"{file} contains {name!r} {times} times: channel names must be unique")
        if len(name) > MAX_NAME_LENGTH:
            raise argparse.ArgumentTypeError(f"{name!r} has {len(name)} characters: {MAX_NAME_LENGTH} at most")
    return tuple(names)


def _parser() -> _Parser:
    # Options that are not given are missing from the result: without any, the generator writes the sample.
    parser = _Parser(
        prog="python -m generator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--hubs", type=_count, metavar="N", help=f"hubs 1 to N, in a cycle of states (default: {SampleData.hubs})")
    add("--from", dest="first", type=_day, metavar="DAY", help=f"first local day (default: {SampleData.first})")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--to", dest="last", type=_day, metavar="DAY", help="last local day, inclusive")
    end.add_argument("--days", type=_count, metavar="N", help="or the number of days (default: 2)")
    channels = parser.add_mutually_exclusive_group()
    channels.add_argument(
        "--channels",
        type=_channels,
        metavar="N",
        help=f"channels of each hub, {CHANNELS[0]} to s_N (default: {len(CHANNELS)})",
    )
    channels.add_argument(
        "--channel-names",
        dest="channels",
        type=_channel_names,
        metavar="FILE",
        help=f"or a UTF-8 file with their names, one per line, each of 1 to {MAX_NAME_LENGTH} characters",
    )
    add("--seed", type=int, metavar="N", help=f"another seed gives other homes (default: {SampleData.seed})")
    add("--out", type=Path, metavar="FOLDER", help="source folder to write (default: see above)")
    add(
        "--files-per-day",
        type=_count,
        metavar="N",
        help=f"usage files per day, at most one per hub (default: one for every {HUBS_PER_FILE:,} hubs of ten "
        "channels, 120 MB or 7.5 MB gzipped, and at least two: Athena reads files in parallel, but cannot split a "
        "gzipped one)",
    )
    add("--gzip", action="store_true", help="compress the usage files")
    add("--clean", action="store_true", help="omit the second day's two unusable lines")
    add(
        "--processes",
        type=_count,
        metavar="N",
        help="write N files in parallel; the bytes stay the same (default: the CPUs, fewer for a small source)",
    )
    return parser


def _source(parser: _Parser, options: dict[str, Any]) -> SampleData:
    """The data that the options describe. Ends the process if they contradict each other."""
    first, days = options.get("first", SampleData.first), options.pop("days", 2)
    if "last" not in options:
        if days > (date(YEARS[-1], 12, 31) - first).days + 1:
            parser.error(f"{days} days from {first} go beyond the year {YEARS[-1]}: reduce --days")
        options["last"] = first + timedelta(days=days - 1)
    source = SampleData(**options)
    if source.first > source.last:
        parser.error(f"--from {source.first} is after --to {source.last}: swap them")
    return source


def _own_folder(source: SampleData) -> Path:
    """The folder for these data if the user names none."""
    name = f"hubs-{source.hubs}-days-{source.days}-from-{source.first}"
    if source.files_per_day:
        name += f"-files-{source.files_per_day}"
    if source.channels != CHANNELS:
        name += f"-channels-{len(source.channels)}"
        if source.channels != channel_names(len(source.channels)):
            name += f"-named-{digest(source.seed, *source.channels)[:8]}"
    if source.seed != SampleData.seed:
        name += f"-seed-{source.seed}"
    name += "-gzip" * source.gzip + "-clean" * source.clean
    return Path(os.environ.get("SMART_HUB_LOCAL") or ".local") / "data" / name


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    out, processes = options.pop("out", None), options.pop("processes", None)
    is_sample = not options
    source = _source(parser, options)
    out = out or (SAMPLE if is_sample else _own_folder(source))
    channel_days = source.hubs * source.days * len(source.channels)
    processes = processes or min(os.cpu_count() or 1, 1 + channel_days // CHANNEL_DAYS_PER_PROCESS)
    try:
        lines = source.write(out, processes, _Progress(source))
    except UnexpectedFileError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot write to {error.filename or out}: {error.strerror}; choose another --out")
    except BrokenProcessPool:
        parser.error(f"one of {processes} processes was killed, perhaps for lack of memory: reduce --processes")
    except KeyboardInterrupt:
        print("\ngenerator: interrupted; the same command starts again from the beginning", file=sys.stderr)
        return 130
    print(f"{out}: {source.hubs} hubs, {source.first} to {source.last}, {lines} usage lines")
    days = "" if out == SAMPLE else f" SOURCE={shlex.quote(str(out))} FROM={source.first} TO={source.last}"
    print(f"Next: make demo{days}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # remove incomplete files, as after Ctrl-C
    sys.exit(main())
