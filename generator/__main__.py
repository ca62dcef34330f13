"""Writes a source folder of sample data, for any number of hubs and days.

The same arguments and seed give the same bytes, and a hub's day is the same whichever other hubs and days are
asked for. The files of include/data are what the command writes without arguments; with any it writes to a folder of
its own, .local/data/…, unless --out says where.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import NoReturn

from generator.source import Source, UnexpectedFileError

SEED = 13
FIRST, DAYS = date(2019, 12, 21), 2
SAMPLE, OTHERS = Path("include/data"), Path(".local/data")
_FEW = 200  # days of a hub that are made before another process would have begun
_SECONDS_OF_SILENCE = 3.0
YEARS = range(2000, 2100)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"generator: {message}\n")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, write it as 2019-12-21") from None
    if day.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text} is outside the years {YEARS[0]} to {YEARS[-1]}")
    return day


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    parser = _Parser(
        prog="python -m generator",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--hubs", type=_count, default=6, metavar="N", help="hubs 1 to N, in a cycle of states (6)")
    parser.add_argument(
        "--from", dest="first", type=_day, default=FIRST, metavar="DAY", help=f"first local day ({FIRST})"
    )
    until = parser.add_mutually_exclusive_group()
    until.add_argument(
        "--days", type=_count, default=DAYS, metavar="N", help=f"local days from the first one on ({DAYS})"
    )
    until.add_argument(
        "--to", dest="last", type=_day, metavar="DAY", help="last local day, inclusive, in place of --days"
    )
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"another seed gives other homes ({SEED})")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"source folder ({SAMPLE}; with arguments {OTHERS}/…)"
    )
    parser.add_argument(
        "--files-per-day",
        type=_count,
        default=0,
        metavar="N",
        help="usage files a day, at most one a hub (two, or one for each 2,500 hubs: 120 MB)",
    )
    parser.add_argument("--gzip", action="store_true", help="compress the usage files")
    parser.add_argument("--clean", action="store_true", help="without the second day's two unusable lines")
    parser.add_argument(
        "--processes",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="that write beside each other (all cores)",
    )
    options = parser.parse_args(arguments)
    try:
        last = options.last or options.first + timedelta(days=options.days - 1)
    except OverflowError:
        parser.error(f"--days {options.days}: that ends after the year {YEARS[-1]}")
    if options.first > last:
        parser.error(f"--from {options.first} is after --to {last}: swap them")
    if last.year not in YEARS:
        parser.error(f"--days {options.days}: that ends after the year {YEARS[-1]}")
    days = (last - options.first).days + 1
    source = Source(options.hubs, options.first, last, options.seed, options.files_per_day, options.gzip, options.clean)
    out = options.out or _own_folder(source, days)
    try:
        lines = source.write(out, options.processes if options.hubs * days > _FEW else 1, _progress())
    except UnexpectedFileError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot write to {error.filename or out}: {error.strerror}; choose another --out")
    except KeyboardInterrupt:
        parser.exit(130, "generator: interrupted; what is written is whole, the rest is missing\n")
    print(f"{out}: {options.hubs} hubs, {options.first} to {last}, {lines} usage lines")
    if out != SAMPLE:
        print(f"make demo SOURCE={out} FROM={options.first} TO={last}")
    return 0


def _own_folder(source: Source, days: int) -> Path:
    """include/data for the sample that it holds; else a folder named after all that differs from it."""
    sample = Source(6, FIRST, FIRST + timedelta(days=DAYS - 1), SEED, 0, gzip=False, clean=False)
    if source == sample:
        return SAMPLE
    parts = [f"{source.hubs}-hubs", str(source.first), f"{days}-days"]
    parts += [f"seed-{source.seed}"] if source.seed != SEED else []
    parts += [f"{source.files_per_day}-files"] if source.files_per_day else []
    parts += [name for name in ("gzip", "clean") if getattr(source, name)]
    return OTHERS / "-".join(parts)


def _progress() -> Callable[[int, int], None]:
    """Tells how many files are written, where it takes long."""
    begun = told = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > _SECONDS_OF_SILENCE:
            told = now
            print(f"generator: {done} of {of} usage files, {now - begun:.0f} s", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
