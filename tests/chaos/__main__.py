"""make chaos: breaks the pipeline on purpose, fault by fault, and prints what came of it.

The real scheduler works on the local AWS, on days of our generator. While faults strike, a reader asks for the
published days all the time. Exit 1 when a fault did not end right, a row was lost, doubled or wrong, or the reader
got anything but whole days.
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
from tests.chaos.kit import Kit, Outcome, Reader, Trial
from tests.e2e.environment import ROOT, Environment
from tests.ports import free_ports

PUBLISHED = [str(date(2019, 12, 1) + timedelta(days=n)) for n in range(6)]
FRESH = [str(date(2019, 12, 7) + timedelta(days=n)) for n in range(8)]
HUBS = 3


@contextmanager
def environment(folder: Path) -> Iterator[Kit]:
    """Services of the kit's own on a source of its own, its first days published."""
    source = folder / "source"
    span = ["--from", PUBLISHED[0], "--to", FRESH[-1]]
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
    """A function that waits for a hanging query shall not take its 15 minutes."""
    for name in ("convert", "transform", "compact"):
        kit.environment.client("lambda").update_function_configuration(FunctionName=f"smart-hub-{name}", Timeout=45)


def _renew_references(source: Path, number: int) -> None:
    """Other content, equal meaning: one number of a mapping and of a location changes, and a comment of the rates."""
    mapping = next(source.glob("mappings/state=*/*.json"))
    modified = f'"last_modified":{1_600_000_000 + number}'
    mapping.write_text(re.sub(r'"last_modified":\d+', modified, mapping.read_text(), count=1))
    location = next(source.glob("locations/state=*/*.csv"))
    header, first, *others = location.read_text().split("\n")
    longitude, rest = first.split(",", 1)
    location.write_text("\n".join([header, f"{longitude}{number},{rest}", *others]))
    rates = next(source.glob("rates/*.xml"))
    rates.write_text(rates.read_text().replace("</root>", f"<!-- {number} --></root>"))


def _forget_states(kit: Kit) -> None:
    """Deletes the partitions of mappings and locations from the catalog, so that the next run crawls them again."""
    glue = kit.environment.client("glue")
    for table in ("raw_mappings", "raw_locations"):
        for partition in glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
            glue.delete_partition(DatabaseName="smart_hub", TableName=table, PartitionValues=partition["Values"])


def endure(kit: Kit, faults: list[Fault]) -> Iterator[Outcome]:
    """First those that can strike beside each other, then one after the other those that cannot."""
    names = {fault: f"chaos-{number}" for number, fault in enumerate(faults)}
    days = cycle(PUBLISHED)
    yield from kit.endure([Trial(fault, next(days), names[fault]) for fault in faults if not fault.alone])
    fresh = iter(FRESH)
    for number, fault in enumerate((fault for fault in faults if fault.alone), 1):
        if fault.renewed:
            _renew_references(kit.source, number)
            _forget_states(kit)
        yield from kit.endure([Trial(fault, next(fresh if fault.fresh else days), names[fault])])


def _line(outcome: Outcome, seconds: float) -> str:
    fault, damage = outcome.fault, outcome.damage
    numbers = f"{damage.lost:5} {damage.doubled:7} {damage.wrong:6}  {'' if outcome.right else 'NOT RIGHT':9}"
    return f"{fault.name:48} {fault.task:28} {outcome.struck:5}  {outcome.ended:9} {numbers} {seconds:5.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="TEXT",
        action="append",
        help="faults whose name or task holds this text; may be repeated (default: all)",
    )
    texts = parser.parse_args().only or [""]
    faults = [fault for fault in all_faults() if any(text in f"{fault.name} {fault.task}" for text in texts)]
    if not faults:
        parser.error(f"no fault's name or task holds {' or '.join(map(repr, texts))}")
    folder = Path(tempfile.mkdtemp(prefix="smart-hub-chaos-"))
    outcomes, begun = [], time.monotonic()
    with environment(folder) as kit:
        reader = Reader(kit.environment, PUBLISHED)
        reader.start()
        print(
            f"{'fault':48} {'task':28} {'times':>5}  {'outcome':9} {'lost':>5} {'doubled':>7} {'wrong':>6}", flush=True
        )
        try:
            for outcome in endure(kit, faults):
                print(_line(outcome, time.monotonic() - begun), flush=True)
                outcomes.append(outcome)
        finally:
            reader.stop()
        kit.inject([])
        afterwards = {day: kit.damage(day) for day in PUBLISHED}
    bad = [outcome for outcome in outcomes if not outcome.right]
    for day, damage in afterwards.items():
        if damage:
            print(f"{day}: {damage}")
    for answer in reader.wrong:
        print(f"A reader saw, {answer}")
    print(
        f"{len(outcomes)} faults, {len(bad)} not right; {reader.answers} answers to a reader meanwhile,"
        f" {len(reader.wrong)} wrong; {len(afterwards)} days afterwards,"
        f" {sum(bool(damage) for damage in afterwards.values())} not right; {time.monotonic() - begun:.0f} s"
    )
    failed = bool(bad or reader.wrong or any(afterwards.values()))
    if failed:
        print(f"The logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
