"""Whether the services are well."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from ops import processes
from ops.settings import LaptopSettings, UserError
from smart_hub.shared.layout import RESULTS_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

QUERY_SECONDS = 60
# Of Airflow's services those that its health report has, by their names there.
HEARTBEATS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def aws_is_healthy(settings: LaptopSettings) -> bool:
    return _get(f"{settings.aws_url}/_localaws/health") is not None


def trino_is_healthy(settings: LaptopSettings) -> bool:
    """Whether the Trino answers that it has started; it may not know itself for a node that works yet."""
    info = _get(f"{settings.trino_url}/v1/info")
    return info is not None and info.get("starting") is False


def trino_is_ready(athena: AthenaClient, settings: LaptopSettings) -> bool:
    """Whether the Trino is healthy and answers queries. Raises UserError as ``trino_reads`` does."""
    return trino_is_healthy(settings) and trino_reads(athena, settings)


def trino_reads(athena: AthenaClient, settings: LaptopSettings) -> bool:
    """Whether a query of the deployed tables runs: Trino is healthy before it knows itself for a node that works.

    One that has not ended after a minute is stopped.

    Raises UserError with the reason when the query fails for any other.
    """
    query = athena.start_query_execution(
        QueryString="SELECT reason, count(*) FROM usage_rejects GROUP BY reason",
        QueryExecutionContext={"Database": settings.database},
        WorkGroup=settings.stack,
        ResultConfiguration={"OutputLocation": f"s3://{settings.data_bucket}/{RESULTS_PREFIX}ready/"},
    )["QueryExecutionId"]
    deadline = time.monotonic() + QUERY_SECONDS
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return True
        reason = status.get("StateChangeReason", "")
        if status["State"] == "FAILED" and not reason.startswith("NO_NODES_AVAILABLE"):
            raise UserError(f"Trino does not read the tables: {reason}; its log: {settings.trino_log}")
        if status["State"] in ("FAILED", "CANCELLED"):
            return False
        if time.monotonic() > deadline:
            athena.stop_query_execution(QueryExecutionId=query)
            return False
        time.sleep(0.2)


def airflow_is_healthy(settings: LaptopSettings) -> bool:
    """Whether each component has reported since it was started (a predecessor's report counts for 30 s)."""
    if not _get(f"http://{settings.host}:{settings.task_api_port}/execution/health"):
        return False
    report = _get(f"{settings.airflow_url}/api/v2/monitor/health")
    if report is None:
        return False
    records = processes.recorded(settings.run)
    for name, key in HEARTBEATS.items():
        beat = report[key][f"latest_{key}_heartbeat"]
        if report[key]["status"] != "healthy" or datetime.fromisoformat(beat).timestamp() < records[name].started:
            return False
    return True


def _get(url: str) -> dict[str, Any] | None:
    """The JSON answer of a health endpoint; None while it cannot be reached or is not well."""
    try:
        response = httpx.get(url, timeout=10, trust_env=False)
    except httpx.TransportError:
        return None
    return dict(response.json()) if response.status_code == httpx.codes.OK else None
