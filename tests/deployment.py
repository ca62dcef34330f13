"""A stack on a local AWS, and runs of the daily DAG on it. Needs the environment of Airflow."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import boto3

# A folder of its own for Airflow, before anything imports it.
_HOME = tempfile.TemporaryDirectory(prefix="smart-hub-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name

from benchmarks import dag_runner  # noqa: E402
from localaws.testing import AthenaClient, LocalAws  # noqa: E402
from ops.deploy import deploy  # noqa: E402
from ops.environment import airflow_environment  # noqa: E402
from ops.settings import ROOT, LaptopSettings  # noqa: E402
from smart_hub.shared.layout import content_hash_values  # noqa: E402


class Deployment:
    """The stack on a local AWS. The tasks of the daily DAG run in this process, under Airflow's role.

    folder: for files that Airflow's settings need; parameters: of the stack.

    results: return values of the last run's tasks, up to its first failure, by task id.
    """

    results: Mapping[str, Any]

    def __init__(self, aws: LocalAws, folder: Path, parameters: Mapping[str, str] | None = None) -> None:
        self.aws = aws
        self._settings = LaptopSettings(local=folder, aws_port=aws.port)
        session = boto3.Session("test", "test", region_name=self._settings.region)
        outputs = deploy(session, endpoint_url=aws.endpoint, parameters=parameters or {}, log=lambda text: None)
        self.bucket = outputs["DataBucket"]
        self.athena = AthenaClient(aws, self.bucket, outputs["Database"])

    def run(
        self, day: str, source: Path | str = ROOT / "include" / "data", last_task: str | None = None, **package: str
    ) -> None:
        """Runs the day of a source. Raises dag_runner.TaskError.

        last_task: the DAG is run only up to this task; package: further settings SMART_HUB_….
        """
        environment = airflow_environment(replace(self._settings, source=str(source), package=package))
        self.results = results = {}
        with mock.patch.dict(os.environ, environment):
            dag = dag_runner.daily_dag()
            for task in dag_runner.run(dag.partial_subset([last_task]) if last_task else dag, day):
                results[task.task_id] = task.result

    def intermediate_rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of a query on intermediate tables of the last run, which a whole run deletes.

        sql: with names from the functions' results such as {compacted_table}, and {rates_content_hash} and its like.
        """
        names = content_hash_values(self.results["step_1_copy_raw_data"]["content_hashes"])
        for task_id in ("step_3_convert", "step_5_transform", "step_6_compact"):
            names |= json.loads(self.results[task_id])
        return self.athena.rows(sql.format(**names))

    def audit(self, day: str) -> dict[str, tuple[str | None, ...]]:
        """Severity, violations and sample of each rule, as the table data_quality has them of the day."""
        rows = self.athena.rows(f"SELECT rule, severity, violations, sample FROM data_quality WHERE dt = DATE '{day}'")
        results = {str(rule): tuple(result) for rule, *result in rows}
        assert len(results) == len(rows), f"{day} was audited more than once"
        return results
