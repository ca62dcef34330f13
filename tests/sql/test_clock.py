"""Each hub's published day equals an independent computation, on days with clock changes too."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from generator.__main__ import main as generate
from localaws.testing import LocalAws
from tests.e2e import independent
from tests.sql.pipeline import Pipeline

# One in each of ten states, with the zones New York, Denver, Los Angeles, Phoenix and Honolulu among them.
HUBS = 10
# Readings a day, five minutes apart: 24, 25 and 23 hours. Arizona and Hawaii never change their clocks.
EVEN, LONG, SHORT = 288, 300, 276
UNCHANGING = {"America/Phoenix", "Pacific/Honolulu"}


@pytest.mark.parametrize(
    ("day", "changing", "starts"),
    [
        ("2019-11-03", LONG, "2019-11-03 04:00"),  # clocks go back at 02:00; midnight in New York by UTC
        ("2020-03-08", SHORT, "2020-03-08 05:00"),  # clocks go forward at 02:00
        ("2019-12-31", EVEN, "2019-12-31 05:00"),  # ends in January by UTC, but has December's rates
    ],
)
def test_a_day_by_the_hubs_own_clocks(
    module_local_aws: LocalAws, tmp_path: Path, day: str, changing: int, starts: str
) -> None:
    # given
    arguments = ["--hubs", str(HUBS), "--from", day, "--to", day, "--out", str(tmp_path), "--clean"]
    assert generate(arguments) == 0
    expected = independent.costs(tmp_path, day)

    # when
    pipeline = Pipeline(module_local_aws, tmp_path)
    rules = pipeline.run(day, insights=False, crawl=False)
    rows = pipeline.athena.rows(f"SELECT * FROM usage_cost WHERE dt = DATE '{day}'")

    # expect the number of readings of each hub, worked out by hand
    zones = {str(row["loc_id"]): str(row["tz"]) for row in rows}
    intervals = Counter(str(row["loc_id"]) for row in rows if row["sensor"] == "s_01")
    assert {"America/New_York", "America/Denver", "America/Los_Angeles", *UNCHANGING} <= set(zones.values())
    assert intervals == {hub: EVEN if zone in UNCHANGING else changing for hub, zone in zones.items()}
    first = min(str(row["ts_utc"]) for row in rows if row["tz"] == "America/New_York")
    assert first == f"{starts}:00.000"
    # expect each value
    assert len(rows) == len(expected)
    for row in rows:
        key = str(row["loc_id"]), str(row["sensor"]), datetime.fromisoformat(str(row["ts_utc"]))
        cost = expected[key]
        assert datetime.fromisoformat(str(row["ts"])) == cost.wall_clock
        assert (row["type"], row["state"], row["device"]) == (cost.type, cost.state, cost.device)
        assert float(str(row["cost"])) == pytest.approx(float(cost.cents), rel=1e-12, abs=1e-15)
        assert Decimal(str(row["kwh"])) == cost.kwh
    # expect no violation
    assert {name: answer["violations"] for name, answer in rules.items()} == dict.fromkeys(rules, "0")
