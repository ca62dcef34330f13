"""Benchmarks the pipeline and its baselines.

Each part is measured in one run; the pipeline and the baselines alternate, at each number of hubs, --repeat times.
Writes results.json and tables.md to the folder --out. With --write, also updates benchmarks/results.json and
BENCHMARKS.md, and keeps the results of the parts that this run omits. The defaults take three quarters of an hour and
some 4 GB of memory. Linux only.
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

from benchmarks import bill, data_plane, measure, page, scheduler, tables
from benchmarks.data_plane import MeasuredDay
from benchmarks.measure import CommandError, ResourceUsage
from ops.settings import ROOT, LaptopSettings, UserError

FIRST_DAY, DAY = "2019-12-21", "2019-12-22"  # the baselines and the copied design run the second one
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PARTS = ("data-plane", "page", "trino", "scheduler", "memory")
COPIED_HUBS = (10, 100)  # the widely copied design supports at most 100
PANDAS_MAX_HUBS = 1_000  # more hubs need more memory than a laptop has
TRINO_MAX_HUBS = 1_000
BACKFILL_DAYS = 30
NAMES = {
    "duckdb": "one DuckDB query",
    "polars": "polars",
    "pandas": "pandas",
    "copied": "the widely copied design, on the local Athena",
    "another day": "**this pipeline, steps 1 to 7**",
    "first day": "steps 1 to 7, first day",
    "all steps": "with audit, insights and publish",
}
BEGIN, END = "<!-- generated tables: begin -->", "<!-- generated tables: end -->"


class Benchmark:
    """One run: its folder, its settings and its results so far."""

    def __init__(self, folder: Path, hubs: Sequence[int], repeat: int) -> None:
        self.folder, self.hubs, self.repeat = folder, sorted(hubs), repeat
        self.results: dict[str, Any] = {"machine": machine(), "date": str(date.today()), "repeat": repeat}
        self.tables: dict[str, dict[str, str]] = {}  # by part, by title
        self.copied: dict[int, bill.BilledDay] = {}
        self.started = time.monotonic()

    def settings(self, **changes: Any) -> LaptopSettings:
        """LaptopSettings of an environment in the benchmark's folder, with its own ports."""
        local = self.folder / "local"
        own = LaptopSettings(local, airflow_port=28480, aws_port=28466, trino_port=28490)
        return replace(own, request_log=local / "logs" / "requests.log", **changes)

    def source(self, hubs: int, days: int = 2) -> Path:
        """A folder of sample data without unusable lines, generated at the first call."""
        folder = self.folder / f"{hubs}-hubs-{days}-days"
        if not folder.exists():
            last = str(date.fromisoformat(FIRST_DAY) + timedelta(days=days - 1))
            options = ["--hubs", str(hubs), "--from", FIRST_DAY, "--to", last, "--clean", "--out", str(folder)]
            log(f"Generating {hubs:,} hubs, {days} days")
            measure.run([sys.executable, "-m", "generator", *options], cwd=ROOT)
        return folder

    def data_plane(self) -> None:
        """The pipeline, the baselines and the widely copied design. Raises CommandError if their rows differ."""
        usages: dict[int, dict[str, list[ResourceUsage]]] = {hubs: {name: [] for name in NAMES} for hubs in self.hubs}
        days: dict[int, list[tuple[MeasuredDay, MeasuredDay]]] = {hubs: [] for hubs in self.hubs}
        for repetition in range(self.repeat):
            for hubs in self.hubs:
                digests = set()
                for name in ("duckdb", "polars", "pandas"):
                    if name == "pandas" and hubs > PANDAS_MAX_HUBS:
                        continue
                    log(f"{repetition + 1} of {self.repeat}, {hubs:,} hubs: {name}")
                    usage, digest = self.baseline(name, hubs)
                    usages[hubs][name].append(usage)
                    digests.add(digest)
                log(f"{repetition + 1} of {self.repeat}, {hubs:,} hubs: the pipeline")
                both, digest = self.pipeline(hubs, usages[hubs])
                days[hubs].append(both)
                digests.add(digest)
                if hubs in COPIED_HUBS and not usages[hubs]["copied"]:
                    digests.add(self.copied_design(hubs, usages[hubs]))
                if len(digests) != 1:
                    raise CommandError(f"the rows of the pipeline and the baselines differ at {hubs} hubs")
        for hubs in COPIED_HUBS:
            if hubs not in self.copied:
                self.copied_design(hubs, {"copied": []})
        measured = {hubs: {name: runs for name, runs in by_name.items() if runs} for hubs, by_name in usages.items()}
        self.results["data plane"] = _json(measured)
        self.results["days"] = {
            str(hubs): [[asdict(day) for day in both] for both in repetitions] for hubs, repetitions in days.items()
        }
        middle = self.hubs[len(self.hubs) // 2]
        per_hub = {name: NAMES[name] for name in ("duckdb", "polars", "another day", "first day", "all steps")}
        part = self.tables["data-plane"] = {
            "Pipeline and baselines": tables.comparison(measured, NAMES),
            "CPU per hub": tables.cpu_per_hub(measured, per_hub),
            f"Steps at {middle:,} hubs": tables.steps(*zip(*days[middle], strict=True)),
            "Requests to AWS": tables.requests({hubs: pairs[-1] for hubs, pairs in days.items()}),
        }
        if len(self.hubs) > 1:
            billed = [days[hubs][-1][1].as_bill(hubs) for hubs in self.hubs]
            part["Dollars per day"], part["Dollars per day of both designs"] = tables.bills(
                billed, list(self.copied.values())
            )

    def baseline(self, name: str, hubs: int) -> tuple[ResourceUsage, str]:
        """The usage of a script of baselines.py, and the digest of its rows."""
        out = self.folder / "out.parquet"
        arguments: list[str | Path] = [name, "--source", self.source(hubs), "--day", DAY, "--out", out]
        usage = measure.run([BENCH_PYTHON, "-m", "benchmarks.baselines", *arguments], cwd=ROOT).usage
        return usage, self.digest([out])

    def pipeline(
        self, hubs: int, usages: dict[str, list[ResourceUsage]]
    ) -> tuple[tuple[MeasuredDay, MeasuredDay], str]:
        """Two days of the pipeline, and the digest of the second one's rows. Adds their usage to `usages`."""
        with self.empty_folder("published") as out:
            source = str(self.source(hubs))
            (first, another), whole = data_plane.run(self.settings(source=source), [FIRST_DAY, DAY], out)
            digest = self.digest(sorted(out.iterdir()))
        for name, total in (
            ("another day", another.total(seven=True)),
            ("first day", first.total(seven=True)),
            ("all steps", another.total(seven=False)),
        ):
            usages[name].append(ResourceUsage(total.wall, total.cpu, whole.peak_mb))
        return (first, another), digest

    def seven_steps(self, settings: LaptopSettings) -> ResourceUsage:
        """The usage of steps 1 to 7 on the second of two days."""
        (_, another), whole = data_plane.run(settings, [FIRST_DAY, DAY])
        total = another.total(seven=True)
        return ResourceUsage(total.wall, total.cpu, whole.peak_mb)

    def copied_design(self, hubs: int, usages: dict[str, list[ResourceUsage]]) -> str:
        """Runs a day of the widely copied design, only once because it is slow. Returns the digest of its rows."""
        log(f"{hubs:,} hubs: the widely copied design, some {5 * hubs} s")
        with self.empty_folder("copied") as out:
            day = data_plane.run_copied(self.settings(), self.source(hubs), hubs, DAY, out, BENCH_PYTHON)
            usages["copied"].append(day.usage)
            self.copied[hubs] = day.as_bill()
            return self.digest(sorted(out.rglob("*.parquet")))

    def digest(self, files: Sequence[Path]) -> str:
        return measure.run([BENCH_PYTHON, "-m", "benchmarks.rows", *files], cwd=ROOT).output.strip()

    def trino(self) -> None:
        measured: dict[int, dict[str, list[ResourceUsage]]] = {}
        for hubs in (hubs for hubs in self.hubs if hubs <= TRINO_MAX_HUBS):
            measured[hubs] = {}
            for engine in ("duckdb", "trino"):
                log(f"{hubs:,} hubs: the pipeline on {engine}")
                measured[hubs][engine] = [self.seven_steps(self.settings(source=str(self.source(hubs)), engine=engine))]
        self.results["engines"] = _json(measured)
        names = {"duckdb": "steps 1 to 7 on DuckDB", "trino": "steps 1 to 7 on Trino"}
        self.tables["trino"] = {"Query engines": tables.comparison(measured, names, reference="DuckDB")}

    def memory(self) -> None:
        """The memory of the local AWS under two limits of the memory per query."""
        hubs = self.hubs[-1]
        measured = {}
        for size in ("2G", "1G"):
            log(f"{hubs:,} hubs, with QUERY_MEMORY={size}")
            measured[size] = self.seven_steps(self.settings(source=str(self.source(hubs)), query_memory=size))
        self.results["memory"] = {size: asdict(usage) for size, usage in measured.items()}
        self.tables["memory"] = {f"Memory at {hubs:,} hubs": tables.memory(measured)}

    def scheduler(self) -> None:
        days = [str(date.fromisoformat(FIRST_DAY) + timedelta(days=number)) for number in range(BACKFILL_DAYS)]
        measured: dict[str, list[scheduler.Backfill]] = {}
        with scheduler.airflow(self.settings(source=str(ROOT / "include" / "data"))) as seconds:
            log(f"Airflow and the local AWS started in {seconds:.0f} s")
            self.results["start seconds"] = seconds
            for title, times in (("2 days, first run", 1), ("2 days, again", self.repeat)):
                for repetition in range(times):
                    log(f"backfill of {title}: {repetition + 1} of {times}")
                    measured.setdefault(title, []).append(scheduler.backfill(self.settings(), days[:2]))
        with scheduler.airflow(self.settings(source=str(self.source(6, BACKFILL_DAYS)))):
            log(f"backfill of {BACKFILL_DAYS} days")
            measured[f"{BACKFILL_DAYS} days"] = [scheduler.backfill(self.settings(), days)]
        self.results["backfills"] = {title: [asdict(run) for run in runs] for title, runs in measured.items()}
        last = measured["2 days, again"][-1]
        self.tables["scheduler"] = {"Backfills": tables.backfills(measured), "Tasks": tables.tasks(last)}

    def page(self) -> None:
        log("the page at 1,000 hubs and 31 days")
        settings = self.settings()
        with data_plane.local_aws(settings):
            measured = page.run(settings)
        self.results["page"] = measured
        self.tables["page"] = {"Page": tables.page(measured)}

    @contextmanager
    def empty_folder(self, name: str) -> Iterator[Path]:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder
        shutil.rmtree(folder)

    def load(self, results: Path) -> None:
        """Loads the results of an earlier run, which remain for the parts that this run omits."""
        earlier = json.loads(results.read_text(encoding="utf-8"))
        self.results = earlier | self.results
        self.tables = earlier["tables"]

    def write(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.results["tables"] = self.tables
        self.results["seconds"] = round(time.monotonic() - self.started)
        (out / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")
        (out / "tables.md").write_text(markdown(self.results))


def _json(measured: tables.Measurements) -> dict[str, Any]:
    return {
        str(hubs): {name: [asdict(usage) for usage in usages] for name, usages in by_name.items()}
        for hubs, by_name in measured.items()
    }


def markdown(results: dict[str, Any]) -> str:
    """The tables of a run, each with its title, after a line about the machine."""
    about = (
        f"Measured on {results['date']}: {results['machine']}; {results['repeat']} repetitions, "
        "median (minimum–maximum)."
    )
    sections = [f"### {title}\n\n{text}" for part in PARTS for title, text in results["tables"].get(part, {}).items()]
    return "\n\n".join([about, *sections]) + "\n"


def write_document(results: dict[str, Any]) -> None:
    """Replaces the tables in BENCHMARKS.md."""
    document = ROOT / "BENCHMARKS.md"
    before, _, rest = document.read_text().partition(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n{END}{rest.partition(END)[2]}")


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


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hubs", default="100,1000,5000", help="numbers of hubs, comma-separated (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="number of repetitions (%(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="parts to measure, comma-separated (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / ".local" / "bench", help="folder of the results (.local/bench)"
    )
    parser.add_argument("--write", action="store_true", help="also update benchmarks/results.json and BENCHMARKS.md")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: unknown: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if not all(hubs.isdecimal() and int(hubs) for hubs in options.hubs.split(",")) or options.repeat < 1:
        parser.error("--hubs and --repeat must be whole numbers of at least 1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop all services on SIGTERM, as on Ctrl-C
    with tempfile.TemporaryDirectory(prefix="smart-hub-bench-") as folder:
        benchmark = Benchmark(Path(folder), [int(hubs) for hubs in options.hubs.split(",")], options.repeat)
        if options.write:
            benchmark.load(ROOT / "benchmarks" / "results.json")
        try:
            for part in parts:
                getattr(benchmark, part.replace("-", "_"))()
                benchmark.write(options.out)
        except (UserError, CommandError, scheduler.BackfillError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
    print(markdown(benchmark.results))
    if options.write:
        benchmark.write(ROOT / "benchmarks")
        (ROOT / "benchmarks" / "tables.md").unlink()
        write_document(benchmark.results)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
