"""The environment variables of the services and of the commands that work on them.

No process that runs on the laptop can reach a real AWS account: services get only an allow-list of the user's
variables, without any AWS, Airflow or proxy settings.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ops import keys
from ops.settings import ROOT, LaptopSettings

PYTHON = Path(sys.prefix) / "bin" / "python"  # of the environment that this command runs in, as make chose it
AIRFLOW = PYTHON.with_name("airflow")

# The user's variables that services get: paths of programs and libraries, and terminal settings. This is an allow-list
# because too many variables can redirect a client: proxies, certificates, profiles, endpoints, AIRFLOW__….
INHERITED = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "JAVA_HOME"),
    *("USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE"),
    *("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"),
)
# Clients also read these files if no variable names another one.
NO_USER_FILES = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "BOTO_CONFIG": os.devnull,  # of boto 2; botocore takes credentials from it
    "NETRC": os.devnull,
}
# Clients also query the metadata service of EC2 and, on macOS, the system's proxy settings.
NO_OTHER_HOST = {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "no_proxy": "*"}


def aws_environment(settings: LaptopSettings) -> dict[str, str]:
    """Variables with which every AWS client uses the local AWS, as the root user of its account."""
    return {
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
    }


def airflow_environment(settings: LaptopSettings) -> dict[str, str]:
    """Airflow's whole configuration. Generates the environment's secrets on first use."""
    home = settings.airflow_home
    # As on AWS, Airflow uses its role for everything. Clients without the connection have no credentials.
    connection = {
        "conn_type": "aws",
        "login": "test",
        "password": "test",
        "extra": {
            "endpoint_url": settings.aws_url,
            "service_config": {"sts": {"endpoint_url": settings.aws_url}},
            "region_name": settings.region,
            "role_arn": settings.airflow_role,
        },
    }
    return {
        "AWS_ENDPOINT_URL": settings.aws_url,
        "AWS_DEFAULT_REGION": settings.region,
        **NO_OTHER_HOST,
        **_secrets(home / "secrets.json"),
        "PYTHONPATH": str(ROOT / "ops" / "airflow_config"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",  # tasks at once; SQLite locks up under many more
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",  # no login: it listens on loopback only
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{settings.host}:{settings.task_api_port}/execution/",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # the default asks DNS, which can hang
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(home / "airflow.db"),
        "AIRFLOW__API__HOST": settings.host,
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": settings.airflow_url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # only runs that are triggered or backfilled
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # If a supervisor misses the end of its task, it notices it only at its next heartbeat; the default is 5 s.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",  # parse a new file within seconds,
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # and a known file after minutes
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        # The user's settings of the DAGs, except for those that select the AWS resources of this environment.
        **settings.package,
        "SMART_HUB_AWS_CONN_ID": "aws_default",
        "SMART_HUB_STACK": settings.stack,
        "SMART_HUB_DATA_BUCKET": settings.data_bucket,
        "SMART_HUB_SOURCE": settings.source,
        "SMART_HUB_MIRROR": "true",
        "SMART_HUB_INCLUDE": str(ROOT / "include"),
    }


def inherited(settings: LaptopSettings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of services: the inherited variables of the user, and a home folder of their own."""
    allowed = {name: environment[name] for name in INHERITED if name in environment}
    return {
        **allowed,
        **NO_USER_FILES,
        **NO_OTHER_HOST,
        "HOME": str(settings.home),  # libraries look for configuration there: ~/.aws/models, ~/.duckdb, …
        "PATH": os.pathsep.join(dict.fromkeys([str(AIRFLOW.parent), allowed.get("PATH", os.defpath)])),
        "PYTHONUNBUFFERED": "1",
    }


def isolate(settings: LaptopSettings) -> LaptopSettings:
    """Replace the environment of this process by that of the services, so that its clients behave like theirs."""
    environment = inherited(settings) | aws_environment(settings)
    os.environ.clear()
    os.environ.update(environment)
    return settings


def _secrets(path: Path) -> dict[str, str]:
    """Airflow's internal keys. They are generated once, and only the user can read them."""
    if not path.exists():
        private(path.parent)
        part = path.with_suffix(f".{os.getpid()}")
        part.touch(mode=0o600, exist_ok=False)
        part.write_text(json.dumps(keys.airflow()))
        part.rename(path)
    return dict(json.loads(path.read_text()))


def database_url(path: Path) -> str:
    return f"sqlite:///{path}?timeout=60"  # seconds to wait for another process's lock


def private(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
