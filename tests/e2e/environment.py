"""A laptop environment in a folder and on ports of its own, driven as a user would."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx

ROOT = Path(__file__).resolve().parents[2]
DAYS = ["2019-12-21", "2019-12-22"]
SECONDS = 600  # for a demo on a busy machine; a cold one takes a tenth of it on an idle one


@dataclass(frozen=True)
class Environment:
    """A laptop environment in a folder and on ports of its own.

    users: additional variables of the user; root: the checkout whose commands are run.
    """

    local: Path
    airflow_port: int
    aws_port: int
    users: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT

    def make(self, target: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", target, *(f"{name}={value}" for name, value in settings.items()))

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command on this environment, and returns its output."""
        own = {
            "SMART_HUB_LOCAL": str(self.local),
            "AIRFLOW_PORT": str(self.airflow_port),
            "AWS_PORT": str(self.aws_port),
        }
        return subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **self.users, **own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )

    @property
    def airflow(self) -> httpx.Client:
        """Airflow's REST API, for the DAG."""
        url = f"http://127.0.0.1:{self.airflow_port}/api/v2/dags/smart_hub_usage"
        return httpx.Client(base_url=url, trust_env=False, timeout=60)

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the DAG that Airflow knows."""
        return list(self.airflow.get("/dagRuns").raise_for_status().json()["dag_runs"])

    def finished(self, run_id: str, dag_id: str = "smart_hub_usage") -> dict[str, Any]:
        """The run, once it has ended."""
        deadline = time.monotonic() + SECONDS
        while True:
            run: dict[str, Any] = self.airflow.get(f"../{dag_id}/dagRuns/{run_id}").raise_for_status().json()
            if run["state"] in ("success", "failed"):
                return run
            assert time.monotonic() < deadline, run
            time.sleep(0.5)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.aws_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def select(self, statement: str) -> list[tuple[str, ...]]:
        """The rows of a query on Athena, without the header."""
        athena = self.client("athena")
        query = athena.start_query_execution(
            QueryString=statement,
            WorkGroup="smart-hub",
            QueryExecutionContext={"Database": "smart_hub"},
            ResultConfiguration={"OutputLocation": "s3://smart-hub-data-000000000000-us-east-1/athena-results/test/"},
        )["QueryExecutionId"]
        deadline = time.monotonic() + 60
        while (status := _status(athena, query))["State"] in ("QUEUED", "RUNNING"):
            assert time.monotonic() < deadline, statement
            time.sleep(0.05)
        assert status["State"] == "SUCCEEDED", status
        pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
        return [tuple(field.get("VarCharValue", "") for field in row) for row in rows[1:]]


def _status(athena: Any, query: str) -> Mapping[str, str]:
    status: Mapping[str, str] = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
    return status
