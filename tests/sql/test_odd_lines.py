"""Each unusual line, in a separate file of the same day, gets its verdict with its text, and affects no other line."""

from collections import defaultdict
from typing import Any

import pytest

from tests.sql.conftest import CONTENT_HASHES, DAY, RawDay
from tests.sql.odd_lines import CASES, Odd


@pytest.fixture(scope="module")
def made(day: RawDay) -> dict[str, tuple[list[Any], list[Any]]]:
    """By file: the values used (channel, kWh), and the rejects (reason, channel, line)."""
    athena = day.athena
    prefix = f"raw/usage/dt={DAY}/"
    before = athena.keys(prefix)
    for number, case in enumerate(CASES):
        athena.s3.put_object(Bucket=athena.bucket, Key=f"{prefix}odd/{number:03}.json", Body=case.body(number))
    readings = day.readings("odd_readings")
    cost = day.make("transform/usage_cost", "odd_cost", readings_table=readings, **CONTENT_HASHES)
    rejects = day.make("transform/usage_rejects", "odd_rejects", readings_table=readings, cost_table=cost)
    for key in athena.keys(prefix):
        if key not in before:
            athena.s3.delete_object(Bucket=athena.bucket, Key=key)
    found: dict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    used = athena.rows(
        f"SELECT r.file, v.sensor, v.kwh FROM {readings} AS r CROSS JOIN UNNEST(r.data) AS v (sensor, kwh)"
        " WHERE r.verdict = 'used'"
    )
    for file, sensor, kwh in used:
        found[str(file).rpartition("/")[2]][0].append((sensor, float(str(kwh))))
    for file, reason, sensor, line in athena.rows(f"SELECT file, reason, sensor, line FROM {rejects}"):
        found[str(file).rpartition("/")[2]][1].append((reason, sensor, line))
    return found


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.name for case in CASES])
def test_each_unusual_line_has_its_verdict(
    made: dict[str, tuple[list[Any], list[Any]]], number: int, case: Odd
) -> None:
    used, rejected = made[f"{number:03}.json"]

    # the value of a channel without a mapping is a number, and is rejected in step 5
    unknown = {channel for reason, channel in case.rejected if reason == "unknown_sensor"}
    assert {channel: kwh for channel, kwh in used if channel not in unknown} == case.used
    assert sorted(((reason, channel) for reason, channel, _ in rejected), key=str) == sorted(case.rejected, key=str)
    text = case.line(number)
    for _, channel, line in rejected:
        if channel in unknown:
            assert line is None
        else:
            assert line in [text, text.rstrip("\r"), *text.split("\n")] or line in text, "another's line"


def test_unusual_lines_do_not_affect_other_files(made: dict[str, tuple[list[Any], list[Any]]]) -> None:
    # given the two files of the day in conftest.py: 13 records, 5 used and 8 rejected (test_statements.py)
    used, rejected = (sum(len(made[name][place]) for name in ("a.json", "b.json")) for place in (0, 1))
    assert (used, rejected) == (48, 13)
