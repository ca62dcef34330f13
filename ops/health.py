"""Health checks of the services."""

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
# Airflow's services with a heartbeat, and their names in the response of Airflow's health endpoint.
HEARTBEATS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def aws_is_healthy(settings: LaptopSettings) -> bool:
    return _get(f"{settings.aws_url}/_localaws/health") is not None


def trino_is_healthy(settings: LaptopSettings) -> bool:
    """Whether Trino reports that it has started. It can still have no active node then."""
    info = _get(f"{settings.trino_url}/v1/info")
    return info is not None and info.get("starting") is False


def trino_is_ready(athena: AthenaClient, settings: LaptopSettings) -> bool:
    """Whether Trino is healthy and runs queries. Raises UserError as ``trino_reads`` does."""
    return trino_is_healthy(settings) and trino_reads(athena, settings)


def trino_reads(athena: AthenaClient, settings: LaptopSettings) -> bool:
    """Whether a query of the deployed tables succeeds. False if Trino has no active node yet, or after a minute.

    Raises UserError with the reason if the query fails for another reason.
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
            raise UserError(f"Trino cannot read the tables: {reason}; its log: {settings.trino_log}")
        if status["State"] in ("FAILED", "CANCELLED"):
            return False
        if time.monotonic() > deadline:
            athena.stop_query_execution(QueryExecutionId=query)
            return False
        time.sleep(0.2)


def airflow_is_healthy(settings: LaptopSettings) -> bool:
    """Whether each component has sent a heartbeat since it was started. Airflow accepts older ones for 30 s."""
    if not _get(f"http://{settings.host}:{settings.task_api_port}/execution/health"):
        return False
    components = _get(f"{settings.airflow_url}/api/v2/monitor/health")
    if components is None:
        return False
    records = processes.recorded(settings.run)
    for name, key in HEARTBEATS.items():
        heartbeat = datetime.fromisoformat(components[key][f"latest_{key}_heartbeat"])
        if components[key]["status"] != "healthy" or heartbeat.timestamp() < records[name].started:
            return False
    return True


def _get(url: str) -> dict[str, Any] | None:
    """The JSON response of a health endpoint; None if it cannot be reached or has another status than 200."""
    try:
        response = httpx.get(url, timeout=10, trust_env=False)
    except httpx.TransportError:
        return None
    return dict(response.json()) if response.status_code == httpx.codes.OK else None
