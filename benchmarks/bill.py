"""A model of the cost of a day on AWS, from measured quantities, for this design and the widely copied one.

List prices of us-east-1, in dollars, as of November 2026; those of Athena and Glue are in smart_hub.core.aws_prices.
The Data Catalog's free million requests a month is deducted, Lambda's free tier is not.

Not included: Airflow itself, which costs the same for any DAG (MWAA's small environment: 0.49 dollars an hour, 11.76 a
day, https://aws.amazon.com/managed-workflows-for-apache-airflow/pricing/); logs, which the local AWS does not measure
(0.50 dollars a gigabyte, https://aws.amazon.com/cloudwatch/pricing/); users' queries, KMS, QuickSight, data transfer
out of the region, taxes, and volume discounts (S3's from 50 TB on).

Counts and bytes measured on a laptop are also valid on AWS, although Athena's own Parquet writer gives other file
sizes. The seconds of functions, which wait for their queries, and the requests that Athena makes are those of another
engine. A crawl counts as ten minutes, the minimum that AWS bills. Sizes beyond those measured are extrapolated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from smart_hub.core import aws_prices

# https://aws.amazon.com/lambda/pricing/, x86, the architecture in include/infrastructure/smart_hub.yaml.
LAMBDA_GIGABYTE_SECOND = 0.0000166667
LAMBDA_REQUEST = 0.20 / 10**6
# https://aws.amazon.com/s3/pricing/, S3 Standard. PUT, COPY, POST and LIST have one price; DELETE is free.
S3_PUT = 0.005 / 1000
S3_GET = 0.0004 / 1000
S3_GIGABYTE_MONTH = 0.023
# https://aws.amazon.com/glue/pricing/: the first million requests and objects a month are free.
CATALOG_REQUEST = 1.0 / 10**6
FREE_CATALOG_REQUESTS = 10**6

GIGABYTE = 2**30  # of memory and storage; Athena's megabyte and terabyte are in aws_prices.py
DAYS_PER_MONTH = 30

# Memory of the functions in include/infrastructure/smart_hub.yaml.
MEMORY_MB = 256
SIZES = (1, 10, 100, 1_000, 10_000, 100_000)

# The widely copied design: README.md and lambdas/ of https://github.com/garystafford/athena-glue-quicksight-demo.
COPIED_QUERIES_PER_HUB = 10
COPIED_MEMORY_MB = 128  # Lambda's default, because its template sets none
# Of usage, of the INSERTs' table and of the final table; four more if mappings and rates are new.
COPIED_CRAWLS = 3
# Its last CREATE TABLE AS writes one partition per hub; Athena writes at most 100 per statement:
# https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html
COPIED_MAX_HUBS = 100


@dataclass(frozen=True)
class Queries:
    """Queries of one kind that read data. bytes_each: scanned by one query, from Athena's statistics."""

    count: float
    bytes_each: float


@dataclass(frozen=True)
class Invocations:
    """Invocations of one function. seconds_each: duration of one, waiting included; memory_mb: as configured."""

    count: float
    seconds_each: float
    memory_mb: float


@dataclass(frozen=True)
class StoredData:
    """Bytes that a day adds to S3 and the days for which they are retained; data deleted within the day have 0 days."""

    bytes: float
    days: float


@dataclass(frozen=True)
class BilledDay:
    """The billed quantities of one day of a design at a number of hubs.

    queries, functions, stored: by name, with the same names at each size. crawls: of all crawlers. job_runs,
    job_seconds: runs of the Glue job in Python shell and the duration of one. puts: S3 requests at the price of PUT,
    which includes COPY, POST and LIST; gets: all others except DELETE; both include those that Athena, Glue and the
    functions make. catalog_requests: to Glue's Data Catalog.
    """

    hubs: float
    queries: Mapping[str, Queries]
    functions: Mapping[str, Invocations]
    crawls: float
    job_runs: float
    job_seconds: float
    puts: float
    gets: float
    stored: Mapping[str, StoredData]
    catalog_requests: float = 0


def bill(day: BilledDay) -> dict[str, float]:
    """Dollars of the day by item. Storage is that of a day in the steady state, after ``days`` days of retention."""
    jobs = max(day.job_seconds, aws_prices.MIN_JOB_SECONDS) * aws_prices.JOB_SECOND
    lambdas = (
        one.count * (one.seconds_each * one.memory_mb / 1024 * LAMBDA_GIGABYTE_SECOND + LAMBDA_REQUEST)
        for one in day.functions.values()
    )
    byte_days = sum(one.bytes * one.days for one in day.stored.values())
    requests = max(0.0, day.catalog_requests - FREE_CATALOG_REQUESTS / DAYS_PER_MONTH)
    return {
        "Athena": sum(one.count * aws_prices.per_query(one.bytes_each) for one in day.queries.values()),
        "crawlers": day.crawls * aws_prices.PER_CRAWL,
        "Glue job": day.job_runs * jobs,
        "Lambda": sum(lambdas),
        "S3 requests": day.puts * S3_PUT + day.gets * S3_GET,
        "S3 storage": byte_days / GIGABYTE * S3_GIGABYTE_MONTH / DAYS_PER_MONTH,
        "Data Catalog": requests * CATALOG_REQUEST,
    }


