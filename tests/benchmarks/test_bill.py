"""The bill against sums calculated by hand, with the prices on AWS's pages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import bill
from benchmarks.bill import BilledDay, Invocations, LinearFit, Queries, StoredData
from ops.templates import load
from smart_hub.core import aws_prices

TEMPLATE = Path(__file__).parents[2] / "include" / "infrastructure" / "smart_hub.yaml"
GIB = 1024**3

NOTHING = BilledDay(hubs=1, queries={}, functions={}, crawls=0, job_runs=0, job_seconds=0, puts=0, gets=0, stored={})
# One design at two sizes: some quantities are constant, some double, some grow by less.
AT_100 = BilledDay(
    hubs=100,
    queries={"convert": Queries(1, 5_000_000), "audit": Queries(1, 40_000_000)},
    functions={"convert": Invocations(1, 10, 256)},
    crawls=1,
    job_runs=0,
    job_seconds=0,
    puts=50,
    gets=300,
    stored={"raw": StoredData(10 * 1024**2, 365)},
)
AT_200 = replace(
    AT_100,
    hubs=200,
    queries={"convert": Queries(1, 10_000_000), "audit": Queries(1, 60_000_000)},
    functions={"convert": Invocations(1, 12, 256)},
    gets=400,
    stored={"raw": StoredData(20 * 1024**2, 365)},
)


def items(day: BilledDay) -> dict[str, float]:
    """The items that are not free."""
    return {name: amount for name, amount in bill.bill(day).items() if amount}


@pytest.mark.parametrize(
    ("day", "item", "expected"),
    [
        # 100 GB at 5 dollars a TB
        (replace(NOTHING, queries={"audit": Queries(1, 100e9)}), "Athena", 0.5),
        # 30 queries of 1 kB: 10 MB each, 300 MB at 5 dollars a TB
        (replace(NOTHING, queries={"small": Queries(30, 1000)}), "Athena", 0.0015),
        # a query that scans nothing costs ten megabytes, too
        (replace(NOTHING, queries={"none": Queries(1, 0)}), "Athena", 0.00005),
        # 10,000,001 bytes are rounded up to 11 MB
        (replace(NOTHING, queries={"odd": Queries(1, 10_000_001)}), "Athena", 0.000055),
        # 10 minutes of a DPU at 0.44 dollars an hour: 0.0733 each
        (replace(NOTHING, crawls=3), "crawlers", 0.22),
        # 60 s at least: 0.0625 DPU × 0.44 / 60 = 0.000458; 90 s are half as much again
        (replace(NOTHING, job_runs=1, job_seconds=8), "Glue job", 0.000458333),
        (replace(NOTHING, job_runs=2, job_seconds=90), "Glue job", 0.001375),
        # a quarter GB for 400 s is 100 GB-seconds, 0.00166667; and a request of 0.0000002
        (replace(NOTHING, functions={"convert": Invocations(1, 400, 256)}), "Lambda", 0.00166687),
        # 1,000 invocations of an eighth GB, 8 s: 1,000 GB-seconds, 0.0166667; 1,000 requests 0.0002
        (replace(NOTHING, functions={"insert": Invocations(1000, 8, 128)}), "Lambda", 0.0168667),
        # 2,000 at 0.005 a thousand, 10,000 at 0.0004 a thousand
        (replace(NOTHING, puts=2000, gets=10_000), "S3 requests", 0.014),
        # one GB a day, retained for 30 days, is 30 GB at 0.023 a month of 30 days
        (replace(NOTHING, stored={"raw": StoredData(GIB, 30), "staging": StoredData(GIB, 0)}), "S3 storage", 0.023),
        # the first million a month is free, 33,333.3 a day; 100,000 of 133,333.3 are billed at a dollar a million
        (replace(NOTHING, catalog_requests=133_333 + 1 / 3), "Data Catalog", 0.1),
    ],
)
def test_an_item_costs_its_list_price(day: BilledDay, item: str, expected: float) -> None:
    assert items(day) == {item: pytest.approx(expected, rel=1e-5)}


def test_catalog_requests_within_the_free_tier_cost_nothing() -> None:
    assert items(replace(NOTHING, catalog_requests=33_333)) == {}


def test_the_estimate_of_the_publish_and_the_bill_agree() -> None:
    day = replace(NOTHING, queries={"a": Queries(1, 20e6), "b": Queries(2, 1e6)}, crawls=2, job_runs=1, job_seconds=5)

    assert sum(bill.bill(day).values()) == pytest.approx(
        aws_prices.estimated_dollars([20_000_000, 1_000_000, 1_000_000], 2, 1)
    )


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # 3 + 2 × hubs
        ([(1, 5), (10, 23)], LinearFit(3, 2)),
        # the same at both
        ([(100, 7), (1000, 7)], LinearFit(7, 0)),
        # means 2 and 3; Σ(x − 2)(y − 3) = 1 + 0 + 3 over Σ(x − 2)² = 2 is a slope of 2; 3 − 2 · 2 < 0, so through the
        # origin: Σxy / Σx² = (2 + 2 + 18) / 14
        ([(1, 2), (2, 1), (3, 6)], LinearFit(0, 22 / 14)),
        # means 2 and 10; Σ(x − 2)(y − 10) = 1 + 0 + 4 over 2 is a slope of 2.5; 10 − 2 · 2.5 = 5
        ([(1, 9), (2, 7), (3, 14)], LinearFit(5, 2.5)),
        # a negative slope: the mean
        ([(1, 12), (2, 10), (3, 8)], LinearFit(10, 0)),
        # both measurements of one size count
        ([(1, 4), (1, 6), (3, 9)], LinearFit(3, 2)),
    ],
)
def test_a_line_is_fitted_by_least_squares(points: list[tuple[float, float]], expected: LinearFit) -> None:
    fit = LinearFit.through(points)

    assert (fit.constant, fit.per_hub) == pytest.approx((expected.constant, expected.per_hub))


@pytest.mark.parametrize("points", [[], [(5, 1)], [(5, 1), (5, 2)]])
def test_a_fit_needs_two_sizes(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="at two numbers of hubs or more, got"):
        LinearFit.through(points)


def test_each_quantity_is_scaled_separately() -> None:
    day = bill.scaled([AT_100, AT_200], 1000)

    assert day.hubs == 1000
    # 5 MB at 100 and 10 MB at 200 hubs are 50 kB a hub; 40 and 60 MB are 20 MB and 200 kB a hub
    assert day.queries["convert"] == Queries(1, pytest.approx(50_000_000))
    assert day.queries["audit"] == Queries(1, pytest.approx(220_000_000))
    # 10 and 12 s are 8 s and 0.02 s a hub; the memory is constant
    assert day.functions["convert"] == Invocations(1, pytest.approx(28), pytest.approx(256))
    assert (day.crawls, day.puts, day.gets) == pytest.approx((1, 50, 1200))
    assert day.stored["raw"] == StoredData(pytest.approx(100 * 1024**2), pytest.approx(365))


def test_the_minimum_of_a_query_applies_after_scaling() -> None:
    # At 100 hubs convert scans 5 MB and counts as 10, at 1,000 it scans 50: 40 + 10 and 220 + 50 MB, at 5 dollars a TB
    small, large = (bill.bill(bill.scaled([AT_100, AT_200], hubs))["Athena"] for hubs in (100, 1000))

    assert (small, large) == pytest.approx((0.00025, 0.00135))


def test_the_fits_show_constant_and_growing_quantities() -> None:
    fits = bill.lines([AT_100, AT_200])

    assert fits["queries.audit.bytes_each"] == LinearFit(pytest.approx(20_000_000), pytest.approx(200_000))
    assert fits["gets"] == LinearFit(pytest.approx(200), pytest.approx(1))
    growing = {name for name, fit in fits.items() if fit.per_hub}
    assert growing == {
        "queries.convert.bytes_each",
        "queries.audit.bytes_each",
        "functions.convert.seconds_each",
        "gets",
        "stored.raw.bytes",
    }


def test_days_with_different_queries_are_rejected() -> None:
    other = replace(AT_200, queries={"convert": Queries(1, 1), "transform": Queries(1, 1)})

    with pytest.raises(ValueError, match=r"day\.queries: not measured at every size: audit, transform"):
        bill.scaled([AT_100, other], 1000)


def copied(hubs: int) -> BilledDay:
    """The widely copied design: an INSERT scans 40 kB per hub, less than the minimum up to 250 hubs."""
    return bill.widely_copied(
        hubs,
        conversions={"convert": 48_000 * hubs},
        insert_bytes=40_000 * hubs,
        rewrite_bytes=16_000 * hubs,
        function_seconds={"convert": 4, "insert": 6, "rewrite": 5},
        puts=100 + 30 * hubs,
        gets=200 * hubs,
        stored={"raw": StoredData(48_000 * hubs, 0)},
    )


def test_the_widely_copied_design_costs_ten_minimums_per_hub() -> None:
    amounts = bill.bill(copied(100))

    # 1,000 INSERTs of 10 MB, conversion and rewrite of 10 MB each: 10.02 GB at 5 dollars a TB
    assert amounts["Athena"] == pytest.approx(0.0501)
    # three crawls, independent of the hubs
    assert amounts["crawlers"] == pytest.approx(0.22)
    # (100 × 6 + 4 + 5) s × 128 MB = 76.125 GB-seconds, 0.001268753; 102 requests 0.0000204
    assert amounts["Lambda"] == pytest.approx(0.0012891534)
    # 3,100 and 20,000
    assert amounts["S3 requests"] == pytest.approx(0.0155 + 0.008)


def test_the_widely_copied_design_grows_with_the_square_of_the_hubs() -> None:
    # 100,000 INSERTs of 400 MB are 40 TB, conversion 480 MB, rewrite 160 MB
    assert bill.bill(bill.scaled([copied(100), copied(1000)], 10_000))["Athena"] == pytest.approx(200.0032)


def test_the_tables_have_every_size_and_the_bills_are_json() -> None:
    own = bill.bills([AT_100, AT_200])
    other = bill.bills([copied(100), copied(1000)])

    assert json.loads(json.dumps(own)) == own
    assert [one["hubs"] for one in own] == [1, 10, 100, 1000, 10_000, 100_000]
    assert own[3]["total"] == pytest.approx(sum(own[3]["items"].values()))
    header, *rows = bill.rows(own)
    assert header == ["hubs", *own[0]["items"], "per day", "per hub and month"]
    assert [row[0] for row in rows] == ["1", "10", "100", "1,000", "10,000", "100,000"]
    # at 1,000 hubs: 270 MB; a crawl; 28 s of 256 MB; 50 and 1,200 requests; 100 MB a day for a year
    assert rows[3] == [
        *("1,000", "0.0014", "0.0733", "0", "0.0001", "0.0007", "0.0273", "0"),
        *("0.1029", "0.0031"),
    ]
    compared = bill.compared(own, other)
    assert compared[0] == ["hubs", "this design", "widely copied", "ratio"]
    # its last query writes one partition per hub; Athena's limit is 100
    assert [row[2].endswith(" †") for row in compared[1:]] == [False, False, False, True, True, True]
    assert all(len(row) == len(table[0]) for table in (compared, [header, *rows]) for row in table)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (0.00009, "<0.0001"), (0.0001, "0.0001"), (1.23456, "1.2346"), (10, "10.00"), (1234.5, "1,234.50")],
)
def test_dollars_are_rounded_by_size(amount: float, text: str) -> None:
    assert bill.dollars(amount) == text


def test_functions_and_job_match_the_template() -> None:
    resources = load(TEMPLATE.read_text(encoding="utf-8"))["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Lambda::Function"]
    (job,) = (one["Properties"] for one in resources if one["Type"] == "AWS::Glue::Job")

    assert {one["MemorySize"] for one in functions} == {bill.MEMORY_MB}
    # x86 is the default
    assert {tuple(one.get("Architectures", ["x86_64"])) for one in functions} == {("x86_64",)}
    assert job["MaxCapacity"] * aws_prices.DPU_HOUR / 3600 == pytest.approx(aws_prices.JOB_SECOND)
