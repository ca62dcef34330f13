"""The source folder: usage, mappings, locations and rates as files."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO

from generator.hubs import LOCATION_COLUMNS, Hub
from generator.rates import rates_xml
from generator.states import STATE_OF_HUB
from generator.usage import readings


class UnexpectedFileError(Exception):
    """The folder holds data that this run would leave standing beside its own."""


@dataclass(frozen=True)
class Source:
    """What to write: hubs 1 to `hubs`, the local days `first` to `last` inclusive.

    The second day holds two unusable lines, as really happen: in its first file a line that broke off in the
    middle (the complete one follows), at the end of its last file a reading of a hub that has no location.
    `clean` leaves them out. A day has `files_per_day` usage files, but not more than hubs.
    """

    hubs: int
    first: date
    last: date
    seed: int
    files_per_day: int
    gzip: bool
    clean: bool

    def write(self, out: Path) -> int:
        """Writes the files below `out` and returns the number of usage lines. Memory: one hub's day.

        Raises UnexpectedFileError, before anything is written, when the folder holds other data; OSError when
        a file cannot be written.
        """
        self._refuse_other_data(out)
        for state in self._states:
            with _create(out / _mappings(state)) as file:
                file.writelines(hub.mappings().encode() for hub in self._hubs_in(state))
            with _create(out / _locations(state)) as file:
                file.write((",".join(LOCATION_COLUMNS) + "\n").encode())
                file.writelines(hub.location().encode() for hub in self._hubs_in(state))
        with _create(out / _RATES) as file:
            file.write(rates_xml(self._states, self.first, self.last).encode())
        return sum(self._write_usage(out, day) for day in self._days)

    def _write_usage(self, out: Path, day: date) -> int:
        unusable = not self.clean and day == self.first + timedelta(days=1)
        lines = 0
        for index, name in enumerate(self._usage_names):
            first, after = (self.hubs * i // len(self._usage_names) + 1 for i in (index, index + 1))
            with _create(out / _usage_folder(day) / name) as file:
                for number in range(first, after):
                    day_lines = readings(Hub(self.seed, number), day)
                    if unusable and number == 1:
                        half = day_lines[100][: len(day_lines[100]) // 2]
                        day_lines.insert(100, half + "\n")
                    if unusable and number == self.hubs:
                        day_lines.append(readings(Hub(self.seed, 0), day)[144])
                    file.write("".join(day_lines).encode())
                    lines += len(day_lines)
        return lines

    @property
    def _days(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))

    @property
    def _states(self) -> list[str]:
        return sorted(set(STATE_OF_HUB[: self.hubs]))

    def _hubs_in(self, state: str) -> Iterator[Hub]:
        hubs = (Hub(self.seed, number) for number in range(1, self.hubs + 1))
        return (hub for hub in hubs if hub.state_code == state)

    @property
    def _usage_names(self) -> list[str]:
        ending = ".json.gz" if self.gzip else ".json"
        return [f"usage-{n:02d}{ending}" for n in range(1, min(self.files_per_day, self.hubs) + 1)]

    def _refuse_other_data(self, out: Path) -> None:
        ours = {out / _RATES}
        ours.update(out / path(state) for state in self._states for path in (_mappings, _locations))
        ours.update(out / _usage_folder(day) / name for day in self._days for name in self._usage_names)
        for folder in ("usage", "mappings", "locations", "rates"):
            for path in sorted((out / folder).rglob("*")):
                if path.is_file() and not path.name.startswith(".") and path not in ours:
                    raise UnexpectedFileError(
                        f"{path} is not part of what was asked for and would be read with it: "
                        "remove it or choose another --out"
                    )


_RATES = Path("rates/rates.xml")
<<<<<<< HEAD
_Task = tuple[Source, Path, date, int]


def _each(tasks: list[_Task], processes: int) -> Iterator[int]:
    """The lines of each task's file, in any order."""
    if processes < 2:
        yield from map(_written, tasks)
        return
    # Spawned, as on macOS; none outlives this one, however it ends. An interrupt is this one's to handle.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap_unordered(_written, tasks)


def _written(task: _Task) -> int:
    source, out, day, index = task
    return source.write_usage(out, day, index)
=======
>>>>>>> parent of 511ad4a (Sample data for any number of hubs and days, by several processes)


def _mappings(state: str) -> Path:
    return Path(f"mappings/state={state}/mappings.json")


def _locations(state: str) -> Path:
    return Path(f"locations/state={state}/locations.csv")


def _usage_folder(day: date) -> Path:
    return Path(f"usage/dt={day}")


@contextmanager
def _create(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """A new file and its folder; one in .gz has neither time nor name inside: equal data, equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                yield compressed
        else:
            yield file
