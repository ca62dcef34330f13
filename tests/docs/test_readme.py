"""The example rows of README.md against plain Python over the sample. tests/e2e/test_demo.py runs its commands."""

import json
import re
from decimal import Decimal
from functools import cache

import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from tests.e2e import independent
from tests.e2e.independent import Cost, Key

DATA = ROOT / "include" / "data"
DAYS = ("2019-12-21", "2019-12-22")
README = PAGES["README.md"]


@cache
def costs(day: str) -> dict[Key, Cost]:
    return independent.costs(DATA, day)


def row(data_set: str) -> str:
    """The example in the table of what goes in, of a data set whose line begins so."""
    return re.search(rf"^\| `{data_set}[^`]*` \| [^|]+ \| `([^`]+)`", README, re.MULTILINE)[1]  # type: ignore[index]


def test_what_goes_in_is_as_in_the_sample() -> None:
    files = {path: path.read_text("utf-8") for path in DATA.rglob("*") if path.is_file()}

    def holds(folder: str, line: str) -> bool:
        return any(line in text.splitlines() for path, text in files.items() if folder in path.as_posix())

    assert holds("mappings/state=or", row("mappings"))
    assert holds("locations/state=ca", row("locations"))
    # the reading leaves sensors out, and the rate stands on lines of its own
    shown = json.loads(row("usage").replace(",…", ""))
    lines = "".join(text for path, text in files.items() if "dt=2019-12-21" in path.as_posix()).splitlines()
    (reading,) = [one for one in map(json.loads, lines) if (one["loc_id"], one["ts"]) == (shown["loc_id"], shown["ts"])]
    assert shown["data"].items() <= reading["data"].items()
    assert re.sub(r"\s+", "", row("rates")) in re.sub(r"\s+", "", files[DATA / "rates" / "rates.xml"])


def test_what_comes_out_are_rows_that_are_published() -> None:
    shown = re.findall(
        r"^\| (2019-12-21 \S+) \| ([^|]+) \| ([^|]+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|", README, re.M
    )
    published = {
        (f"{one.wall_clock}.000", one.device, one.room, one.type, one.kwh, one.cents_per_kwh, one.cents)
        for one in costs("2019-12-21").values()
    }

    assert len(shown) == 2
    for *texts, kwh, rate, cents in shown:
        assert (*texts, Decimal(kwh), Decimal(rate), Decimal(cents)) in published


def test_the_commands_on_a_day_are_those_of_the_runbook() -> None:
    # which tests/e2e/test_runbook.py runs; there days are variables
    known = "\n".join(blocks(PAGES["docs/runbook.md"], "sh"))
    for name, value in {"DAY": DAYS[0], "FROM": DAYS[0], "TO": DAYS[1]}.items():
        known = known.replace(f"${name}", value)
    shown = [line for block in blocks(README, "sh") for line in block.splitlines() if line.startswith("make airflow ")]

    assert shown
    assert set(shown) - set(known.splitlines()) == set()


def test_ci_runs_the_checks_of_the_table_but_the_last_three() -> None:
    # what test-unit runs is a part of test
    rows = re.findall(r"^\| (`make .*?) \|", README.partition("\n## Work on it\n")[2], re.MULTILINE)
    checks = [set(re.findall(r"make (test[a-z-]*|coverage|lint|conformance)`", row)) - {"test-unit"} for row in rows]
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    (names,) = re.findall('^all="(.*)"$', script, re.MULTILINE)
    commands = dict(re.findall(r"^    ([a-z]+)\).*?make ([a-z-]+).*?;;", script, re.MULTILINE | re.DOTALL))
    run = {commands[name] for name in names.split()}

    assert set().union(*checks[:-3]) == run


@pytest.mark.parametrize("page", sorted(name for name, text in PAGES.items() if " HUB=" in text))
def test_a_hub_that_a_command_names_is_in_the_sample(page: str) -> None:
    assert {*re.findall(r" HUB=([0-9a-f]{16})", PAGES[page])} <= {hub for hub, *_ in costs(DAYS[0])}
