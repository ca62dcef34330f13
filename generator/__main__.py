"""Writes a source folder of sample data.

The same arguments and seed give the same bytes, and a hub's day is the same whichever other hubs and days are
asked for. The files of include/data are what the command writes without arguments.
"""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import NoReturn

from generator.source import Source, UnexpectedFileError

SEED = 13
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
    parser.add_argument("--hubs", type=_count, default=6, metavar="N", help="hubs 1 to N, in a cycle of states")
    parser.add_argument("--from", dest="first", type=_day, default="2019-12-21", metavar="DAY", help="first local day")
    parser.add_argument(
        "--to", dest="last", type=_day, default="2019-12-22", metavar="DAY", help="last local day, inclusive"
    )
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="another seed gives other homes")
    parser.add_argument("--out", type=Path, default=Path("include/data"), metavar="FOLDER", help="source folder")
    parser.add_argument(
        "--files-per-day", type=_count, default=2, metavar="N", help="usage files a day, at most one a hub"
    )
    parser.add_argument("--gzip", action="store_true", help="compress the usage files")
    parser.add_argument("--clean", action="store_true", help="without the second day's two unusable lines")
    options = parser.parse_args(arguments)
    if options.first > options.last:
        parser.error(f"--from {options.first} is after --to {options.last}: swap them")
    source = Source(
        options.hubs,
        options.first,
        options.last,
        options.seed,
        options.files_per_day,
        options.gzip,
        options.clean,
    )
    try:
        lines = source.write(options.out)
    except UnexpectedFileError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot write to {error.filename or options.out}: {error.strerror}; choose another --out")
    print(f"{options.out}: {options.hubs} hubs, {options.first} to {options.last}, {lines} usage lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
