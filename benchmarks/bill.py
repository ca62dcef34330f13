"""What a day costs on AWS: a model of quantities that were measured, for this design and the widely copied one.

List prices of us-east-1, in dollars, as of November 2026; Athena's and Glue's are those of smart_hub.core.prices.
The Data Catalog's free million requests a month is taken off, Lambda's free tier is not.

Left out: Airflow's own hosting, which is the same whatever its DAGs do (MWAA's small environment: 0.49 dollars an hour,
11.76 a day, https://aws.amazon.com/managed-workflows-for-apache-airflow/pricing/), what is logged, which the local AWS
does not measure (0.50 dollars a gigabyte, https://aws.amazon.com/cloudwatch/pricing/), queries of people, KMS,
QuickSight, data that leave the region, taxes, and prices that fall with volume (S3's from 50 TB on).

What is measured on a laptop holds on AWS as far as it is counts and bytes (Athena writes Parquet by another writer, of
other sizes); seconds of functions, which wait for their queries, and requests that Athena makes are those of another
engine. A crawl counts as the ten minutes that it costs at least. Sizes beyond those measured are extrapolated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from smart_hub.core import prices

# https://aws.amazon.com/lambda/pricing/, x86, as include/infrastructure/smart_hub.yaml has the functions.
LAMBDA_GIGABYTE_SECOND = 0.0000166667
LAMBDA_REQUEST = 0.20 / 10**6
# https://aws.amazon.com/s3/pricing/, S3 Standard. A PUT costs as much as a COPY, POST or LIST; a DELETE nothing.
S3_PUT = 0.005 / 1000
S3_GET = 0.0004 / 1000
S3_GIGABYTE_MONTH = 0.023
# https://aws.amazon.com/glue/pricing/: beyond the first million requests a month. So are the first million objects.
CATALOG_REQUEST = 1.0 / 10**6
FREE_CATALOG_REQUESTS = 10**6

GIGABYTE = 2**30  # of memory and storage; Athena's megabyte and terabyte are in prices.py
DAYS_OF_A_MONTH = 30

# Of the functions in include/infrastructure/smart_hub.yaml.
MEMORY_MB = 256
SIZES = (1, 10, 100, 1_000, 10_000, 100_000)

# The widely copied design: https://github.com/garystafford/athena-glue-quicksight-demo, its README.md and lambdas/.
COPIED_QUERIES_PER_HUB = 10
COPIED_MEMORY_MB = 128  # its template names none, so it is Lambda's default
# Of usage, of the table that the INSERTs write, of the table rewritten; four more when mappings and rates are new.
COPIED_CRAWLS = 3
# Its last CREATE TABLE AS makes a partition for each hub, and Athena at most 100 in a statement:
# https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html
COPIED_MOST_HUBS = 100


@dataclass(frozen=True)
class Queries:
    """Queries of one kind that read data. bytes_each: what Athena scans for one, as it tells by its statistics."""

    count: float
    bytes_each: float


@dataclass(frozen=True)
class Invocations:
    """Invocations of one function. seconds_each: of one, with what it waits; memory_mb: as it is configured."""

    count: float
    seconds_each: float
    memory_mb: float


@dataclass(frozen=True)
class Stored:
    """What a day adds to S3, in bytes, and the days that it is kept; what is gone within the day counts as none."""

    bytes: float
    days: float


@dataclass(frozen=True)
class Day:
    """What one day of a design takes at a number of hubs.

    queries, functions, stored: by name, the same names at each size. crawls: of any crawler. job_runs: of the Glue job
    in Python shell, job_seconds of one. puts: requests to S3 of the price of PUT, so COPY, POST and LIST too; gets: all
    others but DELETE; of either those that Athena, Glue and functions make for the account, too. catalog_requests: to
    Glue's Data Catalog.
    """

    hubs: float
    queries: Mapping[str, Queries]
    functions: Mapping[str, Invocations]
    crawls: float
    job_runs: float
    job_seconds: float
    puts: float
    gets: float
    stored: Mapping[str, Stored]
    catalog_requests: float = 0


def bill(day: Day) -> dict[str, float]:
    """Dollars of the day by item. Storage is that of a day when what is kept has come to stay, so ``days`` are over."""
    jobs = max(day.job_seconds, prices.MIN_JOB_SECONDS) * prices.JOB_SECOND
    lambdas = (
        one.count * (one.seconds_each * one.memory_mb / 1024 * LAMBDA_GIGABYTE_SECOND + LAMBDA_REQUEST)
        for one in day.functions.values()
    )
    kept = sum(one.bytes * one.days for one in day.stored.values())
    requests = max(0.0, day.catalog_requests - FREE_CATALOG_REQUESTS / DAYS_OF_A_MONTH)
    return {
        "Athena": sum(one.count * prices.per_query(one.bytes_each) for one in day.queries.values()),
        "crawlers": day.crawls * prices.PER_CRAWL,
        "Glue job": day.job_runs * jobs,
        "Lambda": sum(lambdas),
        "S3 requests": day.puts * S3_PUT + day.gets * S3_GET,
        "S3 storage": kept / GIGABYTE * S3_GIGABYTE_MONTH / DAYS_OF_A_MONTH,
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
    stored: Mapping[str, Stored],
    catalog_requests: float = 0,
) -> Day:
    """The widely copied design's day: ten INSERT INTO a hub, a crawl, then a CREATE TABLE AS of what they wrote.

    conversions: bytes that each query of a conversion to Parquet scans; insert_bytes, rewrite_bytes: that one INSERT
    and the last query scan. function_seconds: of one invocation of each function by name, ``insert`` being that of the
    hubs, one for each; each waits for its queries, for else nobody knew when the crawl may start (as it is published,
    none does).
    """
    return Day(
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
class Line:
    """A quantity at any number of hubs: ``constant + per_hub × hubs``, neither of them negative."""

    constant: float
    per_hub: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> "Line":
        """The line of least squares through (hubs, quantity).

        What falls with the hubs is taken for constant, at its mean; what would be negative without hubs, for
        proportional: either is noise of the measurement. Raises ValueError for fewer than two sizes.
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


