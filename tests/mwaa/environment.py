"""What MWAA makes of its bucket, in a folder: its packages, its folders, its variables, its components.

After https://github.com/aws/amazon-mwaa-docker-images, images/airflow/3.3.1: Dockerfile.base has the folders and
PYTHONPATH, python/mwaa/config/airflow.py Airflow's options, python/mwaa/config/setup_environment.py what goes before
what, python/mwaa/utils/user_requirements.py the installation, python/mwaa/execute_command.py the components.

Other than there: LocalExecutor instead of Celery on SQS, SQLite instead of PostgreSQL, logs in files, no login by IAM.
"""

import base64
import json
import os
import re
import secrets
import subprocess
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ops import processes

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "mwaa.lock"
CONSTRAINTS = ROOT / "requirements" / "mwaa-3.3.1-python-3.12.txt"
VENV = ROOT / ".venv-mwaa"
UV = ROOT / ".venv-uv" / "bin"
SECONDS = 600  # for a busy machine; an idle one takes a tenth of it

# What a startup script cannot set: it is MWAA's own.
PROTECTED = {
    *("AIRFLOW_HOME", "AIRFLOW_VERSION", "AIRFLOW__API__BASE_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV", "PYTHONPATH", "PYTHONUNBUFFERED"),
}
# As MWAA sets them; a startup script can override them.
OPINIONATED = {
    "AIRFLOW__CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "True",
    "AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES": "proxy,proxies",
    "AIRFLOW__API__SERVER_TYPE": "gunicorn",
    "AIRFLOW__API__WORKER_REFRESH_INTERVAL": "43200",
    "AIRFLOW__API__WORKER_REFRESH_BATCH_SIZE": "1",
    "AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION": "False",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "1800.0",
    "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
    "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
# As MWAA sets them, whatever others set.
ESSENTIAL = {
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__MULTI_TEAM": "False",
    "AIRFLOW__API_AUTH__JWT_ALGORITHM": "HS256",
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "86400",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
    "AIRFLOW__TRIGGERER__QUEUES_ENABLED": "False",
}


@dataclass
class Mwaa:
    """One environment in `folder`; `aws` are the variables that AWS gives to its containers."""

    folder: Path
    port: int  # of the API server; the one after it is the tasks'
    aws: Mapping[str, str]
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    keys: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())

    @property
    def home(self) -> Path:
        return self.folder / "usr-local-airflow"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fetch(self, s3: Any, bucket: str) -> None:
        """What the bucket holds, where MWAA puts it."""
        for folder in ("dags", "plugins", "requirements", "startup"):
            (self.home / folder).mkdir(parents=True)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="dags/"):
            for item in page["Contents"]:
                path = self.home / item["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(path))
        s3.download_file(bucket, "requirements.txt", str(self.requirements))
        s3.download_file(bucket, "startup.sh", str(self.startup))
        s3.download_file(bucket, "plugins.zip", str(self.folder / "plugins.zip"))
        with zipfile.ZipFile(self.folder / "plugins.zip") as archive:
            archive.extractall(self.home / "plugins")

    @property
    def requirements(self) -> Path:
        return self.home / "requirements" / "requirements.txt"

    @property
    def startup(self) -> Path:
        return self.home / "startup" / "startup.sh"

    def install(self) -> None:
        """The requirements on top of the image's packages, which are made to be exactly those of the lock before."""
        subprocess.run(
            [UV / "uv", "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", str(LOCK)],
            env={**os.environ, "VIRTUAL_ENV": str(VENV)},
            check=True,
        )
        before = packages()
        # MWAA leaves its constraints out for these words, be they in a comment.
        text = self.requirements.read_text()
        forced = [] if re.search(r"-c |--constraint ", text) else ["-c", str(CONSTRAINTS)]
        essential = self.folder / "essential.txt"
        essential.write_text("apache-airflow==3.3.1\n")  # of MWAA's essential constraints what its other list has not
        subprocess.run(
            [
                *(UV / "pip", "--python", VENV / "bin" / "python", "--disable-pip-version-check", "install", "--quiet"),
                *("-r", self.requirements, *forced, "-c", essential),
            ],
            check=True,
            timeout=9 * 60,  # MWAA's own limit
        )
        self.before, self.after = before, packages()

    def variables(self) -> dict[str, str]:
        """What each component's process finds in its environment."""
        python = self.folder / "python"  # MWAA's own modules there, none of ours
        python.mkdir(exist_ok=True)
        container = {
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_VERSION": "3.3.1",
            "PYTHONPATH": str(python),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            **self.aws,
        }
        script = self.exported(container | OPINIONATED)
        own = {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port + 1}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": self.keys,
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__CORE__PARALLELISM": "4",  # SQLite locks up under many more
            "AIRFLOW__API_AUTH__JWT_SECRET": self.keys * 2,
            "AIRFLOW__API__SECRET_KEY": self.keys,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # the sample data have no yesterday
        }
        return (
            container | OPINIONATED | script | {k: container[k] for k in PROTECTED & set(container)} | ESSENTIAL | own
        )

    def exported(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the startup script exports, or changes, in this environment."""
        done = subprocess.run(
            ["bash", "-c", 'source "$1" >&2 && env -0', "bash", self.startup],
            env=dict(environment),
            capture_output=True,
            check=True,
            timeout=10,
        )
        pairs = (line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
        changed = {name: value for name, value in pairs if environment.get(name) != value}
        return {name: value for name, value in changed.items() if name not in ("_", "PWD", "SHLVL", "OLDPWD")}

    def run(self, *command: str) -> str:
        """A command of its environment: what it prints."""
        done = subprocess.run(
            [str(VENV / "bin" / command[0]), *command[1:]],
            env=self.variables(),
            cwd=self.elsewhere,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def elsewhere(self) -> Path:
        """A folder with nothing in it, to work in."""
        path = self.folder / "elsewhere"
        path.mkdir(exist_ok=True)
        return path

    def start(self) -> None:
        """The database, a user with the role Admin, and the components; returns when all are well."""
        self.run("airflow", "db", "migrate")
        admin = ["--username", "admin", "--role", "Admin", "--email", "admin@example.com", "--password", self.password]
        self.run("airflow", "users", "create", *admin, "--firstname", "Ad", "--lastname", "Min")
        for folder in (self.folder / "run", self.folder / "logs"):
            folder.mkdir()
        variables = self.variables()
        for name, command in {
            # Two, as in the demo: on SQLite one for both can stand still for a minute.
            "api-server": ("api-server", "--apps", "core"),
            "task-api": ("api-server", "--apps", "execution", "--port", str(self.port + 1)),
            "scheduler": ("scheduler", "--skip-serve-logs"),
            "dag-processor": ("dag-processor",),
            "triggerer": ("triggerer", "--skip-serve-logs"),
        }.items():
            processes.start(
                name,
                (str(VENV / "bin" / "airflow"), *command),
                variables,
                folder=self.folder / "run",
                log=self.log(name),
                cwd=self.elsewhere,
            )
        deadline = time.monotonic() + SECONDS
        while not self._healthy():
            for name, process in processes.recorded(self.folder / "run").items():
                assert process.running(), f"{name} has ended:\n{processes.tail(self.log(name))}"
                assert time.monotonic() < deadline, f"not healthy:\n{processes.tail(self.log(name))}"
            time.sleep(0.5)

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def stop(self) -> None:
        run = self.folder / "run"
        processes.stop(processes.recorded(run).values(), folder=run)

    def _healthy(self) -> bool:
        try:
            tasks = httpx.get(f"http://127.0.0.1:{self.port + 1}/execution/health", trust_env=False, timeout=10)
            report = httpx.get(f"{self.url}/api/v2/monitor/health", trust_env=False, timeout=10)
        except httpx.TransportError:
            return False
        if not (tasks.is_success and report.is_success):
            return False
        states: dict[str, Any] = report.json()
        return all(states[name]["status"] == "healthy" for name in ("scheduler", "dag_processor", "triggerer"))

    def client(self) -> httpx.Client:
        """The web server, signed in."""
        client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)
        answer = client.post("/auth/token", json={"username": "admin", "password": self.password})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        return client


def packages() -> dict[str, str]:
    """What is installed in the environment of MWAA's packages: name -> version."""
    listed = subprocess.run(
        [UV / "pip", "--python", VENV / "bin" / "python", "list", "--format", "json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
    )
    return {
        item["name"].lower().replace("_", "-").replace(".", "-"): item["version"] for item in json.loads(listed.stdout)
    }
