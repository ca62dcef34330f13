"""The laptop environment's services: the local AWS and Airflow, in the background.

python -m ops.services up        start missing services, deploy the stack, wait until all services are healthy
python -m ops.services down      stop the processes that `up` started
python -m ops.services status    list the services and their addresses
python -m ops.services airflow   run the Airflow CLI in the services' environment
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import boto3

from ops import health, local_command, processes, trino
from ops.environment import (
    AIRFLOW,
    PYTHON,
    airflow_environment,
    aws_environment,
    database_url,
    inherited,
    isolate,
    private,
)
from ops.settings import ROOT, LaptopSettings, UserError

AWS_PYTHON = ROOT / ".venv-localaws" / "bin" / "python"
START_SECONDS = 180  # for a slow laptop; usually a tenth of it
AIRFLOW_COMPONENTS = {  # service: its command
    # Tasks have their own API server. A shared one can block for a minute: the audit log, which is written on its
    # event loop, waits for SQLite's lock; a task's request has the lock, and its commit waits for the event loop.
    "api-server": ("api-server", "--apps", "core"),
    "task-api": ("api-server", "--apps", "execution"),
    # The log servers would listen on all addresses; the API server reads the same log folder anyway.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


@dataclass(frozen=True)
class Service:
    """A service is restarted if its command, its environment or a file of `code` has changed."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    code: tuple[Path, ...]
    port: int | None
    port_setting: str

    def fingerprint(self) -> str:
        """A digest of command, environment and code."""
        digest = hashlib.sha256(json.dumps([self.command, dict(self.environment)], sort_keys=True).encode())
        for folder in self.code:
            for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
                digest.update(f"{path}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def local_aws(settings: LaptopSettings) -> Service:
    state = settings.local / "aws"
    command = [str(AWS_PYTHON), "-m", "localaws", "--port", str(settings.aws_port), "--state", str(state)]
    if settings.engine == "trino":
        command += ["--engine", "trino", "--trino-url", settings.trino_url]
    else:
        command += ["--query-memory", settings.query_memory]
    if settings.request_log:
        command += ["--access-log", str(settings.request_log)]
    code = (ROOT / "packages" / "localaws" / "src", ROOT / "requirements" / "localaws.lock")
    return Service("local-aws", tuple(command), aws_environment(settings), code, settings.aws_port, "AWS_PORT")


def query_engine(settings: LaptopSettings) -> list[Service]:
    """The service Trino, if the settings need it. Writes its configuration. Raises UserError if it is not installed."""
    if settings.engine != "trino" or settings.external_trino:
        return []
    command, files = trino.prepare(settings)
    return [Service("trino", command, {}, files, settings.trino_port, "TRINO_PORT")]


def airflow(settings: LaptopSettings) -> list[Service]:
    environment = airflow_environment(settings)
    code = (ROOT / "plugins", *sorted((ROOT / "requirements").glob("airflow*.lock")))
    ports = {"api-server": settings.airflow_port, "task-api": settings.task_api_port}
    return [
        Service(
            name,
            (str(AIRFLOW), *arguments, *(["--port", str(ports[name])] if name in ports else [])),
            environment,
            code,
            ports.get(name),
            "AIRFLOW_PORT",
        )
        for name, arguments in AIRFLOW_COMPONENTS.items()
    ]


def up(settings: LaptopSettings, say: Callable[[str], None] = print, *, with_airflow: bool = True) -> None:
    """Start services that are not running or have other settings, deploy the stack, wait until all are healthy.

    with_airflow: False starts only the local AWS and its query engine.

    If this call fails or is interrupted, it stops the services that it has started. Raises UserError if a port is in
    use, if a service ends or does not become healthy in time, and if the user's own Trino is not ready.
    """
    if settings.external_trino and not health.trino_is_healthy(settings):
        raise UserError(f"no Trino is ready at TRINO_URL={settings.trino_url}: start it, or unset TRINO_URL")
    local_command.check_disk(settings.local)
    private(settings.local, settings.home, settings.run, settings.logs, settings.airflow_home)
    with local_command.naming_a_full_disk(settings.local), _exclusive(settings, say), ExitStack() as undo:
        engine = query_engine(settings)
        services = [local_aws(settings), *engine, *(airflow(settings) if with_airflow else [])]
        records = processes.recorded(settings.run)
        current = {
            service.name
            for service in services
            if (process := records.get(service.name))
            and process.fingerprint == service.fingerprint()
            and process.running()
        }
        if not current.issuperset(AIRFLOW_COMPONENTS):
            current -= AIRFLOW_COMPONENTS.keys()  # Airflow restarts as a whole
        stale = [process for name, process in records.items() if name not in current]
        own_ports = {process.port for process in records.values() if process.members()}
        _check_ports((s for s in services if s.port not in own_ports), settings.host)
        if any(process.members() for process in stale):
            say("Stopping services with other settings and incomplete ones")
        _stop(stale, settings)

        begun = time.monotonic()
        for service in services:
            if service.name in current:
                continue
            if service.name == "api-server":
                _migrate(settings, service.environment, say)
            say(f"Starting {service.name}")
            undo.callback(processes.stop, [_start(service, settings)], folder=settings.run)
        _wait("the local AWS", ["local-aws"], lambda: health.aws_is_healthy(settings), settings)
        _deploy(settings, say)
        if engine:
            athena = boto3.client("athena", **settings.aws_client)
            _wait("Trino", ["trino"], lambda: health.trino_is_ready(athena, settings), settings)
        if with_airflow:
            _wait("Airflow", [*AIRFLOW_COMPONENTS], lambda: health.airflow_is_healthy(settings), settings)
        if len(current) < len(services):
            say(f"Ready after {time.monotonic() - begun:.0f} s")
        undo.pop_all()


def down(settings: LaptopSettings, say: Callable[[str], None] = print) -> None:
    """Stop the recorded services, Airflow before the local AWS. Other processes are not affected."""
    if not settings.run.exists():
        return
    with _exclusive(settings, say):
        records = processes.recorded(settings.run)
        running = [name for name, process in records.items() if process.members()]
        say(f"Stopping {', '.join(running)}" if running else "Nothing is running")
        _stop(list(records.values()), settings)


def _stop(stopped: list[processes.Process], settings: LaptopSettings) -> None:
    """Stop processes, Airflow's before the local AWS that they use."""
    triggerer, aws = ([process for process in stopped if process.name == name] for name in ("triggerer", "local-aws"))
    # Airflow 3.3's triggerer waits ten seconds for its runner, even if the runner has already ended.
    processes.stop(triggerer, folder=settings.run, patience=1)
    processes.stop([process for process in stopped if process not in aws], folder=settings.run)
    processes.stop(aws, folder=settings.run)


def status(settings: LaptopSettings) -> bool:
    """Print a line for each service. True if all are running."""
    records = processes.recorded(settings.run)
    states = []
    for name in ("local-aws", *(["trino"] if "trino" in records else []), *AIRFLOW_COMPONENTS):
        process = records.get(name)
        states.append(process is not None and process.running())
        if not process or not states[-1]:
            print(f"{name:14}not running")
            continue
        since = f"since {datetime.fromtimestamp(process.started):%Y-%m-%d %H:%M:%S}"
        address = f", http://{settings.host}:{process.port}" if process.port else ""
        print(f"{name:14}running, pid {process.pid}, {since}{address}")
    return all(states)


def _start(service: Service, settings: LaptopSettings) -> processes.Process:
    return processes.start(
        service.name,
        service.command,
        {**inherited(settings), **service.environment},
        folder=settings.run,
        log=settings.logs / f"{service.name}.log",
        cwd=ROOT,
        fingerprint=service.fingerprint(),
        port=service.port,
    )


def _migrate(settings: LaptopSettings, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Create Airflow's database, or upgrade it if another version of Airflow has created it."""
    database, stamp = settings.airflow_home / "airflow.db", settings.airflow_home / "airflow.db.version"
    release = version("apache-airflow-core")
    if database.exists() and stamp.exists() and stamp.read_text() == release:
        return
    say("Preparing Airflow's database")
    # A new database is renamed when it is complete, because the first start can be interrupted.
    target = database if database.exists() else database.with_suffix(".new")
    if target != database:
        target.unlink(missing_ok=True)
    url = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(target)}
    _run("migrate", [str(AIRFLOW), "db", "migrate"], {**environment, **url}, settings)
    target.rename(database)
    stamp.write_text(release)


def _deploy(settings: LaptopSettings, say: Callable[[str], None]) -> None:
    say("Deploying the stack")
    command = [str(PYTHON), "-m", "ops.deploy", "--stack", settings.stack, "--endpoint-url", settings.aws_url]
    if settings.source.startswith("s3://"):
        command += ["--source", settings.source]  # gives Airflow's role access to it
    else:
        command += ["--parameter", "SourceBucket=", "--parameter", "SourcePrefix="]
    _run("deploy", command, aws_environment(settings), settings)


def _run(name: str, command: list[str], environment: Mapping[str, str], settings: LaptopSettings) -> None:
    """Run a command and write its output to a log. Raises UserError with the log's last lines if it fails."""
    log = settings.logs / f"{name}.log"
    with log.open("wb") as output:
        completed = subprocess.run(
            command,
            env={**inherited(settings), **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if completed.returncode:
        raise UserError(f"{name} failed (exit {completed.returncode}), from {log}:\n{processes.tail(log)}")


def _wait(title: str, names: list[str], healthy: Callable[[], bool], settings: LaptopSettings) -> None:
    """Wait until healthy. Raises UserError with the logs' last lines if a service ends, and after a timeout."""
    deadline = time.monotonic() + START_SECONDS
    while not healthy():
        records = processes.recorded(settings.run)
        ended = [name for name in names if name not in records or not records[name].running()]
        if ended or time.monotonic() > deadline:
            logs = [settings.logs / f"{name}.log" for name in ended or names]
            reason = f"{', '.join(ended)} ended" if ended else f"not healthy after {START_SECONDS} s"
            raise UserError(
                f"{title} did not start: {reason}\n"
                + "\n".join(f"  {log}, its last lines:\n{processes.tail(log)}" for log in logs)
            )
        time.sleep(0.2)


def _check_ports(services: Iterable[Service], host: str) -> None:
    for service in services:
        if service.port is not None and _is_in_use(host, service.port):
            raise UserError(
                f"port {service.port}, for {service.name}, is used by another program: stop it, or choose "
                f"another port with {service.port_setting}=<number>"
            )


def _is_in_use(host: str, port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


@contextmanager
def _exclusive(settings: LaptopSettings, say: Callable[[str], None]) -> Iterator[None]:
    """Allows one `up` or `down` of an environment at a time."""
    with (settings.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another command that starts or stops these services")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # undo after SIGTERM as after Ctrl-C
    if arguments[:1] == ["airflow"]:
        return local_command.run(lambda: _cli(LaptopSettings.from_environment(), arguments[1:]))
    parser = argparse.ArgumentParser(prog="python -m ops.services", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "status", "airflow"])
    command = parser.parse_args(arguments).command
    return local_command.run(lambda: _do(command, isolate(LaptopSettings.from_environment())))


def _do(command: str, settings: LaptopSettings) -> int:
    if command == "status":
        return 0 if status(settings) else 1
    if command == "down":
        down(settings)
    else:
        up(settings)
        print(f"Airflow   {settings.airflow_url}\nLocal AWS {settings.aws_url}")
    return 0


def _cli(settings: LaptopSettings, arguments: list[str]) -> int:
    if not (settings.airflow_home / "airflow.db").exists():
        raise UserError(f"there is no Airflow in {settings.local} yet: run `make up` first")
    os.chdir(ROOT)
    os.execve(AIRFLOW, [str(AIRFLOW), *arguments], inherited(settings) | airflow_environment(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
