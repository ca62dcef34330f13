"""Benchmarks the pipeline, beside what people would use in its place.

Each part is measured in one run; contestants take turns, size by size, as often as --repeat says. Writes results.json
and tables.md to the folder --out; --write puts both into the repository, the tables into BENCHMARKS.md, where the parts
that were left out stay. It takes three quarters of an hour with the defaults, some 4 GB of memory, and Linux.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import bill, data_plane, measure, page, report, scheduler
from benchmarks.data_plane import Day
from benchmarks.measure import CommandFailed, Taken
from ops.settings import ROOT, Settings, UserError

FIRST_DAY, DAY = "2019-12-21", "2019-12-22"  # of all contestants the second one is measured
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PARTS = ("data-plane", "page", "trino", "scheduler", "memory")
COPIED_HUBS = (10, 100)  # the widely copied design ends at 100
PANDAS_HUBS = 1_000  # beyond, it takes more memory than a laptop has
TRINO_HUBS = 1_000
MANY_DAYS = 30
NAMES = {
    "duckdb": "one DuckDB query: the floor",
    "polars": "polars",
    "pandas": "pandas",
    "copied": "the widely copied design, on the local Athena",
    "another day": "**this pipeline, steps 1 to 7**",
    "first day": "steps 1 to 7, everything new",
    "all steps": "with audit, insights and publish",
}
BEGIN, END = "<!-- tables of the run: begin -->", "<!-- tables of the run: end -->"


class Benchmark:
    """One run: its folder, its settings, what it has found so far."""

    def __init__(self, folder: Path, hubs: Sequence[int], repeat: int) -> None:
        self.folder, self.hubs, self.repeat = folder, sorted(hubs), repeat
        self.results: dict[str, Any] = {"machine": machine(), "date": str(date.today()), "repeat": repeat}
        self.tables: dict[str, dict[str, str]] = {}  # by part, by title
        self.bills: list[bill.Day] = []
        self.copied: dict[int, bill.Day] = {}
        self.begun = time.monotonic()

    def settings(self, **more: Any) -> Settings:
        """Of an environment in the benchmark's own folder, on ports of its own."""
        local = self.folder / "local"
        own = Settings(local, airflow_port=28480, aws_port=28466, trino_port=28490)
        return replace(own, request_log=local / "logs" / "requests.log", **more)

    def source(self, hubs: int, days: int = 2) -> Path:
        """Sample data without unusable lines, made once."""
        folder = self.folder / f"{hubs}-hubs-{days}-days"
        if not folder.exists():
            last = str(date.fromisoformat(FIRST_DAY) + timedelta(days=days - 1))
            options = ["--hubs", str(hubs), "--from", FIRST_DAY, "--to", last, "--clean", "--out", str(folder)]
            say(f"Making {hubs:,} hubs, {days} days")
            measure.run([sys.executable, "-m", "generator", *options], cwd=ROOT)
        return folder

    def data_plane(self) -> None:
        taken: dict[int, dict[str, list[Taken]]] = {hubs: {name: [] for name in NAMES} for hubs in self.hubs}
        days: dict[int, list[tuple[Day, Day]]] = {hubs: [] for hubs in self.hubs}
        for repetition in range(self.repeat):
            for hubs in self.hubs:
                digests = set()
                for name in ("duckdb", "polars", "pandas"):
                    if name == "pandas" and hubs > PANDAS_HUBS:
                        continue
                    say(f"{repetition + 1} of {self.repeat}, {hubs:,} hubs: {name}")
                    one, digest = self.contestant(name, hubs)
                    taken[hubs][name].append(one)
                    digests.add(digest)
                say(f"{repetition + 1} of {self.repeat}, {hubs:,} hubs: the pipeline")
                both, digest = self.pipeline(hubs, taken[hubs])
                days[hubs].append(both)
                digests.add(digest)
                if hubs in COPIED_HUBS and not taken[hubs]["copied"]:
                    digests.add(self.copied_design(hubs, taken[hubs]))
                if len(digests) != 1:
                    raise CommandFailed(f"the contestants differ in their rows at {hubs} hubs: {sorted(digests)}")
        for hubs in COPIED_HUBS:
            if hubs not in self.copied:
                self.copied_design(hubs, {"copied": []})
        self.bills = [days[hubs][-1][1].as_bill(hubs) for hubs in self.hubs]
        measured = {hubs: {name: runs for name, runs in by_name.items() if runs} for hubs, by_name in taken.items()}
        middle = self.hubs[len(self.hubs) // 2]
        self.results["data plane"] = {
            str(hubs): {name: [asdict(one) for one in runs] for name, runs in by_name.items()}
            for hubs, by_name in measured.items()
        }
        self.results["days"] = {
            str(hubs): [[asdict(day) for day in both] for both in repetitions] for hubs, repetitions in days.items()
        }
        own = {name: NAMES[name] for name in ("duckdb", "polars", "another day", "first day", "all steps")}
        tables = self.tables["data-plane"] = {
            "contestants": report.contestants(measured, NAMES),
            "CPU a hub": report.per_hub(measured, own),
            f"steps at {middle:,} hubs": report.steps(*zip(*days[middle], strict=True)),
            "what it asks of AWS": report.quantities({hubs: pairs[-1] for hubs, pairs in days.items()}),
        }
        if len(self.hubs) > 1:
            tables["bill"], tables["bills"] = report.bills(self.bills, list(self.copied.values()))

    def contestant(self, name: str, hubs: int) -> tuple[Taken, str]:
        """What a script of contestants.py takes, and the digest of its rows."""
        out = self.folder / "out.parquet"
        arguments: list[str | Path] = [name, "--source", self.source(hubs), "--day", DAY, "--out", out]
        taken = measure.run([BENCH_PYTHON, "-m", "benchmarks.contestants", *arguments], cwd=ROOT).taken
        return taken, self.digest([out])

    def pipeline(self, hubs: int, taken: dict[str, list[Taken]]) -> tuple[tuple[Day, Day], str]:
        """Two days of the pipeline, and the digest of the second one's rows."""
        with self.empty("published") as out:
            source = str(self.source(hubs))
            (first, another), whole = data_plane.run(self.settings(source=source), [FIRST_DAY, DAY], out)
            digest = self.digest(sorted(out.iterdir()))
        for name, total in (
            ("another day", another.total(seven=True)),
            ("first day", first.total(seven=True)),
            ("all steps", another.total(seven=False)),
        ):
            taken[name].append(Taken(total.wall, total.cpu, whole.peak_mb))
        return (first, another), digest

    def copied_design(self, hubs: int, taken: dict[str, list[Taken]]) -> str:
        """A day of the widely copied design, once, for it takes long; the digest of its rows."""
        say(f"{hubs:,} hubs: the widely copied design, some {5 * hubs} s")
        with self.empty("copied") as out:
            day = data_plane.run_copied(self.settings(), self.source(hubs), hubs, DAY, out, BENCH_PYTHON)
            taken["copied"].append(day.taken)
            self.copied[hubs] = day.as_bill()
            return self.digest(sorted(out.rglob("*.parquet")))

    def digest(self, files: Sequence[Path]) -> str:
        return measure.run([BENCH_PYTHON, "-m", "benchmarks.rows", *files], cwd=ROOT).output.strip()

    def trino(self) -> None:
        measured: dict[int, dict[str, list[Taken]]] = {}
        for hubs in (one for one in self.hubs if one <= TRINO_HUBS):
            measured[hubs] = {}
            for engine in ("duckdb", "trino"):
                say(f"{hubs:,} hubs: the pipeline on {engine}")
                settings = self.settings(source=str(self.source(hubs)), engine=engine)
                (_, another), whole = data_plane.run(settings, [FIRST_DAY, DAY])
                total = another.total(seven=True)
                measured[hubs][engine] = [Taken(total.wall, total.cpu, whole.peak_mb)]
        self.results["engines"] = {
            str(hubs): {name: [asdict(one) for one in runs] for name, runs in by_name.items()}
            for hubs, by_name in measured.items()
        }
        names = {"duckdb": "steps 1 to 7 on DuckDB", "trino": "steps 1 to 7 on Trino"}
        self.tables["trino"] = {"engines": report.contestants(measured, names, of="DuckDB's")}

    def memory(self) -> None:
        """What a query may take, and what the local AWS then takes at the most."""
        hubs = self.hubs[-1]
        found = {}
        for size in ("2G", "1G"):
            say(f"{hubs:,} hubs, with QUERY_MEMORY={size}")
            settings = self.settings(source=str(self.source(hubs)), query_memory=size)
            (_, another), whole = data_plane.run(settings, [FIRST_DAY, DAY])
            total = another.total(seven=True)
            found[size] = Taken(total.wall, total.cpu, whole.peak_mb)
        self.results["memory"] = {size: asdict(one) for size, one in found.items()}
        self.tables["memory"] = {f"memory at {hubs:,} hubs": report.memory(found)}

    def scheduler(self) -> None:
        days = [str(date.fromisoformat(FIRST_DAY) + timedelta(days=number)) for number in range(MANY_DAYS)]
        found: dict[str, list[scheduler.Backfill]] = {}
        with scheduler.airflow(self.settings(source=str(ROOT / "include" / "data"))) as seconds:
            say(f"Airflow and the local AWS were up in {seconds:.0f} s")
            self.results["start seconds"] = seconds
            for title, times in (("2 days, everything new", 1), ("2 days, again", self.repeat)):
                for repetition in range(times):
                    say(f"backfill of {title}: {repetition + 1} of {times}")
                    found.setdefault(title, []).append(scheduler.backfill(self.settings(), days[:2]))
        with scheduler.airflow(self.settings(source=str(self.source(6, MANY_DAYS)))):
            say(f"backfill of {MANY_DAYS} days")
            found[f"{MANY_DAYS} days"] = [scheduler.backfill(self.settings(), days)]
        self.results["backfills"] = {title: [asdict(one) for one in runs] for title, runs in found.items()}
        last = found["2 days, again"][-1]
        self.tables["scheduler"] = {"backfills": report.backfills(found), "tasks": report.tasks(last)}

    def page(self) -> None:
        say("the page's figures at 1,000 hubs and 31 days")
        settings = self.settings()
        with data_plane.local_aws(settings):
            found = page.run(settings)
        self.results["page"] = found
        self.tables["page"] = {"page": report.page(found)}

    @contextmanager
    def empty(self, name: str) -> Iterator[Path]:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder
        shutil.rmtree(folder)

    def keep(self, results: Path) -> None:
        """Takes over what an earlier run has found, for the parts that this one leaves out."""
        earlier = json.loads(results.read_text(encoding="utf-8"))
        self.results = earlier | self.results
        self.tables = earlier["tables"]

    def write(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.results["tables"] = self.tables
        self.results["seconds"] = round(time.monotonic() - self.begun)
        (out / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")
        (out / "tables.md").write_text(markdown(self.results))


def markdown(results: dict[str, Any]) -> str:
    """The tables of a run, each under its name, with the machine that they are of."""
    about = (
        f"Measured on {results['date']}: {results['machine']}; {results['repeat']} repetitions, median (least–most)."
    )
    tables = [
        f"### {title.capitalize()}\n\n{text}"
        for part in PARTS
        for title, text in results["tables"].get(part, {}).items()
    ]
    return "\n\n".join([about, *tables]) + "\n"


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hubs", default="100,1000,5000", help="numbers of hubs, with commas (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="how often all is measured (%(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured, with commas (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / ".local" / "bench", help="folder of the results (.local/bench)"
    )
    parser.add_argument("--write", action="store_true", help="into benchmarks/results.json and BENCHMARKS.md, too")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not all(one.isdecimal() and int(one) for one in options.hubs.split(",")) or options.repeat < 1:
        parser.error("--hubs and --repeat are whole numbers of at least 1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by SIGTERM, stop what was started
    with tempfile.TemporaryDirectory(prefix="smart-hub-bench-") as folder:
        benchmark = Benchmark(Path(folder), [int(one) for one in options.hubs.split(",")], options.repeat)
        if options.write:
            benchmark.keep(ROOT / "benchmarks" / "results.json")
        try:
            for part in parts:
                getattr(benchmark, part.replace("-", "_"))()
                benchmark.write(options.out)
        except (UserError, CommandFailed, scheduler.BackfillFailed) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
    print(markdown(benchmark.results))
    if options.write:
        benchmark.write(ROOT / "benchmarks")
        (ROOT / "benchmarks" / "tables.md").unlink()
        document = ROOT / "BENCHMARKS.md"
        before, _, rest = document.read_text().partition(BEGIN)
        document.write_text(f"{before}{BEGIN}\n\n{markdown(benchmark.results)}\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
