"""Figures in the sentences of the pages, each beside what the code, the templates or benchmarks/results.json come to.

Not here: what another test of a page compares (`git grep -l "docs/<page>" tests`), what a page quotes of AWS with its
address, and seconds that it says are those of one machine.
"""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from benchmarks import bill
from benchmarks import page as page_benchmark
from generator.source import HUBS_PER_FILE
from generator.states import STATE_OF_HUB
from ops.settings import Settings as Laptop
from ops.templates import load
from ops.trino import NEEDED_JAVA
from ops.trino import VERSION as TRINO
from smart_hub import prices
from smart_hub.layout import SENSORS
from smart_hub.notices import LATE_AFTER
from smart_hub.page.choice import MOST_DAYS
from smart_hub.page.parquet import Cache
from smart_hub.quality import audit, read_rules
from tests.docs.pages import PAGES, ROOT

SQL = ROOT / "include" / "sql"
RESULTS = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))
MAIN, BOOTSTRAP, QUICKSIGHT = (
    load((ROOT / "include" / name).read_text("utf-8"))
    for name in ("infrastructure/smart_hub.yaml", "infrastructure/bootstrap.yaml", "quicksight/quicksight.yaml")
)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
DAG: Any = DagBag(dag_folder=ROOT / "dags" / "smart_hub_usage.py").dags["smart_hub_usage"]
WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()
SECONDS = {name: task.execution_timeout.total_seconds() for name, task in DAG.task_dict.items() if task.execution_timeout}


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def measured(table: str, *row: str) -> dict[str, float]:
    """Of a table of BENCHMARKS.md, which are those of the results: the row that begins so, without least and most."""
    text = PAGES["BENCHMARKS.md"].partition(f"\n### {table}\n")[2].strip().partition("\n\n")[0].replace("**", "")
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [cells for cells in rows if cells[: len(row)] == [*row]]
    numbers = ((name, re.match(r"[\d,.]+", cell)) for name, cell in zip(head, found, strict=True))
    return {name: float(number[0].replace(",", "")) for name, number in numbers if number}


def cpu(hubs: str, contestant: str) -> float:
    """Seconds, the median."""
    return sorted(one["cpu"] for one in RESULTS["data plane"][hubs][contestant])[
        len(RESULTS["data plane"][hubs][contestant]) // 2
    ]


def constant(contestant: str) -> float:
    """CPU seconds that a day would take without hubs, by the line through 100 and 1,000."""
    return (10 * cpu("100", contestant) - cpu("1000", contestant)) / 9


PIPELINE, ALL = "this pipeline, steps 1 to 7", "with audit, insights and publish"
FIRST, ANOTHER = RESULTS["days"]["1000"][0]
STORED = ANOTHER["stored"]
PER_STEP = {step: measured("Steps at 1,000 hubs", step)["another day: wall s"] for step in ("5 transform", "6 compact")}
PER_DAY = {key: measured("Backfills", "30 days")[f"{key} CPU s"] / 30 for key in ("Airflow's", "local AWS's")}
AUDIT = len(
    audit(
        read_rules(SQL),
        {
            # as long as a run's names are
            **{f"{name}_table": f"staging_{name}_v{'0' * 16}" for name in ("usage", "cost", "rejects", "published")},
            **{name: "0" * 64 for name in ("mappings", "locations", "rates")},
            **{"day": "2019-12-21", "next_day": "2019-12-22"},
            **{"files": 1, "most_rejected": 0.05, "watts_margin": 1.25},
        },
    )
)
FUNCTION_SECONDS = {one["Timeout"] for one in of_type(MAIN, "AWS::Lambda::Function")}.pop() - 30  # RESERVE_SECONDS
CUTOFF = MAIN["Parameters"]["BytesScannedCutoff"]["Default"]
RULES = {rule["Id"]: rule for rule in of_type(MAIN, "AWS::S3::Bucket")[0]["LifecycleConfiguration"]["Rules"]}
LOG_DAYS = {group["RetentionInDays"] for group in of_type(MAIN, "AWS::Logs::LogGroup")}.pop()
HUB_DAY = 240 * 140 + 30 * 180  # bytes in SPICE, by docs/quicksight.md
GIGABYTES = HUB_DAY * 365 * 1000 / 1e9  # 1,000 hubs for a year