def widely_copied(
    hubs: int,
    *,
    conversions: Mapping[str, int],
    insert_bytes: float,
    rewrite_bytes: float,
    function_seconds: Mapping[str, float],
    puts: float,
    gets: float,
    stored: Mapping[str, StoredData],
    catalog_requests: float = 0,
) -> BilledDay:
    """The billed quantities of the widely copied design: ten INSERT INTO per hub, a crawl, then a CREATE TABLE AS.

    conversions: bytes scanned by each query that converts raw data to Parquet; insert_bytes, rewrite_bytes: bytes
    scanned by one INSERT and by the last query. function_seconds: duration of one invocation by function; ``insert`` is
    invoked once per hub. Functions are assumed to wait for their queries, because the crawl must start after them (in
    the published design they do not wait).
    """
    return BilledDay(
        hubs=hubs,
        queries={
            **{name: Queries(1, scanned) for name, scanned in conversions.items()},
            "insert": Queries(COPIED_QUERIES_PER_HUB * hubs, insert_bytes),
            "rewrite": Queries(1, rewrite_bytes),
        },
        functions={
            name: Invocations(hubs if name == "insert" else 1, seconds, COPIED_MEMORY_MB)
            for name, seconds in function_seconds.items()
        },
        crawls=COPIED_CRAWLS,
        job_runs=0,
        job_seconds=0,
        puts=puts,
        gets=gets,
        stored=stored,
        catalog_requests=catalog_requests,
    )


@dataclass(frozen=True)
class LinearFit:
    """A quantity at any number of hubs: ``constant + per_hub × hubs``, neither of them negative."""

    constant: float
    per_hub: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> "LinearFit":
        """The least-squares line through points (hubs, quantity).

        A negative slope is measurement noise: the line is then constant, at the mean. So is a negative constant: the
        line then goes through the origin. Raises ValueError for fewer than two sizes.
        """
        count, hubs = len(points), sum(x for x, _ in points)
        spread = sum(x * x for x, _ in points) - hubs * hubs / max(count, 1)
        if len({x for x, _ in points}) < 2:
            raise ValueError(f"a line needs measurements at two numbers of hubs or more, got {list(points)}")
        mean = sum(y for _, y in points) / count
        per_hub = (sum(x * y for x, y in points) - hubs * mean) / spread
        if per_hub <= 0:
            return cls(mean, 0.0)
        constant = mean - per_hub * hubs / count
        if constant < 0:
            return cls(0.0, sum(x * y for x, y in points) / sum(x * x for x, _ in points))
        return cls(constant, per_hub)

    def at(self, hubs: float) -> float:
        return self.constant + self.per_hub * hubs


def scaled(days: Sequence[BilledDay], hubs: int) -> BilledDay:
    """The day at another number of hubs; each quantity is fitted to the days, measured at two sizes or more.

    Raises ValueError if the days do not have the same queries, functions and stored data.
    """
    day: BilledDay = _combined(days, "day", lambda name, points: LinearFit.through(points).at(hubs))
    return replace(day, hubs=hubs)


def lines(days: Sequence[BilledDay]) -> dict[str, LinearFit]:
    """The fit of each quantity by name, e.g. ``queries.convert.bytes_each``."""
    fits: dict[str, LinearFit] = {}

    def add(name: str, points: Sequence[tuple[float, float]]) -> float:
        fits[name.removeprefix("day.")] = LinearFit.through(points)
        return 0.0

    _combined(days, "day", add)
    del fits["hubs"]
    return fits


def _combined(
    days: Sequence[BilledDay], name: str, combine: Callable[[str, Sequence[tuple[float, float]]], float]
) -> Any:
    """A day in which each quantity is the result of ``combine(name, [(hubs, value), …])``."""
    sizes = [day.hubs for day in days]

    def of(name: str, parts: Sequence[Any]) -> Any:
        first = parts[0]
        if isinstance(first, Mapping):
            if differing := {key for part in parts for key in set(part) ^ set(first)}:
                raise ValueError(f"{name}: not measured at every size: {', '.join(sorted(differing))}")
            return {key: of(f"{name}.{key}", [part[key] for part in parts]) for key in first}
        if is_dataclass(first) and not isinstance(first, type):
            names = [field.name for field in fields(first)]
            return replace(first, **{one: of(f"{name}.{one}", [getattr(part, one) for part in parts]) for one in names})
        return combine(name, list(zip(sizes, parts, strict=True)))

    return of(name, list(days))


def bills(days: Sequence[BilledDay], sizes: Iterable[int] = SIZES) -> list[dict[str, Any]]:
    """The bill at each size as JSON: ``hubs``, ``items`` (dollars by item), ``total``."""
    result = []
    for hubs in sizes:
        items = bill(scaled(days, hubs))
        result.append({"hubs": hubs, "items": items, "total": sum(items.values())})
    return result


def rows(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A table of bills, header first: hubs, dollars per day by item, their sum, dollars per hub and month."""
    header = ["hubs", *results[0]["items"], "per day", "per hub and month"]
    return [header] + [
        [
            f"{one['hubs']:,}",
            *map(dollars, one["items"].values()),
            dollars(one["total"]),
            dollars(one["total"] * DAYS_PER_MONTH / one["hubs"]),
        ]
        for one in results
    ]


def compared(own: Sequence[Mapping[str, Any]], copied: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Dollars per day of both designs, header first; † marks the sizes that the copied design does not support."""
    return [["hubs", "this design", "widely copied", "ratio"]] + [
        [
            f"{one['hubs']:,}",
            dollars(one["total"]),
            dollars(other["total"]) + ("" if one["hubs"] <= COPIED_MAX_HUBS else " †"),
            f"{other['total'] / one['total']:,.1f}",
        ]
        for one, other in zip(own, copied, strict=True)
    ]


def dollars(amount: float) -> str:
    """Two decimals from ten dollars on, otherwise four."""
    if amount >= 10:
        return f"{amount:,.2f}"
    return f"{amount:.4f}" if amount >= 0.0001 else "<0.0001" if amount else "0"
