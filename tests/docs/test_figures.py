"""Figures in the sentences of the pages, beside what code and templates have; measured ones: test_measurements.py.

Not here: what another test of a page compares (`git grep -l "<page>.md" tests`), what a page quotes of AWS with its
address, and seconds that it says are those of one machine.
"""

import inspect
import re
import tomllib
from datetime import timedelta

import pytest
import yaml

from benchmarks import bill
from benchmarks import page as page_benchmark
from generator.hubs import CHANNELS
from generator.states import STATE_OF_HUB
from ops.settings import TRINO_VERSION
from ops.settings import Settings as Laptop
from ops.trino import NEEDED_JAVA
from smart_hub.core import prices
from smart_hub.orchestration.alerts import LATE_AFTER
from smart_hub.page.charts import MOST_DEVICES
from smart_hub.page.choice import MOST_DAYS
from smart_hub.page.parquet import Cache
from smart_hub.shared.layout import INSIGHT_TABLES, INSIGHT_VIEWS
from tests.docs.figures import (
    CUTOFF,
    DAG,
    FUNCTION_SECONDS,
    MAIN,
    QUICKSIGHT,
    SECONDS,
    Figures,
    differing,
    of_type,
    rows,
)
from tests.docs.pages import PAGES, ROOT, spans

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
PAGE = {name: one.default for name, one in inspect.signature(page_benchmark.run).parameters.items()}
DELAYS = DAG.default_args["retry_delay"].total_seconds(), DAG.default_args["retry_exponential_backoff"]
RULES = {rule["Id"]: rule for rule in of_type(MAIN, "AWS::S3::Bucket")[0]["LifecycleConfiguration"]["Rules"]}
UPLOADS = RULES["incomplete-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
LOG_DAYS = {group["RetentionInDays"] for group in of_type(MAIN, "AWS::Logs::LogGroup")}.pop()
(WINDOW,) = {
    one["DataSetRefreshProperties"]["RefreshConfiguration"]["IncrementalRefresh"]["LookbackWindow"]["Size"]
    for one in of_type(QUICKSIGHT, "AWS::QuickSight::DataSet")
    if "DataSetRefreshProperties" in one
}
DATA_SETS = len(of_type(QUICKSIGHT, "AWS::QuickSight::DataSet"))
HUB_DAY = 40e3  # bytes in SPICE, as docs/quicksight.md reckons them
GIGABYTES = HUB_DAY * 365 * 1000 / 1e9  # 1,000 hubs for a year

FIGURES: Figures = {
    "README.md": [
        (r"appliances or circuits every (\w+) minutes", [5]),
        (r"UI \(http://127.0.0.1:(\d+)\)", [Laptop.airflow_port]),
        (r"the local AWS \(http://127.0.0.1:(\d+)\)", [Laptop.aws_port]),
        (r"none, at most (\d+) GB a query \|", [int(Laptop.query_memory.rstrip("G"))]),
        (r"Java (\d+) or newer", [NEEDED_JAVA]),
        (r"that they cover (\d+) % of", [PROJECT["tool"]["coverage"]["report"]["fail_under"]]),
    ],
    "docs/page.md": [
        (r"It shows (\d+) days at most", [MOST_DAYS]),
        (r"With more than (\d+) devices, charts show the (\d+)", [MOST_DEVICES, MOST_DEVICES - 1]),
        (r"it keeps \((\d+) MB\)", [Cache()._most_bytes >> 20]),
        (r"row groups of ([\d,]+) rows", [page_benchmark.ROW_GROUP]),
        (
            r"one hub and (\d+) days at ([\d,]+) hubs, ([\d.]+) million rows",
            [PAGE["days"], PAGE["hubs"], PAGE["hubs"] * 288 * len(CHANNELS) / 1e6],
        ),
    ],
    "docs/events.md": [
        (r"has not ended (\w+) hours after", [int(LATE_AFTER / timedelta(hours=1))]),
    ],
    "docs/permissions.md": [
        (r"the (\w+) crawlers", [len(of_type(MAIN, "AWS::Glue::Crawler"))]),
    ],
    "docs/runbook.md": [
        (r"the crawl failed (\w+) times", [DAG.task_dict["step_2_crawl.usage"].retries + 1]),
        (
            r"tried again by itself, (\w+) to (\w+) times",
            [min(task.retries for task in DAG.tasks), max(task.retries for task in DAG.tasks)],
        ),
        (r"(\w+) hours after it was queued", [int(LATE_AFTER / timedelta(hours=1))]),
        (
            r"time-out \((\d+) to (\d+) minutes, (\d+) hours for step 1\)",
            [
                int(min(SECONDS.values()) / 60),
                int(max(seconds for name, seconds in SECONDS.items() if "step_1" not in name) / 60),
                int(SECONDS["step_1_copy_raw_data"] / 3600),
            ],
        ),
        (r"the limit of (\d+) runs at once", [DAG.max_active_runs]),
        (r"or (\w+) runs are at work", [DAG.max_active_runs]),
        (r"(\w+) values an interval, ([\d,]+) a day", [len(CHANNELS), 288 * len(CHANNELS)]),
        (r"costs \$([\d.]+):", [prices.PER_CRAWL]),
        (r"before their (\d+) minutes are up", [(FUNCTION_SECONDS + 30) // 60]),
    ],
    "docs/aws.md": [
        (r"cancels a query \((\d) TB, which is (\d) USD\)", [CUTOFF // 10**12, int(prices.per_query(CUTOFF))]),
        (
            r"`athena-results/` (\d) days, unfinished uploads (\d) days",
            [RULES["athena-results"]["ExpirationInDays"], UPLOADS],
        ),
        (r"`staging/` and `athena-results/` (\d) days", [RULES["staging"]["ExpirationInDays"]]),
        (r"\| functions (\d+) days", [LOG_DAYS]),
        (r"the bill for 1 to ([\d,]+) hubs", [max(bill.SIZES)]),
    ],
    "docs/quicksight.md": [
        (
            r"The first day shown is the parameter `FirstDay` \((\d+)-12-01",
            [int(QUICKSIGHT["Parameters"]["FirstDay"]["Default"][:4])],
        ),
        (r"with a window of (\w+) days", [WINDOW]),
        (r"after (\w+) retries", [DAG.task_dict["refresh_quicksight"].retries]),
        (r"100 hubs, a year of days \| ([\d.]+) GB", [GIGABYTES / 10]),
        (r"1,000 hubs, a year of days \| (\d+) GB: included in 2 × 10 GB", [GIGABYTES]),
        (r"\| (\d+) GB, (\d+) above 20: (\d+) USD", [3 * GIGABYTES, 3 * GIGABYTES - 20, (3 * GIGABYTES - 20) * 0.38]),
        (
            r"Athena, (\w+) queries a refresh, at least \| (\d+) MB: ([\d.]+) USD",
            [DATA_SETS, DATA_SETS * prices.MIN_BYTES_PER_QUERY // 10**6, DATA_SETS * prices.per_query(0)],
        ),
        (r"A hub's day is some (\d+) kB: (\d+) rows", [HUB_DAY / 1e3, 24 * len(CHANNELS)]),
    ],
    "docs/docker-compose.md": [
        (
            r"starts the tasks, (\w+) at once",
            [int(COMPOSE["services"]["scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"])],
        ),
        (r"State lies in (\w+) volumes", [len(COMPOSE["volumes"])]),
        (r"published with ([\d,]+) rows each", [6 * 288 * len(CHANNELS)]),
    ],
    "docs/insights.md": [
        (r"^# Insights.*? (\w+) tables and (\w+) views", [len(INSIGHT_TABLES), len(INSIGHT_VIEWS)]),
    ],
    "docs/engines.md": [
        (r"a real Trino (\d+) whose", [int(TRINO_VERSION)]),
        (r"minimum of (\d+) MB a query", [prices.MIN_BYTES_PER_QUERY // 10**6]),
    ],
    "docs/changes.md": [
        (r"From the (\w+)th hub on", [len(STATE_OF_HUB) + 1]),
    ],
    "ARCHITECTURE.md": [
        (r"between one and two times (\d+) s, (\d+) s", [int(DELAYS[0]), int(DELAYS[0] * DELAYS[1])]),
    ],
}


@pytest.mark.parametrize(("page", "pattern", "values"), rows(FIGURES))
def test_a_figure_of_a_page_is_what_it_comes_to(page: str, pattern: str, values: list[int | float]) -> None:
    assert differing(page, pattern, values) == []


# Page, what it says with a group for the version, and the lock with the package that it is of.
VERSIONS = [
    ("README.md", r"Glue's Python 3.9 and pyarrow (\d+)", "glue", "pyarrow"),
    ("docs/mwaa.md", r"under its constraints: Airflow ([\d.]+),", "mwaa", "apache-airflow"),
    ("docs/mwaa.md", r"amazon provider ([\d.]+), FAB", "mwaa", "apache-airflow-providers-amazon"),
    ("docs/mwaa.md", r"FAB provider ([\d.]+) ", "mwaa", "apache-airflow-providers-fab"),
    ("docs/docker-compose.md", r"The demo in containers: Airflow ([\d.]+) on", "airflow", "apache-airflow"),
]


@pytest.mark.parametrize(("page", "pattern", "lock", "package"), VERSIONS)
def test_a_version_of_a_page_is_that_of_its_lock(page: str, pattern: str, lock: str, package: str) -> None:
    (told,) = re.findall(pattern, " ".join(PAGES[page].split()))
    (pinned,) = re.findall(rf"^{package}==(\S+)", (ROOT / "requirements" / f"{lock}.lock").read_text(), re.MULTILINE)

    assert pinned == told or pinned.startswith(f"{told}.")


def test_images_that_the_pages_name_are_those_of_the_containers() -> None:
    files = [ROOT / "docker-compose.yaml", *(ROOT / "docker").glob("*ockerfile*")]
    used = "\n".join(path.read_text("utf-8") for path in files)
    named = {span for page in PAGES.values() for span in spans(page) if re.fullmatch(r"[a-z/]+:\d[\w.-]+", span)}

    assert len(named) > 3
    assert [image for image in named if image not in used] == []
