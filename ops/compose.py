"""The demo of docker-compose.yaml: runs the sample days once and prints the results.

It runs in a container after the other services have become healthy.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ops import demo, demo_results, health, local_command
from ops.airflow_api import Dag
from ops.settings import LaptopSettings, UserError
from smart_hub.shared.layout import DAILY_DAG

TRINO_SECONDS = 300  # a cold start with all of the official image's plugins


@dataclass(frozen=True)
class Containers(LaptopSettings):
    """Addresses of the services in the containers' network; `airflow_port` and `aws_port` are ports of the host."""

    @property
    def airflow_url(self) -> str:
        return "http://api-server:8080"

    @property
    def aws_url(self) -> str:
        return "http://local-aws:4566"

    @property
    def trino_url(self) -> str:
        return "http://trino:8080"

    @property
    def trino_log(self) -> str:
        return "docker compose logs trino"

    @property
    def airflow_home(self) -> Path:
        return Path(os.environ["AIRFLOW_HOME"])


def main(arguments: Sequence[str]) -> int:
    console = Console(soft_wrap=not sys.stdout.isatty())
    parser = argparse.ArgumentParser(prog="python -m ops.compose", description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="also run days that have succeeded")
    for name, default in (("FROM", demo.FIRST), ("TO", demo.LAST)):
        parser.add_argument(
            f"--{name.lower()}",
            dest=name,
            type=demo.day,
            default=os.environ.get(name) or str(default),
            help=f"default: ${name}, else {default}",
        )
    options = parser.parse_args(arguments)
    return local_command.run(lambda: _run(Containers.from_environment(), options, console))


def _run(settings: LaptopSettings, options: argparse.Namespace, console: Console) -> int:
    begun = time.monotonic()
    days = demo.days_between(options.FROM, options.TO)
    demo.check_folder(Path(settings.source), days)
    if settings.engine == "trino":
        wait_for_trino(settings)
    dag = Dag(settings.airflow_url)
    dag.wait_until_parsed()
    status = 0
    if options.again or not set(days) <= {run.day for run in dag.runs() if run.state == "success"}:
        status = demo.exit_status(demo.run(settings, days, console, begun))
    else:
        console.print("The days have run; `docker compose run --rm demo python -m ops.compose --again` repeats them")
    addresses = f"http://{settings.host}:{settings.airflow_port}"
    print(
        f"\nAirflow    {addresses}/dags/{DAILY_DAG}\n"
        f"Smart Hub  {addresses}/plugin/smart-hub\n"
        f"Local AWS  http://{settings.host}:{settings.aws_port}"
    )
    return status


def wait_for_trino(settings: LaptopSettings) -> None:
    """Return when the local Athena can run queries on Trino. Raises UserError after a timeout."""
    athena = demo_results.client(settings)
    deadline = time.monotonic() + TRINO_SECONDS
    while not health.trino_is_ready(athena, settings):
        if time.monotonic() > deadline:
            raise UserError(
                f"no Trino is ready at {settings.trino_url} after {TRINO_SECONDS} s: start it with "
                f"ENGINE=trino docker compose --profile trino up; or see {settings.trino_log}"
            )
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
