"""Figures in the sentences of the pages, beside benchmarks/results.json, whose tables BENCHMARKS.md has."""

import json
import re
import statistics

import pytest

from benchmarks import bill
from generator.hubs import CHANNELS
from generator.source import HUBS_PER_FILE
from ops.settings import Settings as Laptop
from smart_hub.core import prices
from smart_hub.core.quality import audit, read_rules
from smart_hub.operators import copy_raw_data
from smart_hub.shared.layout import INSIGHT_TABLES
from tests.docs.figures import CUTOFF, DAG, FUNCTION_SECONDS, MAIN, SECONDS, SQL, Figures, differing, of_type, rows
from tests.docs.pages import PAGES, ROOT

RESULTS = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))


def measured(table: str, *row: str) -> dict[str, float]:
    """Of a table of BENCHMARKS.md, which are those of the results: the row that begins so, without least and most."""
    text = PAGES["BENCHMARKS.md"].partition(f"\n### {table}\n")[2].strip().partition("\n\n")[0].replace("**", "")
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [cells for cells in rows if cells[: len(row)] == [*row]]
    numbers = ((name, re.match(r"[\d,.]+", cell)) for name, cell in zip(head, found, strict=True))
    return {name: float(number[0].replace(",", "")) for name, number in numbers if number}


def cpu(hubs: str, contestant: str) -> float:
    """Seconds, the median."""
    return statistics.median(one["cpu"] for one in RESULTS["data plane"][hubs][contestant])


def constant(contestant: str) -> float:
    """CPU seconds that a day would take without hubs, by the line through 100 and 1,000."""
    return (10 * cpu("100", contestant) - cpu("1000", contestant)) / 9


FIRST, ANOTHER = RESULTS["days"]["1000"][0]
STORED = ANOTHER["stored"]
PER_STEP = {step: measured("Steps at 1,000 hubs", step)["another day: wall s"] for step in ("5 transform", "6 compact")}
PER_DAY = {key: measured("Backfills", "30 days")[f"{key} CPU s"] / 30 for key in ("Airflow's", "local AWS's")}
ENGINE = {name: one[0] for name, one in RESULTS["engines"]["1000"].items()}
# As long as those of a run are.
VALUES = {f"{name}_table": f"staging_{name}_v{'0' * 16}" for name in ("readings", "cost", "rejects", "published")}
VALUES |= dict.fromkeys(("mappings", "locations", "rates"), "0" * 64)
VALUES |= {
    "day": "2019-12-21",
    "next_day": "2019-12-22",
    "files": "1",
    "max_reject_ratio": "0.5",
    "watts_margin": "1.25",
}
QUERY = len(audit(read_rules(SQL), VALUES)) / 1e3
# Bytes of a day at 1,000 hubs in Trino's Parquet, which docs/scale.md says that no test measures.
_SIZES = re.search(r"`usage_cost` \| ([\d.]+); [\d.]+; ([\d.]+) MB", PAGES["docs/scale.md"])
assert _SIZES
PARQUET = {name: float(size) * 1e6 for name, size in zip(("usage", "usage_cost"), _SIZES.groups(), strict=True)}
VERDICTS = {
    verdict
    for name in ("readings", "distinct_readings")
    for verdict in re.findall(r"(?:THEN|ELSE) '(\w+)'\n", (SQL / "convert" / f"{name}.sql").read_text())
}
YEAR = 365 * sum([STORED["raw_usage"], *(STORED[table] for table in INSIGHT_TABLES), *PARQUET.values()])
FULL = 128e6 / (PARQUET["usage_cost"] / 1000)  # hubs of a file of 128 MB

