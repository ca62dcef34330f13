"""make chaos: injects faults into the pipeline and prints the result of each.

The real scheduler runs days of generated data on the local AWS. Meanwhile a reader queries the published days all the
time. Exits with 1 if a day does not recover from a fault, if a row is missing, duplicate or wrong, or if the reader
gets a wrong answer.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path

from tests.chaos.faults import Fault, all_faults
from tests.chaos.kit import Kit, Reader, Trial, TrialResult
from tests.e2e.environment import ROOT, Environment
from tests.ports import free_ports

PUBLISHED = [str(date(2019, 12, 1) + timedelta(days=n)) for n in range(6)]
NEW_DAYS = [str(date(2019, 12, 7) + timedelta(days=n)) for n in range(8)]
HUBS = 3


@contextmanager
def environment(folder: Path) -> Iterator[Kit]:
    """Starts an environment with its own source and publishes the first days."""
    source = folder / "source"
    span = ["--from", PUBLISHED[0], "--to", NEW_DAYS[-1]]
    generator = [sys.executable, "-m", "generator", "--hubs", str(HUBS), *span, "--out", str(source)]
    subprocess.run(generator, cwd=ROOT, check=True)
    kit = Kit(Environment(folder / "local", *free_ports()), source)
    try:
        done = kit.environment.make("demo", SOURCE=str(source), FROM=PUBLISHED[0], TO=PUBLISHED[-1])
        assert done.returncode == 0, done.stdout
        _shorten_functions(kit)
        yield kit
    finally:
        kit.environment.make("down")


def _shorten_functions(kit: Kit) -> None:
    """Reduces the time-out of 15 minutes, for functions that wait for a query that hangs."""
    for name in ("convert", "transform", "compact"):
        kit.environment.client("lambda").update_function_configuration(FunctionName=f"smart-hub-{name}", Timeout=45)


def _change_references(source: Path, number: int) -> None:
    """Changes the content hashes but not the costs: a number of a mapping and of a location, a comment in the rates."""
    mapping = next(source.glob("mappings/state=*/*.json"))
    modified = f'"last_modified":{1_600_000_000 + number}'
    mapping.write_text(re.sub(r'"last_modified":\d+', modified, mapping.read_text(), count=1))
    location = next(source.glob("locations/state=*/*.csv"))
    header, first, *others = location.read_text().split("\n")
    longitude, rest = first.split(",", 1)
    location.write_text("\n".join([header, f"{longitude}{number},{rest}", *others]))
    rates = next(source.glob("rates/*.xml"))
    rates.write_text(rates.read_text().replace("</root>", f"<!-- {number} --></root>"))


def _delete_partitions(kit: Kit) -> None:
    """Deletes the partitions of mappings and locations from the catalog, so that the next run crawls them again."""
    glue = kit.environment.client("glue")
    for table in ("raw_mappings", "raw_locations"):
        for partition in glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
            glue.delete_partition(DatabaseName="smart_hub", TableName=table, PartitionValues=partition["Values"])


def run_faults(kit: Kit, faults: list[Fault]) -> Iterator[TrialResult]:
    """First all faults that can run in parallel, then the others one by one."""
    run_ids = {fault: f"chaos-{number}" for number, fault in enumerate(faults)}
    days = cycle(PUBLISHED)
    yield from kit.run_trials([Trial(fault, next(days), run_ids[fault]) for fault in faults if not fault.runs_alone])
    new_days = iter(NEW_DAYS)
    for number, fault in enumerate((fault for fault in faults if fault.runs_alone), 1):
        if fault.new_references:
            _change_references(kit.source, number)
            _delete_partitions(kit)
        yield from kit.run_trials([Trial(fault, next(new_days if fault.new_day else days), run_ids[fault])])


def _line(result: TrialResult, seconds: float) -> str:
    fault, damage = result.fault, result.damage
    numbers = f"{damage.missing:7} {damage.duplicate:9} {damage.wrong:6}  {'' if result.passed else 'FAILED':9}"
    return f"{fault.name:48} {fault.task:28} {result.injections:5}  {result.recovery:9} {numbers} {seconds:5.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="TEXT",
        action="append",
        help="only faults with this text in their name or task; can be repeated (default: all)",
    )
    texts = parser.parse_args().only or [""]
    faults = [fault for fault in all_faults() if any(text in f"{fault.name} {fault.task}" for text in texts)]
    if not faults:
        parser.error(f"no fault has {' or '.join(map(repr, texts))} in its name or task")
    folder = Path(tempfile.mkdtemp(prefix="smart-hub-chaos-"))
    results, started = [], time.monotonic()
    with environment(folder) as kit:
        reader = Reader(kit.environment, PUBLISHED)
        reader.start()
        print(
            f"{'fault':48} {'task':28} {'times':>5}  {'recovery':9} {'missing':>7} {'duplicate':>9} {'wrong':>6}",
            flush=True,
        )
        try:
            for result in run_faults(kit, faults):
                print(_line(result, time.monotonic() - started), flush=True)
                results.append(result)
        finally:
            reader.stop()
        kit.inject([])
        afterwards = {day: kit.damage(day) for day in PUBLISHED}
    failures = [result for result in results if not result.passed]
    for day, damage in afterwards.items():
        if damage:
            print(f"{day}: {damage}")
    for answer in reader.wrong:
        print(f"wrong answer to the reader {answer}")
    print(
        f"{len(results)} faults, {len(failures)} failed; {reader.answers} answers to the reader,"
        f" {len(reader.wrong)} wrong; {len(afterwards)} days at the end,"
        f" {sum(bool(damage) for damage in afterwards.values())} wrong; {time.monotonic() - started:.0f} s"
    )
    failed = bool(failures or reader.wrong or any(afterwards.values()))
    if failed:
        print(f"The logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
