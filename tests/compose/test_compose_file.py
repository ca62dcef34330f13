"""Rules for docker-compose.yaml that need no Docker; `make test-compose` runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import keys, trino
from ops.compose import Containers
from ops.environment import airflow_environment
from ops.settings import ROOT, TRINO_VERSION
from smart_hub.core import settings as smart_hub

# An interpolation of Compose: ${NAME}, ${NAME:-default}, ${NAME:?what to do}.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
ONCE = {"init", "demo"}
PUBLISHED = {"api-server", "local-aws"}
# Set by Airflow's image, or meaningless in a container.
NOT_IN_CONTAINERS = {
    "AIRFLOW_HOME",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE",
    "AIRFLOW__API__HOST",
    "AIRFLOW__API__PORT",
    "PYTHONPATH",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yaml").read_text()))


@pytest.fixture(scope="module")
def airflow(compose: dict[str, Any]) -> dict[str, str]:
    return dict(compose["services"]["scheduler"]["environment"])


def variables() -> dict[str, re.Match[str]]:
    """The variables of the file, by name."""
    return {one["name"]: one for one in VARIABLE.finditer((ROOT / "docker-compose.yaml").read_text())}


def from_of(dockerfile: str) -> str:
    found = re.findall(r"^FROM (\S+)$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def locked(lock: str, package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)
    assert found, f"{package} is not in {lock}"
    return found[1]


def test_every_image_from_a_registry_has_a_full_version(compose: dict[str, Any]) -> None:
    built = {one["image"] for one in compose["services"].values() if "build" in one}
    images = {one["image"] for one in compose["services"].values()} - built
    images |= {from_of("docker/airflow.Dockerfile"), from_of("docker/localaws.Dockerfile")}

    assert images
    assert [image for image in images if not re.search(r":\d+(\.\d+){1,2}(-|$)|^trinodb/trino:\d+$", image)] == []


def test_versions_are_those_of_the_locks_and_of_make_demo(compose: dict[str, Any]) -> None:
    airflow = locked("airflow.lock", "apache-airflow")

    assert from_of("docker/airflow.Dockerfile") == f"apache/airflow:{airflow}-python3.12"
    assert compose["services"]["init"]["image"] == f"smart-hub-airflow:{airflow}"
    assert compose["services"]["trino"]["image"] == f"trinodb/trino:{TRINO_VERSION}"


@pytest.mark.parametrize(("dockerfile", "lock"), [("airflow", "airflow.lock"), ("localaws", "localaws.lock")])
def test_images_install_from_the_lock_and_name_no_index(dockerfile: str, lock: str) -> None:
    text = (ROOT / "docker" / f"{dockerfile}.Dockerfile").read_text()

    assert f"COPY requirements/{lock} " in text
    assert "--require-hashes" in text
    assert "://" not in text
    assert f"!requirements/{lock}" in (ROOT / "docker" / f"{dockerfile}.Dockerfile.dockerignore").read_text()


def test_every_service_runs_without_root_and_without_privileges(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert str(service["user"]).split(":")[0] not in ("", "0", "root"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert service["mem_limit"], name


def test_long_running_services_have_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) == (name not in ONCE), name
        assert service.get("restart") == (None if name in ONCE else "unless-stopped"), name


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}

    assert published.keys() == PUBLISHED
    for ports in published.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_only_volumes_for_state_are_writable(compose: dict[str, Any]) -> None:
    named = set(compose["volumes"])
    written = {
        (name, volume.split(":")[0])
        for name, service in compose["services"].items()
        for volume in service.get("volumes", [])
        if not volume.endswith(":ro")
    }

    assert {volume for _, volume in written} == named
    assert {name for name, volume in written if volume != "logs"} == {"postgres", "local-aws"}


def test_there_is_no_secret_in_the_file(compose: dict[str, Any]) -> None:
    # given all values with the name of a secret, except for the keys of the local AWS
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY", name) and not name.startswith("AWS_"):
                # expect a required variable
                assert (found := VARIABLE.fullmatch(value)), name
                assert found["kind"] == "?", name
    url = compose["services"]["init"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert "airflow:${POSTGRES_PASSWORD:?" in url


def test_make_compose_env_generates_all_required_variables() -> None:
    required = {name: one["text"] for name, one in variables().items() if one["kind"] == "?"}

    assert required.keys() == keys.compose().keys()
    assert all("make compose-env" in text for text in required.values())


def test_the_example_has_all_variables() -> None:
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert variables().keys() <= named


def test_airflow_is_configured_as_by_make_demo(
    airflow: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given the configuration of `make demo` for the containers' addresses
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    demo = airflow_environment(Containers())
    for name in NOT_IN_CONTAINERS:
        del demo[name]

    # expect the same settings, and the package's other settings from the user's environment
    passed = {name for name, value in airflow.items() if value == f"${{{name}:-}}"}
    assert airflow.keys() - passed == demo.keys()
    assert passed == smart_hub.SETTINGS.keys() - demo.keys()
    found = json.loads(airflow.pop("AIRFLOW_CONN_AWS_DEFAULT"))
    assert found == json.loads(demo["AIRFLOW_CONN_AWS_DEFAULT"])
    # with other values for keys and addresses only
    own = {name for name in demo if name in airflow and airflow[name] != demo[name]}
    assert own == {
        *keys.airflow(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__API__BASE_URL",
        "SMART_HUB_SOURCE",
        "SMART_HUB_INCLUDE",
    }


def test_trino_is_configured_as_by_make_demo() -> None:
    # given what `make demo ENGINE=trino` would write for the containers' addresses
    etc, settings = Path("/etc/trino"), Containers()
    server = trino.server(settings, etc)
    del server["node.bind-ip"]  # the local AWS asks from another container
    server |= {
        "http-server.http.port": "8080",
        "discovery.uri": "http://127.0.0.1:8080",
        "plugin.dir": "/usr/lib/trino/plugin",
    }

    # expect it in docker/trino, the official image's /etc/trino
    folder = ROOT / "docker" / "trino"
    written = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert written == {
        "config.properties": trino.properties(server),
        "catalog/awsdatacatalog.properties": trino.properties(trino.catalog(settings)),
        "access-control.properties": trino.properties(trino.access_control(etc)),
        "rules.json": json.dumps(trino.RULES) + "\n",
        "log.properties": trino.properties(trino.LOG_LEVELS),
        "jvm.config": "\n".join([f"-Xmx{settings.trino_memory}", *trino.JVM_OPTIONS]) + "\n",
        "node.properties": "node.environment=local\nnode.data-dir=/data/trino\n",
    }