FIGURES: Figures = {
    "README.md": [
        (
            r"\| \d+ MB, (\d+) s, at most (\d+) GB",
            [RESULTS["start seconds"], int(Laptop.trino_memory.rstrip("G"))],
        ),
        (r"Athena ran (\d+) queries", [2 * FIRST["statements"]]),
    ],
    "BENCHMARKS.md": [
        (
            r"1,000 hubs have ([\d.]+) million rows a day, (\d+) MB",
            [288 * len(CHANNELS) / 1e3, STORED["raw_usage"] / 1e6],
        ),
        (r"A hub's day is (\d+) readings of (\w+) values", [288, len(CHANNELS)]),
        (
            r"of one DuckDB query \| ([\d.]+) times; ([\d.]+) on the first day",
            [cpu("1000", "another day") / cpu("1000", "duckdb"), cpu("1000", "first day") / cpu("1000", "duckdb")],
        ),
        (
            r"\| (\d+) times less; (\d+) with audit, insights and publish",
            [cpu("100", "copied") / cpu("100", one) for one in ("another day", "all steps")],
        ),
        (
            r"\| ([\d.]+), ([\d.]+), ([\d.]+) ms in the seven steps; (\d+), (\d+), (\d+) ms in all",
            [
                1e3 * cpu(hubs, one) / int(hubs)
                for one in ("another day", "all steps")
                for hubs in RESULTS["data plane"]
            ],
        ),
        (
            r"at 5,000 hubs ([\d.]+) GB with 2G, ([\d.]+) GB with 1G",
            [RESULTS["memory"][limit]["peak_mb"] / 1e3 for limit in ("2G", "1G")],
        ),
        (
            r"at most 40 s \| (\d+) s \((\d+)–(\d+)\)",
            [sorted(one["wall"] for one in RESULTS["backfills"]["2 days, again"])[place] for place in (1, 0, 2)],
        ),
        (
            r"in the median \| ([\d.]+) s; ([\d.]+) s in a backfill of 30 days",
            [measured("Backfills", one)["scheduler's share a task, s"] for one in ("2 days, again", "30 days")],
        ),
        (r"on two cores \| ([\d.]+) a minute", [measured("Backfills", "30 days")["days a minute"]]),
        (
            r"on the hubs \| (\d+), of which (\d+) read data; (\d+) when all is new",
            [ANOTHER["statements"], len(ANOTHER["queries"]), FIRST["statements"]],
        ),
        (
            r"\| (\d+) MB of at most (\d+) at 1,000 hubs",
            [
                sum(ANOTHER["queries"].values()) / 1e6,
                (
                    1.1 * STORED["raw_usage"]
                    + 3 * (sum(STORED.values()) - STORED["raw_usage"] + ANOTHER["queries"]["compact"])
                )
                / 1e6,
            ],
        ),
        (
            r"some (\d+) CPU seconds in the seven steps and (\d+) in all",
            [constant("another day"), constant("all steps")],
        ),
        (r"takes (\d+) CPU seconds\*\*, (\d+) of them Airflow's", [sum(PER_DAY.values()), PER_DAY["Airflow's"]]),
        (r"a second of CPU or so, (\d+) times", [len(DAG.tasks)]),
        (
            r"could do (\d+) days a minute at the most, whatever the tasks do; 20 a minute would take (\w+) cores",
            [2 * 60 / sum(PER_DAY.values()), 20 * sum(PER_DAY.values()) / 60],
        ),
        (r"Trino takes (\d) times the CPU", [measured("Engines", "steps 1 to 7 on Trino", "1,000")["× DuckDB's CPU"]]),
        (r"at 1,000 hubs, and (\d) GB more", [(ENGINE["trino"]["peak_mb"] - ENGINE["duckdb"]["peak_mb"]) / 1e3]),
        (r"polars takes ([\d.]+) of the DuckDB query's CPU", [cpu("1000", "polars") / cpu("1000", "duckdb")]),
        (
            r"([\d.]+) GB at 1,000, ([\d.]+) GB at 5,000",
            [measured("Contestants", "polars", hubs)["peak MB"] / 1e3 for hubs in ("1,000", "5,000")],
        ),
        (
            r"([\d.]+) s of CPU, more than ([\d,]+) times",
            [cpu("100", "copied") / 1000, bill.COPIED_QUERIES_PER_HUB * 100],
        ),
        (r"(\d+) MB at least for each of its queries", [prices.MIN_BYTES_PER_QUERY // 10**6]),
    ],
    "docs/page.md": [
        (r"read for one hub, (\d+) MB", [STORED["usage_cost"] / 1e6]),
    ],
    "docs/runbook.md": [
        (r"\$([\d.]+) each: one per new day; (\w+) more", [prices.PER_CRAWL, FIRST["crawls"] - 1]),
        (
            r"\$(\d+) a TB, (\d+) MB at least; (\d+) to (\d+) a run, of which (\d+) to (\d+) read data: \$([\d.]+) ",
            [
                int(prices.ATHENA_PER_TERABYTE),
                prices.MIN_BYTES_PER_QUERY // 10**6,
                *(ANOTHER["statements"], FIRST["statements"]),
                *(len(ANOTHER["queries"]), len(FIRST["queries"])),
                prices.estimated_dollars([0] * len(FIRST["queries"]), crawls=0, job_runs=0),
            ],
        ),
    ],
    "docs/scale.md": [
        (r"read data \| (\d+); (\d+) \|", [ANOTHER["statements"], len(ANOTHER["queries"])]),
        (
            r"only usage is new \| (\d+); (\d+); (\d+) \|",
            [len(DAG.tasks), len(of_type(MAIN, "AWS::Lambda::Function")), ANOTHER["crawls"]],
        ),
        (r"longest query string \| ([\d.]+) kB", [QUERY]),
        (r"rows of `usage_cost` \| ([\d,]+); ([\d.]+) M", [288_000, 288_000 * len(CHANNELS) / 1e6]),
        (r"compress less\) \| (\d+) MB", [STORED["raw_usage"] / 1e6]),
        (
            r"\(DuckDB's files\) \| (\d+); (\d+) MB",
            [sum(ANOTHER["queries"].values()) / 1e6, ANOTHER["queries"]["audit"] / 1e6],
        ),
        (
            r"kept after a year \| (\d+) GB",
            [YEAR / 1e9],
        ),
        (
            r"the 11 GB are \$([\d.]+), less",
            [sum(ANOTHER["queries"].values()) * 100 / 1e12 * prices.ATHENA_PER_TERABYTE],
        ),
        (r"the 2.2 TB are \[\$(\d+) a month\]", [100 * YEAR / bill.GIGABYTE * bill.S3_GIGABYTE_MONTH]),
        (
            r"each full ([\d,]+) hubs, at least 1\*\*; so (\d) at 10,000 and (\d) at 100,000",
            [FULL, max(1, int(10_000 / FULL)), int(100_000 / FULL)],
        ),
        (r"so ([\d,]+) make 128 MB", [FULL]),
        (r"partitions and buckets\]\[ctas\]: ([\d.]+) million hubs", [100 * FULL / 1e6]),
        (r"some ([\d,]+) hubs a file: (\d+) MB of text", [HUBS_PER_FILE, HUBS_PER_FILE * STORED["raw_usage"] / 1e9]),
        (
            r"sends (\d) files beside each other within (\d) hours",
            [copy_raw_data._MAX_PARALLEL_UPLOADS, int(SECONDS["step_1_copy_raw_data"] / 3600)],
        ),
        (r"one file a hub is \$([\d.]+) a day", [100_000 * bill.S3_PUT]),
        (r"unpacks a file: (\d) files at 10,000 hubs, (\d+)", [10_000 // HUBS_PER_FILE, 100_000 // HUBS_PER_FILE]),
        (
            r"files a day are ([\d,]+) keys after a year; one for each of 100,000 hubs ([\d.]+) million, \$([\d.]+) a",
            [100_000 // HUBS_PER_FILE * 365, 365 * 100_000 / 1e6, 365 * 100_000 / 1000 * bill.S3_PUT],
        ),
        (r"900 s, fixed\]\[lambda\] \| (\d+) s for its queries", [FUNCTION_SECONDS]),
        (
            r"\| (\d+) s in functions, (\d+) min in the audit and insights",
            [FUNCTION_SECONDS, int(SECONDS["audit"] / 60)],
        ),
        (r"of one run, of which (\w+) work", [DAG.max_active_runs]),
        (r"\| (\d+) in all, (\d+) when all is new", [ANOTHER["statements"], FIRST["statements"]]),
        (r"fixed\]\[limits\] \| ([\d.]+) kB", [QUERY]),
        (r"the days asked for \| ([\d,]+) years", [1e6 / 365]),
        (r"\| (\d+) verdicts", [len(VERDICTS)]),
        (
            r"our template, (\d) TB \| the audit: (\d+) kB a hub \| (\d+) million hubs",
            [CUTOFF // 10**12, ANOTHER["queries"]["audit"] / 1e6, CUTOFF / ANOTHER["queries"]["audit"] / 1e3],
        ),
        (r"they take ([\d.]+) and ([\d.]+) s with DuckDB", [*PER_STEP.values()]),
        (r"all seven steps took (\d+) s", [ENGINE["trino"]["wall"]]),
        (
            r"reach 870 s at ([\d,]+) hubs with the one, at some number above ([\d,]+) with the other",
            [
                FUNCTION_SECONDS / PER_STEP["6 compact"] * 1000,
                FUNCTION_SECONDS / ENGINE["trino"]["wall"] * 1000,
            ],
        ),
        (r"at 20 a second, (\d+) hours", [bill.COPIED_QUERIES_PER_HUB * 100_000 / 20 / 3600]),
    ],
}


@pytest.mark.parametrize(("page", "pattern", "values"), rows(FIGURES))
def test_a_figure_of_a_page_is_what_it_comes_to(page: str, pattern: str, values: list[int | float]) -> None:
    assert differing(page, pattern, values) == []


SIZES = ("raw usage", "`usage`", "scanned", "kept after", "readings")
UNITS = {"": 1.0, "MB": 1e6, "GB": 1e9, "TB": 1e12, "M": 1e6}


def amounts(cell: str) -> list[tuple[float, float]]:
    """Each number in a cell with half of its last digit, in the unit that stands behind it or in the cell's last."""
    found = re.findall(r"([\d,.]+)(?: ([MGT]B|M)\b)?", cell)
    units = [unit for _, unit in found]
    for place in reversed(range(len(units) - 1)):
        units[place] = units[place] or (units[place + 1] if units[place + 1].endswith("B") else "")
    decimals = [len(digits.partition(".")[2]) for digits, _ in found]
    return [
        (float(digits.replace(",", "")) * UNITS[unit], 0.5 * 10.0**-places * UNITS[unit])
        for (digits, _), unit, places in zip(found, units, decimals, strict=True)
    ]


def test_the_columns_of_more_hubs_are_ten_times_and_a_hundred_times_the_first() -> None:
    lines = [line.strip("|").split("|") for line in PAGES["docs/scale.md"].splitlines() if line.startswith("| ")]
    rows = [cells for cells in lines if cells[0].strip().startswith(SIZES) and len(cells) == 4]

    assert len(rows) == len(SIZES)
    for label, *columns in rows:
        first, *others = map(amounts, columns)
        for times, other in zip((10, 100), others, strict=True):
            for (one, half), (more, room) in zip(first, other, strict=True):
                assert abs(one * times - more) <= half * times + room, f"{label}: {times} times {one:g} is not {more:g}"
