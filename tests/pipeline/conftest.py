"""Days of generated and handwritten sources, run by the real DAG on a local AWS. Needs the environment of Airflow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.__main__ import main as generate
from localaws.testing.plugin import LocalAwsFactory
from tests.deployment import Deployment

DST_DAY = "2020-03-08"  # clocks go forward at 02:00, except in Arizona and Hawaii


@pytest.fixture(scope="session")
def deployment(local_aws_factory: LocalAwsFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """For tests that read only the rows of their own days."""
    with local_aws_factory() as aws:
        yield Deployment(aws, tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def source_with_gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated readings of 8 hubs on DST_DAY. Half of the first hub's readings are missing, one reading per hour of
    the second's, and some s_04 values of the third's."""
    folder = tmp_path_factory.mktemp("generated")
    arguments = ["--hubs", "8", "--from", DST_DAY, "--to", DST_DAY, "--out", str(folder), "--clean"]
    assert generate(arguments) == 0
    hubs: list[str] = []
    for path in sorted((folder / "usage" / f"dt={DST_DAY}").iterdir()):
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            reading = json.loads(line)
            if reading["loc_id"] not in hubs:
                hubs.append(reading["loc_id"])
            hub, interval = hubs.index(reading["loc_id"]), reading["ts"] // 300
            if (hub == 0 and interval % 2) or (hub == 1 and not interval % 12):
                continue
            if hub == 2 and interval % 36 == 5:
                del reading["data"]["s_04"]
            kept.append(json.dumps(reading) + "\n")
        path.write_text("".join(kept), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def with_dst_day(
    local_aws_factory: LocalAwsFactory, tmp_path_factory: pytest.TempPathFactory, source_with_gaps: Path
) -> Iterator[Deployment]:
    """A deployment with one published day, DST_DAY of source_with_gaps."""
    with local_aws_factory() as aws:
        deployment = Deployment(aws, tmp_path_factory.mktemp("airflow"))
        deployment.run(DST_DAY, source_with_gaps)
        yield deployment
