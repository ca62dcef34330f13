"""The source folder: usage, mappings, locations and rates as files."""

import gzip
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import IO

from generator.hubs import CHANNELS, LOCATION_COLUMNS, Hub
from generator.rates import rates_xml
from generator.states import STATE_OF_HUB
from generator.usage import readings

# A hub's day has about 48 kB, so a usage file has at most 125 MB, even on a day of 25 hours. Athena reads splits of
# about 128 MB, and cannot split a gzipped file (which has a nineteenth of the size):
# https://docs.aws.amazon.com/athena/latest/ug/performance-tuning-data-optimization-techniques.html
HUBS_PER_FILE = 2_500  # with ten channels each; fewer with more channels


class UnexpectedFileError(Exception):
    """The folder contains data files that this run would not overwrite."""


@dataclass(frozen=True)
class _File:
    """path: relative to the source folder. content: yields the text in chunks of at most one hub each."""

    path: Path
    content: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class SampleData:
    """Hubs 1 to `hubs` on the local days `first` to `last`, inclusive. The defaults are those of the sample.

    The second day has two unusable lines of kinds that occur in practice: in its first file a truncated line (followed
    by the complete one), at the end of its last file a reading of a hub without a location. `clean` omits them. A day
    has `files_per_day` usage files, but not more than hubs; None means one for every HUBS_PER_FILE hubs, and at least
    two. `channels`: the unique names of each hub's channels.
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

    def write(self, out: Path, processes: int = 1, on_progress: Callable[[int], None] = lambda lines: None) -> int:
        """Writes the files below `out` and returns the number of usage lines.

        The bytes are the same for any number of processes. With more than one, worker processes are spawned, so a
        script that calls this needs the usual `if __name__ == "__main__"`. A process writes one file at a time and
        keeps one hub's day in memory. `on_progress` is called after each file with the number of usage lines so far.

        Files are written under hidden names (`.name.part`), which readers ignore, and renamed when all are complete. If
        the run fails or is interrupted, the hidden files are removed; if it is killed, they remain until the next run.

        Raises UnexpectedFileError if the folder contains other data (before anything is written), OSError if a file
        cannot be written, BrokenProcessPool if a worker process was killed.
        """
        self._refuse_other_data(out)
        files = list(self._files())
        try:
            lines = _write_all(out, files, min(processes, len(files)), on_progress)
            for path in (out / file.path for file in files):
                _part(path).replace(path)
        finally:
            for part in (_part(out / file.path) for file in files):
                if part.exists():
                    part.unlink()
        return lines

    def _files(self) -> Iterator[_File]:
        """The largest files first, so that all processes finish at about the same time."""
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
        expected = {out / file.path for file in self._files()}
        for folder in ("usage", "mappings", "locations", "rates"):
            for path in sorted((out / folder).rglob("*")):
                if path.is_file() and not path.name.startswith(".") and path not in expected:
                    raise UnexpectedFileError(
                        f"{path} does not belong to these data and would be read with them: "
                        "remove it or choose another --out"
                    )


_USAGE = Path("usage")


def _reading_bytes(channels: tuple[str, ...]) -> int:
    """The approximate length of a usage line: an appliance's value has about three bytes, a circuit's five."""
    return 56 + sum(len(channel.encode()) + 7 for channel in channels) + 2 * len(channels[len(CHANNELS) :])


def _write_all(out: Path, files: list[_File], processes: int, on_progress: Callable[[int], None]) -> int:
    """Writes the files under their hidden names and returns the number of usage lines."""
    lines = 0
    if processes == 1:
        for file in files:
            lines += _write(out, file)
            on_progress(lines)
        return lines
    context = get_context("spawn")  # safe beside threads, and the same on Linux and macOS
    reader, writer = context.Pipe(duplex=False)
    # On an error the writer is closed first, which stops workers in the middle of a file.
    with reader, ProcessPoolExecutor(processes, context, _start_watcher, (reader,)) as executor, writer:
        # A terminal sends Ctrl-C to all processes. Workers inherit the blocked signal, so only this process handles it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [executor.submit(_write, out, file) for file in files]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for future in as_completed(futures):
            lines += future.result()
            on_progress(lines)
        executor.shutdown()
    return lines


def _start_watcher(parent: Connection) -> None:
    """Makes a worker exit when its parent closes the other end of the pipe or ends, even by SIGKILL."""

    def watch() -> None:
        parent.poll(None)  # nothing is ever sent: this returns at the end of the file
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _write(out: Path, file: _File) -> int:
    """Writes one file under its hidden name and returns the number of usage lines in it."""
    lines = 0
    with _create(out / file.path) as target:
        for text in file.content():
            target.write(text.encode())
            lines += text.count("\n")
    return lines if _USAGE in file.path.parents else 0


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


@contextmanager
def _create(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Opens the hidden file of `path`. The header of a .gz has no time and no name: equal data give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part(path).open("wb") as file:
        if path.suffix == ".gz":
            # gzip's own default level: the highest one takes five times as long and saves a seventh.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as compressed:
                yield compressed
        else:
            yield file
