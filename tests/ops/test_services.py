"""`up`, `down` and `status` with small servers in the place of the local AWS and of Airflow."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops import processes, services
from ops.environment import airflow_environment
from ops.settings import ROOT, LaptopSettings, UserError
from tests.ports import free_ports

pytestmark = pytest.mark.service

SERVER = """
import http.server, json, sys
from datetime import datetime, timezone
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        beat = datetime.now(timezone.utc).isoformat()
        names = ("scheduler", "triggerer", "dag_processor")
        body = json.dumps({n: {"status": "healthy", f"latest_{n}_heartbeat": beat} for n in names}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
IDLE = "import time; time.sleep(300)"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[LaptopSettings]:
    airflow_port, aws_port = free_ports()
    made = LaptopSettings(local=tmp_path / "local", airflow_port=airflow_port, aws_port=aws_port)
    yield made
    services.down(made)


@pytest.fixture(autouse=True)
def small_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins with the services' own names, ports and environments; no deployment, no migration."""

    def small(service: services.Service) -> services.Service:
        arguments = ["-c", IDLE] if service.port is None else ["-c", SERVER, str(service.port)]
        command = (sys.executable, *arguments)
        return services.Service(service.name, command, service.environment, (), service.port, service.port_setting)

    aws, airflow = services.local_aws, services.airflow
    monkeypatch.setattr(services, "local_aws", lambda settings: small(aws(settings)))
    monkeypatch.setattr(services, "airflow", lambda settings: [small(one) for one in airflow(settings)])
    monkeypatch.setattr(services, "_deploy", lambda settings, say: say("Deploying"))
    monkeypatch.setattr(services, "_migrate", lambda settings, environment, say: None)


def pids(settings: LaptopSettings) -> dict[str, int]:
    return {name: process.pid for name, process in processes.recorded(settings.run).items()}


def kill(settings: LaptopSettings, name: str) -> None:
    process = processes.recorded(settings.run)[name]
    os.kill(process.pid, 9)
    while process.running():
        time.sleep(0.01)


def test_up_starts_each_service_and_down_ends_them(settings: LaptopSettings) -> None:
    services.up(settings)
    running = processes.recorded(settings.run)

    assert set(running) == {"local-aws", "api-server", "task-api", "scheduler", "dag-processor", "triggerer"}
    assert all(process.running() for process in running.values())
    assert services.status(settings)

    services.down(settings)

    assert not any(process.members() for process in running.values())
    assert not services.status(settings)


def test_status_names_the_ports_in_use_not_those_of_other_settings(
    settings: LaptopSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    services.up(settings)
    capsys.readouterr()

    services.status(replace(settings, aws_port=1, airflow_port=2))

    shown = capsys.readouterr().out
    assert settings.aws_url in shown
    assert settings.airflow_url in shown


def test_up_leaves_alone_what_runs(settings: LaptopSettings) -> None:
    services.up(settings)
    before = pids(settings)

    services.up(settings)

    assert pids(settings) == before


def test_up_starts_a_dead_service_again(settings: LaptopSettings) -> None:
    services.up(settings)
    before = pids(settings)
    kill(settings, "local-aws")

    services.up(settings)

    assert services.status(settings)
    assert {name for name, pid in pids(settings).items() if pid != before[name]} == {"local-aws"}


def test_a_changed_source_restarts_airflow_only(settings: LaptopSettings, tmp_path: Path) -> None:
    services.up(settings)
    before = pids(settings)
    changed = LaptopSettings(settings.local, settings.airflow_port, settings.aws_port, source=str(tmp_path))

    services.up(changed)

    after = pids(settings)
    assert {name for name in before if after[name] != before[name]} == set(services.AIRFLOW_COMPONENTS)


@pytest.mark.parametrize(
    ("name", "setting"),
    [("airflow_port", "AIRFLOW_PORT"), ("task_api_port", "AIRFLOW_PORT"), ("aws_port", "AWS_PORT")],
)
def test_a_taken_port_is_an_error_before_anything_starts(settings: LaptopSettings, name: str, setting: str) -> None:
    port = getattr(settings, name)
    refusal = pytest.raises(UserError, match=f"port {port}, .* choose another port with {setting}=")
    with socket.create_server(("127.0.0.1", port)), refusal:
        services.up(settings)

    assert processes.recorded(settings.run) == {}


def test_a_service_that_ends_is_reported_with_its_log_and_the_others_are_ended(
    settings: LaptopSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such state folder')")
    broken = services.Service("local-aws", command, {}, (), settings.aws_port, "AWS_PORT")
    monkeypatch.setattr(services, "local_aws", lambda settings: broken)
    started = []
    start = processes.start
    monkeypatch.setattr(processes, "start", lambda *a, **k: started.append(start(*a, **k)) or started[-1])

    with pytest.raises(UserError, match=r"local-aws ended(.|\n)*no such state folder"):
        services.up(settings)

    assert len(started) == 6
    assert not any(process.members() for process in started)


def test_an_interrupted_up_ends_what_it_started_and_nothing_else(settings: LaptopSettings) -> None:
    services.up(settings)
    before = pids(settings)
    kill(settings, "scheduler")

    def interrupt(text: str) -> None:
        if text == "Deploying":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.up(settings, say=interrupt)

    assert pids(settings) == {"local-aws": before["local-aws"]}


def test_down_without_anything_running_is_fine(settings: LaptopSettings) -> None:
    services.down(settings)


def test_the_keys_of_an_environment_are_made_once_for_the_user_alone(tmp_path: Path) -> None:
    one, other = LaptopSettings(local=tmp_path / "one"), LaptopSettings(local=tmp_path / "other")

    first = airflow_environment(one)

    assert airflow_environment(one) == first
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"):
        assert airflow_environment(other)[name] != first[name]
    assert stat.S_IMODE((one.airflow_home / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(one.airflow_home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["up"], {"AIRFLOW_PORT": "eighty"}, "AIRFLOW_PORT=eighty is not a port"),
        (["up"], {"AWS_PORT": "70000"}, "AWS_PORT=70000 is not a port"),
        (["airflow", "dags", "list"], {}, "run `make up` first"),
        (["status"], {}, ""),
    ],
)
def test_errors_of_the_command_line(
    arguments: list[str], environment: dict[str, str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.services", *arguments],
        cwd=ROOT,
        env={**os.environ, "SMART_HUB_LOCAL": str(tmp_path / "local"), **environment},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
