"""Each hub's published day equals an independent computation, on days with clock changes too."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from generator.__main__ import main as generate
from tests.deployment import Deployment
from tests.e2e import independent

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
    deployment: Deployment, tmp_path: Path, day: str, changing: int, starts: str
) -> None:
    # given
    arguments = ["--hubs", str(HUBS), "--channels", "2", "--from", day, "--to", day, "--out", str(tmp_path), "--clean"]
    assert generate(arguments) == 0
    expected = independent.costs(tmp_path, day)

    # when
    deployment.run(day, tmp_path, last_task="audit")
    columns = "loc_id, sensor, tz, ts, ts_utc, type, state, device, kwh, cost"
    rows = deployment.intermediate_rows(f"SELECT {columns} FROM {{compacted_table}}")

    # expect: the number of readings of each hub, by hand
    zones = {str(hub): str(zone) for hub, _, zone, *_ in rows}
    intervals = Counter(str(hub) for hub, sensor, *_ in rows if sensor == "s_01")
    assert {"America/New_York", "America/Denver", "America/Los_Angeles", *UNCHANGING} <= set(zones.values())
    assert intervals == {hub: EVEN if zone in UNCHANGING else changing for hub, zone in zones.items()}
    first = min(str(ts_utc) for _, _, zone, _, ts_utc, *_ in rows if zone == "America/New_York")
    assert first == f"{starts}:00.000"
    # expect each value
    assert len(rows) == len(expected)
    for hub, sensor, _, ts, ts_utc, type_, state, device, kwh, cents in rows:
        cost = expected[str(hub), str(sensor), datetime.fromisoformat(str(ts_utc))]
        assert datetime.fromisoformat(str(ts)) == cost.wall_clock
        assert (type_, state, device) == (cost.type, cost.state, cost.device)
        assert float(str(cents)) == pytest.approx(float(cost.cents), rel=1e-12, abs=1e-15)
        assert Decimal(str(kwh)) == cost.kwh
    # expect: no rule violated
    assert {violations for _, violations, _ in deployment.audit(day).values()} == {"0"}
