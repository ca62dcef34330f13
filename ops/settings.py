"""The settings of a laptop's environment: folders, ports, source of the data, query engine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from smart_hub.core.settings import PREFIX
from smart_hub.shared.layout import DEFAULT_STACK, database_name

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("duckdb", "trino")
TRINO_VERSION = "476"  # Athena engine version 3 lacks features of newer versions


class AwsClient(TypedDict):
    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class UserError(Exception):
    """A mistake that the user can correct; the message names the setting at fault and what to do."""


@dataclass(frozen=True)
class LaptopSettings:
    """Settings of one environment. Environments with different `local` and ports can run at the same time."""

    local: Path = ROOT / ".local"  # all state: databases, objects, logs, process records
    airflow_port: int = 8080
    aws_port: int = 4566
    source: str = str(ROOT / "include" / "data")  # folder or s3:// prefix with the layout of the raw data
    host: str = "127.0.0.1"
    stack: str = DEFAULT_STACK
    region: str = "us-east-1"
    account: str = "000000000000"  # the local AWS has no other
    engine: str = "duckdb"  # query engine of Athena: duckdb or trino
    external_trino: str = ""  # URL of the user's own Trino
    query_memory: str = "2G"  # limit of each query on DuckDB, before it spills to disk
    trino_port: int = 8090
    trino_memory: str = "3G"  # in the syntax of the JVM's -Xmx
    trino_home: Path = Path.home() / ".cache" / "smart-hub" / f"trino-{TRINO_VERSION}"  # the installed server
    request_log: Path | None = None  # log file with a line for each request to the local AWS
    package: Mapping[str, str] = field(default_factory=dict)  # the user's settings of the DAGs, SMART_HUB_…

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> LaptopSettings:
        """Settings from SMART_HUB_LOCAL, AIRFLOW_PORT, AWS_PORT, SOURCE, STACK, QUERY_MEMORY, ENGINE, TRINO_URL (which
        implies ENGINE=trino), TRINO_PORT, TRINO_MEMORY and TRINO_HOME. An empty variable counts as unset. Other
        variables SMART_HUB_… are settings of the DAGs and are passed to them unchanged.

        Raises UserError for an invalid value.
        """
        source = environment.get("SOURCE") or cls.source
        external = (environment.get("TRINO_URL") or "").rstrip("/")
        if external and not re.fullmatch(r"http://[\w.-]+:\d+", external):
            raise UserError(f"TRINO_URL={external} is not a URL such as http://127.0.0.1:8090")
        engine = environment.get("ENGINE") or ("trino" if external else cls.engine)
        if engine not in ENGINES or (external and engine != "trino"):
            raise UserError(f"ENGINE={engine}: expected {' or '.join(ENGINES)}; TRINO_URL needs trino")
        return cls(
            local=Path(environment.get("SMART_HUB_LOCAL") or cls.local).resolve(),
            airflow_port=_port(environment, "AIRFLOW_PORT", cls.airflow_port),
            aws_port=_port(environment, "AWS_PORT", cls.aws_port),
            source=source if source.startswith("s3://") else str(Path(source).expanduser().resolve()),
            stack=environment.get("STACK") or cls.stack,
            engine=engine,
            external_trino=external,
            trino_port=_port(environment, "TRINO_PORT", cls.trino_port),
            query_memory=_size(environment, "QUERY_MEMORY", cls.query_memory),
            trino_memory=_size(environment, "TRINO_MEMORY", cls.trino_memory),
            trino_home=Path(environment.get("TRINO_HOME") or cls.trino_home).expanduser().resolve(),
            package={
                name: value
                for name, value in environment.items()
                if name.startswith(PREFIX) and name != "SMART_HUB_LOCAL"
            },
        )

    @property
    def airflow_url(self) -> str:
        return f"http://{self.host}:{self.airflow_port}"

    @property
    def task_api_port(self) -> int:
        return self.airflow_port + 1  # derived, so that one setting changes both

    @property
    def aws_url(self) -> str:
        return f"http://{self.host}:{self.aws_port}"

    @property
    def own_trino_url(self) -> str:
        return f"http://{self.host}:{self.trino_port}"

    @property
    def trino_url(self) -> str:
        return self.external_trino or self.own_trino_url

    @property
    def trino_log(self) -> str:
        """The log of Trino, for messages to the user."""
        return str(self.logs / "trino.log")

    @property
    def home(self) -> Path:
        return self.local / "home"  # the services' home folder, instead of the user's

    @property
    def airflow_home(self) -> Path:
        return self.local / "airflow"

    @property
    def run(self) -> Path:
        return self.local / "run"  # one record for each background process

    @property
    def logs(self) -> Path:
        return self.local / "logs"

    @property
    def data_bucket(self) -> str:
        return f"{self.stack}-data-{self.account}-{self.region}"

    @property
    def database(self) -> str:
        return database_name(self.stack)

    @property
    def airflow_role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.stack}-airflow"

    @property
    def aws_client(self) -> AwsClient:
        """Arguments of `boto3.client` for the local AWS."""
        return {
            "endpoint_url": self.aws_url,
            "region_name": self.region,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }


def _size(environment: Mapping[str, str], name: str, default: str) -> str:
    size = environment.get(name) or default
    if not re.fullmatch(r"[1-9]\d*[MG]", size):
        raise UserError(f"{name}={size} is not a size: write it as 3G or 3000M")
    return size


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65535:
        raise UserError(f"{name}={text} is not a port: expected a number from 1 to 65534")
    return int(text)
