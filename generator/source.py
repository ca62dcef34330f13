"""The source folder: usage, mappings, locations and rates as files."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from generator import pool
from generator.hubs import CHANNELS, LOCATION_COLUMNS, Hub
from generator.rates import rates_xml
from generator.states import STATE_OF_HUB
from generator.usage import readings

# A hub's day has about 48 kB, so a file of usage at most 125 MB, on the day of 25 hours, too. What a reader of Athena
# takes at once is about 128 MB, and of a gzipped file (a nineteenth of that) it has to take the whole:
# https://docs.aws.amazon.com/athena/latest/ug/performance-tuning-data-optimization-techniques.html
HUBS_PER_FILE = 2_500  # with ten channels each; fewer with more channels


class UnexpectedFileError(Exception):
    """The folder holds data that this run would leave standing beside its own."""


@dataclass(frozen=True)
class _File:
    """path: below the source folder. content: its text in parts, those of one hub at most."""

    path: Path
    content: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Source:
    """What to write: hubs 1 to `hubs`, the local days `first` to `last` inclusive. The defaults are the sample's.

    The second day has two unusable lines of kinds that occur in practice: in its first file a truncated line (followed
    by the complete one), at the end of its last file a reading of a hub without a location. With `clean` they are left
    out. A day has `files_per_day` usage files, but not more than hubs; None means one for every HUBS_PER_FILE hubs, and
    at least two. `channels`: the unique names of each hub's channels.
    """

    hubs: int = 6
    first: date = date(2019, 12, 21)
    last: date = date(2019, 12, 22)
    seed: int = 13
    files_per_day: int | None = None
    gzip: bool = False
    clean: bool = False
    channels: tuple[str, ...] = CHANNELS

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def write(self, out: Path, processes: int = 1, told: Callable[[int], None] = lambda lines: None) -> int:
        """Writes the files below `out` and returns the number of usage lines; `told` gets that so far, often.

        The bytes are the same for any number of processes; more than one are spawned (see pool.run). A process
        writes a file at a time and holds one hub's day. All files get their names at the end, when all are
        written: a run that was killed leaves nothing but names with a dot before them, which no reader takes
        for data and the same run writes anew.

        Raises UnexpectedFileError, before anything is written, when the folder holds other data; OSError when
        a file cannot be written; BrokenProcessPool when a process was killed.
        """
        self._refuse_other_data(out)
        files = list(self._files())
        try:
            lines = pool.run(partial(_write, out), files, processes, told)
            for path in (out / file.path for file in files):
                _part(path).replace(path)
        finally:
            for part in (_part(out / file.path) for file in files):
                if part.exists():
                    part.unlink()
        return lines

    def _files(self) -> Iterator[_File]:
        """The largest first, so that processes end at about the same time."""
        names = self._usage_names
        for day in (self.first + timedelta(days=n) for n in range(self.days)):
            for index, name in enumerate(names):
                first, after = (self.hubs * i // len(names) + 1 for i in (index, index + 1))
                yield _File(_USAGE / f"dt={day}" / name, partial(self._usage, day, range(first, after)))
        for state in self._states:
            yield _File(Path(f"mappings/state={state}/mappings.json"), partial(self._mappings, state))
            yield _File(Path(f"locations/state={state}/locations.csv"), partial(self._locations, state))
        yield _File(Path("rates/rates.xml"), self._rates)

    def _usage(self, day: date, numbers: Iterable[int]) -> Iterator[str]:
        unusable = not self.clean and day == self.first + timedelta(days=1)
        for number in numbers:
            lines = readings(self._hub(number), day)
            if unusable and number == 1:
                half = lines[100][: len(lines[100]) // 2]
                lines.insert(100, half + "\n")
            if unusable and number == self.hubs:
                lines.append(readings(self._hub(0), day)[144])
            yield "".join(lines)

    def _mappings(self, state: str) -> Iterator[str]:
        return (hub.mappings() for hub in self._hubs_in(state))

    def _locations(self, state: str) -> Iterator[str]:
        yield ",".join(LOCATION_COLUMNS) + "\n"
        yield from (hub.location() for hub in self._hubs_in(state))

    def _rates(self) -> Iterator[str]:
        yield rates_xml(self._states, self.first, self.last)

    @property
    def _states(self) -> list[str]:
        return sorted(set(STATE_OF_HUB[: self.hubs]))

    def _hubs_in(self, state: str) -> Iterator[Hub]:
        places = [place for place, code in enumerate(STATE_OF_HUB, 1) if code == state]
        cycles = range(0, self.hubs, len(STATE_OF_HUB))
        numbers = (cycle + place for cycle in cycles for place in places)
        return (self._hub(number) for number in numbers if number <= self.hubs)

    def _hub(self, number: int) -> Hub:
        return Hub(self.seed, number, self.channels)

    @property
    def _usage_names(self) -> list[str]:
        in_a_file = max(1, HUBS_PER_FILE * _reading_bytes(CHANNELS) // _reading_bytes(self.channels))
        wanted = self.files_per_day or max(2, -(-self.hubs // in_a_file))
        count = min(wanted, self.hubs)
        digits = max(2, len(str(count)))
        return [f"usage-{n:0{digits}d}.json{'.gz' if self.gzip else ''}" for n in range(1, count + 1)]

    def _refuse_other_data(self, out: Path) -> None:
        ours = {out / file.path for file in self._files()}
        for folder in ("usage", "mappings", "locations", "rates"):
            for path in sorted((out / folder).rglob("*")):
                if path.is_file() and not path.name.startswith(".") and path not in ours:
                    raise UnexpectedFileError(
                        f"{path} is not part of what was asked for and would be read with it: "
                        "remove it or choose another --out"
                    )


_USAGE = Path("usage")


def _reading_bytes(channels: tuple[str, ...]) -> int:
    """The approximate length of a line of usage: an appliance's value has about three bytes, a circuit's five."""
    return 56 + sum(len(channel.encode()) + 7 for channel in channels) + 2 * len(channels[len(CHANNELS) :])


def _write(out: Path, file: _File, count: pool.Count) -> None:
    """Writes the file under the name that it has until all are written, and counts the lines of usage."""
    usage = _USAGE in file.path.parents
    with _create(out / file.path) as target:
        for text in file.content():
            target.write(text.encode())
            count(text.count("\n") if usage else 0)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


@contextmanager
def _create(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A new file's part, and its folder; one in .gz has neither time nor name inside: equal data, equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part(path).open("wb") as file:
        if path.suffix == ".gz":
            # The level of gzip itself: the highest takes five times as long and saves a seventh.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as compressed:
                yield compressed
        else:
            yield file