def scaled(days: Sequence[Day], hubs: int) -> Day:
    """The day at another number of hubs, each quantity on its line through the days measured at two sizes or more.

    Raises ValueError when the days are not of the same queries, functions and stored data.
    """
    day: Day = _combined(days, "day", lambda name, points: Line.through(points).at(hubs))
    return replace(day, hubs=hubs)


def lines(days: Sequence[Day]) -> dict[str, Line]:
    """How each quantity grows, by its name, e.g. ``queries.convert.bytes_each``; ``per_hub`` 0 for what is constant."""
    found: dict[str, Line] = {}

    def keep(name: str, points: Sequence[tuple[float, float]]) -> float:
        found[name.removeprefix("day.")] = Line.through(points)
        return 0.0

    _combined(days, "day", keep)
    del found["hubs"]
    return found


def _combined(days: Sequence[Day], name: str, combine: Callable[[str, Sequence[tuple[float, float]]], float]) -> Any:
    """A day whose every quantity is what ``combine`` makes of its name and its values as (hubs, value)."""
    sizes = [day.hubs for day in days]

    def of(name: str, parts: Sequence[Any]) -> Any:
        first = parts[0]
        if isinstance(first, Mapping):
            if differing := {key for part in parts for key in set(part) ^ set(first)}:
                raise ValueError(f"{name}: not measured at each size: {', '.join(sorted(differing))}")
            return {key: of(f"{name}.{key}", [part[key] for part in parts]) for key in first}
        if is_dataclass(first) and not isinstance(first, type):
            names = [field.name for field in fields(first)]
            return replace(first, **{one: of(f"{name}.{one}", [getattr(part, one) for part in parts]) for one in names})
        return combine(name, list(zip(sizes, parts, strict=True)))

    return of(name, list(days))


def bills(days: Sequence[Day], sizes: Iterable[int] = SIZES) -> list[dict[str, Any]]:
    """The bill at each size: ``hubs``, ``items`` (dollars by item), ``total``; to be written as JSON as it is."""
    found = []
    for hubs in sizes:
        items = bill(scaled(days, hubs))
        found.append({"hubs": hubs, "items": items, "total": sum(items.values())})
    return found


def rows(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A table of what ``bills`` gives, header first: hubs, dollars a day by item, their sum, a hub's in a month."""
    header = ["hubs", *found[0]["items"], "a day", "a hub and month"]
    return [header] + [
        [
            f"{one['hubs']:,}",
            *map(dollars, one["items"].values()),
            dollars(one["total"]),
            dollars(one["total"] * DAYS_OF_A_MONTH / one["hubs"]),
        ]
        for one in found
    ]


def compared(own: Sequence[Mapping[str, Any]], copied: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Both designs' dollars a day beside each other, header first; a † where the copied one would not end."""
    return [["hubs", "this design", "widely copied", "times as much"]] + [
        [
            f"{one['hubs']:,}",
            dollars(one["total"]),
            dollars(other["total"]) + ("" if one["hubs"] <= COPIED_MOST_HUBS else " †"),
            f"{other['total'] / one['total']:,.1f}",
        ]
        for one, other in zip(own, copied, strict=True)
    ]


def dollars(amount: float) -> str:
    """To the cent from ten dollars on, else to a hundredth of a cent; 0 for none."""
    if amount >= 10:
        return f"{amount:,.2f}"
    return f"{amount:.4f}" if amount >= 0.0001 else "<0.0001" if amount else "0"