# Page, what it says, and for each group what it is: an int is that number, a float is that rounded as the page has it.
FIGURES: list[tuple[str, str, list[int | float]]] = [
    ("README.md", r"reads (\w+) appliances every (\w+) minutes", [len(SENSORS), 5]),
    ("README.md", r"UI \(http://127.0.0.1:(\d+)\)", [Laptop.airflow_port]),
    ("README.md", r"the local AWS \(http://127.0.0.1:(\d+)\)", [Laptop.aws_port]),
    ("README.md", r"none, at most (\d+) GB a query \|", [int(Laptop.query_memory.rstrip("G"))]),
    ("README.md", r"\| \d+ MB, (\d+) s, at most (\d+) GB", [RESULTS["start seconds"], int(Laptop.trino_memory.rstrip("G"))]),
    ("README.md", r"Java (\d+) or newer", [NEEDED_JAVA]),
    ("README.md", r"Athena queries +│ +(\d+) │ +(\d+) │", [FIRST["statements"], ANOTHER["statements"]]),
    # BENCHMARKS.md
    ("BENCHMARKS.md", r"1,000 hubs have ([\d.]+) million rows a day, (\d+) MB", [288 * len(SENSORS) / 1e3, STORED["raw_usage"] / 1e6]),
    ("BENCHMARKS.md", r"A hub's day is (\d+) readings of (\w+) values", [288, len(SENSORS)]),
    (
        "BENCHMARKS.md",
        r"of one DuckDB query \| ([\d.]+) times; ([\d.]+) on the first day",
        [cpu("1000", "another day") / cpu("1000", "duckdb"), cpu("1000", "first day") / cpu("1000", "duckdb")],
    ),
    (
        "BENCHMARKS.md",
        r"\| (\d+) times less; (\d+) with audit, insights and publish",
        [cpu("100", "copied") / cpu("100", one) for one in ("another day", "all steps")],
    ),
    (
        "BENCHMARKS.md",
        r"\| ([\d.]+), ([\d.]+), ([\d.]+) ms in the seven steps; (\d+), (\d+), (\d+) ms in all",
        [1e3 * cpu(hubs, one) / int(hubs) for one in ("another day", "all steps") for hubs in RESULTS["data plane"]],
    ),
    (
        "BENCHMARKS.md",
        r"at 5,000 hubs ([\d.]+) GB with 2G, ([\d.]+) GB with 1G",
        [RESULTS["memory"][limit]["peak_mb"] / 1e3 for limit in ("2G", "1G")],
    ),
    (
        "BENCHMARKS.md",
        r"at most 40 s \| (\d+) s \((\d+)–(\d+)\)",
        [sorted(one["wall"] for one in RESULTS["backfills"]["2 days, again"])[place] for place in (1, 0, 2)],
    ),
    (
        "BENCHMARKS.md",
        r"in the median \| ([\d.]+) s; ([\d.]+) s in a backfill of 30 days",
        [measured("Backfills", one)["scheduler's share a task, s"] for one in ("2 days, again", "30 days")],
    ),
    ("BENCHMARKS.md", r"on two cores \| ([\d.]+) a minute", [measured("Backfills", "30 days")["days a minute"]]),
    (
        "BENCHMARKS.md",
        r"on the hubs \| (\d+), of which (\d+) read data; (\d+) when all is new",
        [ANOTHER["statements"], len(ANOTHER["queries"]), FIRST["statements"]],
    ),
    (
        "BENCHMARKS.md",
        r"\| (\d+) MB of at most (\d+) at 1,000 hubs",
        [
            sum(ANOTHER["queries"].values()) / 1e6,
            (1.1 * STORED["raw_usage"] + 3 * (sum(STORED.values()) - STORED["raw_usage"] + ANOTHER["queries"]["compact"])) / 1e6,
        ],
    ),
    ("BENCHMARKS.md", r"some (\d+) CPU seconds in the seven steps and (\d+) in all", [constant("another day"), constant("all steps")]),
    ("BENCHMARKS.md", r"takes (\d+) CPU seconds\*\*, (\d+) of them Airflow's", [sum(PER_DAY.values()), PER_DAY["Airflow's"]]),
    ("BENCHMARKS.md", r"a second of CPU or so, (\d+) times", [len(DAG.tasks)]),
    (
        "BENCHMARKS.md",
        r"could do (\d+) days a minute at the most, whatever the tasks do; 20 a minute would take (\w+) cores",
        [2 * 60 / sum(PER_DAY.values()), 20 * sum(PER_DAY.values()) / 60],
    ),
    ("BENCHMARKS.md", r"Trino takes (\d) times the CPU", [measured("Engines", "steps 1 to 7 on Trino", "1,000")["× DuckDB's CPU"]]),
    (
        "BENCHMARKS.md",
        r"at 1,000 hubs, and (\d) GB more",
        [(RESULTS["engines"]["1000"]["trino"][0]["peak_mb"] - RESULTS["engines"]["1000"]["duckdb"][0]["peak_mb"]) / 1e3],
    ),
    ("BENCHMARKS.md", r"polars takes ([\d.]+) of the DuckDB query's CPU", [cpu("1000", "polars") / cpu("1000", "duckdb")]),
    ("BENCHMARKS.md", r"([\d.]+) GB at 1,000, ([\d.]+) GB at 5,000", [measured("Contestants", "polars", hubs)["peak MB"] / 1e3 for hubs in ("1,000", "5,000")]),
    ("BENCHMARKS.md", r"([\d.]+) s of CPU, more than ([\d,]+) times", [cpu("100", "copied") / 1000, bill.COPIED_QUERIES_PER_HUB * 100]),
    ("BENCHMARKS.md", r"(\d+) MB at least for each of its queries", [prices.LEAST_BYTES_PER_QUERY // 10**6]),
    # The page Smart Hub, events, permissions
    ("docs/page.md", r"It shows (\d+) days at most", [MOST_DAYS]),
    ("docs/page.md", r"it keeps \((\d+) MB\)", [Cache()._most_bytes >> 20]),
    ("docs/page.md", r"row groups of ([\d,]+) rows", [page_benchmark.ROW_GROUP]),
    ("docs/page.md", r"one hub and (\d+) days at ([\d,]+) hubs, ([\d.]+) million rows", [31, 1000, 2.88]),
    ("docs/page.md", r"read for one hub, (\d+) MB", [STORED["usage_cost"] / 1e6]),
    ("docs/events.md", r"has not ended (\w+) hours after", [int(LATE_AFTER / timedelta(hours=1))]),
    ("docs/permissions.md", r"the (\w+) crawlers", [len(of_type(MAIN, "AWS::Glue::Crawler"))]),
    # The runbook
    ("docs/runbook.md", r"the crawl failed, (\w+) times", [DAG.task_dict["step_2_crawl.usage"].retries + 1]),
    (
        "docs/runbook.md",
        r"tried again by itself, (\w+) to (\w+) times",
        [min(task.retries for task in DAG.tasks), max(task.retries for task in DAG.tasks)],
    ),
    ("docs/runbook.md", r"(\w+) hours after it was queued", [int(LATE_AFTER / timedelta(hours=1))]),
    (
        "docs/runbook.md",
        r"time-out \((\d+) to (\d+) minutes, (\d+) hours for step 1\)",
        [
            int(min(SECONDS.values()) / 60),
            int(max(seconds for name, seconds in SECONDS.items() if "step_1" not in name) / 60),
            int(SECONDS["step_1_copy_raw_data"] / 3600),
        ],
    ),
    ("docs/runbook.md", r"the limit of (\d+) runs at once", [DAG.max_active_runs]),
    ("docs/runbook.md", r"or (\w+) runs are at work", [DAG.max_active_runs]),
    ("docs/runbook.md", r"(\w+) values an interval, ([\d,]+) a day", [len(SENSORS), 288 * len(SENSORS)]),
    ("docs/runbook.md", r"costs \$([\d.]+):", [prices.PER_CRAWL]),
    ("docs/runbook.md", r"\$([\d.]+) each, one a new day; (\w+) more", [prices.PER_CRAWL, FIRST["crawls"] - 1]),
    (
        "docs/runbook.md",
        r"\$(\d+) a TB, (\d+) MB at least; (\d+) to (\d+) a run, of which (\d+) to (\d+) read data: \$([\d.]+) while",
        [
            int(prices.ATHENA_PER_TERABYTE),
            prices.LEAST_BYTES_PER_QUERY // 10**6,
            *(ANOTHER["statements"], FIRST["statements"]),
            *(len(ANOTHER["queries"]), len(FIRST["queries"])),
            prices.dollars([0] * len(FIRST["queries"]), crawls=0, job_runs=0),
        ],
    ),
    ("docs/runbook.md", r"before their (\d+) minutes are up", [(FUNCTION_SECONDS + 30) // 60]),
    ("docs/runbook.md", r"scans more than (\d+) GB.*BytesScannedCutoff=(\d+)000000000", [10, 10]),
    # AWS
    ("docs/aws.md", r"cancels a query \((\d) TB, which is (\d) USD\)", [CUTOFF // 10**12, int(prices.per_query(CUTOFF))]),
    ("docs/aws.md", r"`athena-results/` (\d) days, unfinished uploads (\d) days", [RULES["athena-results"]["ExpirationInDays"], 7]),
    ("docs/aws.md", r"`staging/` and `athena-results/` (\d) days", [RULES["staging"]["ExpirationInDays"]]),
    ("docs/aws.md", r"\| functions (\d+) days", [LOG_DAYS]),
    ("docs/aws.md", r"the bill for 1 to ([\d,]+) hubs", [max(bill.SIZES)]),
    # Past one machine
    ("docs/scale.md", r"read data \| (\d+); (\d+) \|", [ANOTHER["statements"], len(ANOTHER["queries"])]),
    ("docs/scale.md", r"only usage is new \| (\d+); (\d+); (\d+) \|", [len(DAG.tasks), len(of_type(MAIN, "AWS::Lambda::Function")), ANOTHER["crawls"]]),
    ("docs/scale.md", r"longest query string \| ([\d.]+) kB", [AUDIT / 1e3]),
    ("docs/scale.md", r"rows of `usage_cost` \| ([\d,]+); ([\d.]+) M", [288_000, 288_000 * len(SENSORS) / 1e6]),
    ("docs/scale.md", r"compress less\) \| (\d+) MB", [STORED["raw_usage"] / 1e6]),
    ("docs/scale.md", r"\(DuckDB's files\) \| (\d+); (\d+) MB", [sum(ANOTHER["queries"].values()) / 1e6, ANOTHER["queries"]["audit"] / 1e6]),
    (
        "docs/scale.md",
        r"`usage_cost` \| ([\d.]+); [\d.]+; ([\d.]+) MB.*?kept after a year \| (\d+) GB",
        [2.6, 7.7, 365 * (STORED["raw_usage"] / 1e9 + 0.0026 + 0.0077 + (STORED["daily_device_cost"] + STORED["hourly_load"] + STORED["peak_shift"] + STORED["hub_day_summary"]) / 1e9)],
    ),
    ("docs/scale.md", r"the 12 GB are \$([\d.]+), less", [12e9 / 1e12 * prices.ATHENA_PER_TERABYTE]),
    ("docs/scale.md", r"the 2.2 TB are \[\$(\d+) a month\]", [2157 / 1.073741824 * bill.S3_GIGABYTE_MONTH]),
    ("docs/scale.md", r"each full ([\d,]+) hubs, at least 1\*\*; so (\d) at 10,000 and (\d) at 100,000", [128e6 / 7.7e3, 1, int(100_000 / 16_600)]),
    ("docs/scale.md", r"so ([\d,]+) make 128 MB", [128e6 / 7.7e3]),
    ("docs/scale.md", r"partitions and buckets\]\[ctas\]: ([\d.]+) million hubs", [100 * 16_600 / 1e6]),
    ("docs/scale.md", r"some ([\d,]+) hubs a file: (\d+) MB of text", [HUBS_PER_FILE, HUBS_PER_FILE * STORED["raw_usage"] / 1e9]),
    ("docs/scale.md", r"sends (\d) files beside each other within (\d) hours", [8, int(SECONDS["step_1_copy_raw_data"] / 3600)]),
    ("docs/scale.md", r"one file a hub is \$([\d.]+) a day", [100_000 * bill.S3_PUT]),
    ("docs/scale.md", r"unpacks a file: (\d) files at 10,000 hubs, (\d+)", [10_000 // HUBS_PER_FILE, 100_000 // HUBS_PER_FILE]),
    (
        "docs/scale.md",
        r"40 files a day are ([\d,]+) keys after a year; one for each of 100,000 hubs ([\d.]+) million, \$([\d.]+) a crawl",
        [40 * 365, 36.5, 36.5e6 / 1000 * bill.S3_PUT],
    ),
    ("docs/scale.md", r"900 s, fixed\]\[lambda\] \| (\d+) s for its queries", [FUNCTION_SECONDS]),
    ("docs/scale.md", r"\| (\d+) s in functions, (\d+) min in the audit and insights", [FUNCTION_SECONDS, int(SECONDS["audit"] / 60)]),
    ("docs/scale.md", r"of one run, of which (\w+) work", [DAG.max_active_runs]),
    ("docs/scale.md", r"\| (\d+) in all, (\d+) when all is new", [ANOTHER["statements"], FIRST["statements"]]),
    ("docs/scale.md", r"fixed\]\[limits\] \| ([\d.]+) kB", [AUDIT / 1e3]),
    ("docs/scale.md", r"the days asked for \| ([\d,]+) years", [1e6 / 365]),
    ("docs/scale.md", r"\| (\d+) verdicts", [len(re.findall(r"THEN '\w+'", (SQL / "convert" / "usage.sql").read_text())) + 1]),
    ("docs/scale.md", r"our template, (\d) TB \| the audit: (\d+) kB a hub \| (\d+) million hubs", [CUTOFF // 10**12, ANOTHER["queries"]["audit"] / 1e6, CUTOFF / ANOTHER["queries"]["audit"] / 1e3]),
    ("docs/scale.md", r"they take ([\d.]+) and ([\d.]+) s with DuckDB", [*PER_STEP.values()]),
    ("docs/scale.md", r"all seven steps took (\d+) s", [RESULTS["engines"]["1000"]["trino"][0]["wall"]]),
    (
        "docs/scale.md",
        r"reach 870 s at ([\d,]+) hubs with the one, at some number above ([\d,]+) with the other",
        [FUNCTION_SECONDS / PER_STEP["6 compact"] * 1000, FUNCTION_SECONDS / RESULTS["engines"]["1000"]["trino"][0]["wall"] * 1000],
    ),
    ("docs/scale.md", r"at 20 a second, (\d+) hours", [bill.COPIED_QUERIES_PER_HUB * 100_000 / 20 / 3600]),
    # QuickSight
    ("docs/quicksight.md", r"a (\w+) of the rows", [12]),
    ("docs/quicksight.md", r"The first day shown is the parameter `FirstDay` \((\d+)-12-01", [int(QUICKSIGHT["Parameters"]["FirstDay"]["Default"][:4])]),
    ("docs/quicksight.md", r"with a window of (\w+) days", [next(re.finditer(r"Size: (\d+), SizeUnit: DAY", (ROOT / "include/quicksight/quicksight.yaml").read_text())) and 7]),
    ("docs/quicksight.md", r"after (\w+) retries", [DAG.task_dict["refresh_quicksight"].retries]),
    ("docs/quicksight.md", r"2 × 24 \+ 10 × 3 = (\d+) USD", [2 * 24 + 10 * 3]),
    ("docs/quicksight.md", r"100 hubs, a year of days \| ([\d.]+) GB", [GIGABYTES / 10]),
    ("docs/quicksight.md", r"1,000 hubs, a year of days \| (\d+) GB: included in 2 × 10 GB", [GIGABYTES]),
    ("docs/quicksight.md", r"\| (\d+) GB, (\d+) above 20: (\d+) USD", [3 * 14.6, 24, 24 * 0.38]),
    ("docs/quicksight.md", r"Athena, (\w+) queries a refresh, at least \| (\d+) MB: ([\d.]+) USD", [len(of_type(QUICKSIGHT, "AWS::QuickSight::DataSet")), 10 * 6, prices.per_query(0) * 6]),
    ("docs/quicksight.md", r"A hub's day is some (\d+) kB: (\d+) rows", [HUB_DAY / 1e3, 24 * len(SENSORS)]),
    # Others
    ("docs/docker-compose.md", r"starts the tasks, (\w+) at once", [int(COMPOSE["x-airflow-environment"]["AIRFLOW__CORE__PARALLELISM"])]),
    ("docs/docker-compose.md", r"State lies in (\w+) volumes", [len(COMPOSE["volumes"])]),
    ("docs/docker-compose.md", r"published with ([\d,]+) rows each", [6 * 288 * len(SENSORS)]),
    ("docs/engines.md", r"a real Trino (\d+) whose", [int(TRINO)]),
    ("docs/engines.md", r"minimum of (\d+) MB a query", [prices.LEAST_BYTES_PER_QUERY // 10**6]),
    ("docs/changes.md", r"`include/sql/convert/usage.sql` \((\w+) times\)", [sum(SENSORS[-1] in line for line in (SQL / "convert/usage.sql").read_text().splitlines())]),
    ("docs/changes.md", r"`include/sql/transform/usage_cost.sql` \((\w+) times\)", [sum(SENSORS[-1] in line for line in (SQL / "transform/usage_cost.sql").read_text().splitlines())]),
    ("docs/changes.md", r"2,880 values a hub and day and ([\d,]+) a day of the sample", [6 * 288 * len(SENSORS)]),
    ("docs/changes.md", r"From the (\w+)th hub on", [len(STATE_OF_HUB) + 1]),
    ("ARCHITECTURE.md", r"between one and two times (\d+) s, (\d+) s", [15, 60]),
]


def number(text: str) -> float:
    text = text.lower().replace("twelf", "twelve")
    return float(WORDS.index(text)) if text in WORDS else float(text.replace(",", ""))


def agrees(text: str, value: int | float) -> bool:
    """Whether it is the number; for a float, as far as the text goes: its decimals, or its last digit that is no 0."""
    if isinstance(value, int):
        return number(text) == value
    digits = text.replace(",", "")
    unit = 10.0 ** -len(digits.partition(".")[2])
    if "." not in digits and len(digits) > 2:
        unit = 10.0 ** (len(digits) - len(digits.rstrip("0")))
    return abs(number(text) - value) <= unit / 2 * (1 + 1e-9)


@pytest.mark.parametrize(("page", "pattern", "values"), FIGURES)
def test_a_figure_of_a_page_is_what_it_comes_to(page: str, pattern: str, values: list[int | float]) -> None:
    found = re.search(pattern, " ".join(PAGES[page].split()))

    assert found, f"{page} does not say: {pattern}"
    told = list(found.groups())
    assert [agrees(text, value) for text, value in zip(told, values, strict=True)] == [True] * len(told), (told, values)
