"""Trino's installation from a Maven of the tests' own, the search for a Java, the configuration."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from ops import health, services, trino
from ops.settings import TRINO_VERSION, LaptopSettings, UserError

SERVER, HIVE = trino.ARCHIVES


def packed(archive: trino.Archive, files: dict[str, str]) -> bytes:
    """An archive with the files, by their paths in it."""
    content = io.BytesIO()
    if archive.kind == "zip":
        with zipfile.ZipFile(content, "w") as zipped:
            for name, text in files.items():
                zipped.writestr(name, text)
    else:
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files `mvn` gives out: a small server and plugin, their checksums the pinned ones."""
    folder = tmp_path / "central"
    folder.mkdir()
    contents = {
        SERVER: packed(
            SERVER,
            {
                f"{SERVER.member}server.jar": "server",
                f"trino-server-core-{TRINO_VERSION}/plugin/geo/geo.jar": "geo",
            },
        ),
        HIVE: packed(HIVE, {f"{HIVE.member}hive.jar": "hive"}),
    }
    pinned = []
    for archive, content in contents.items():
        (folder / archive.name).write_bytes(content)
        pinned.append(replace(archive, sha256=hashlib.sha256(content).hexdigest(), size=len(content)))
    monkeypatch.setattr(trino, "ARCHIVES", tuple(pinned))
    program(
        tmp_path / "bin" / "mvn",
        f"""echo mvn >> {tmp_path}/calls
for argument in "$@"; do case "$argument" in
  -Dartifact=*) IFS=: read -r group name version kind <<EOF
${{argument#-Dartifact=}}
EOF
  ;;
  -DoutputDirectory=*) target=${{argument#*=}} ;;
esac; done
[ "$group" = io.trino ] || exit 2
cp {folder}/$name-$version.$kind $target/ || {{ echo "[ERROR] Could not find artifact $name"; exit 1; }}""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return folder


def quiet(text: str) -> None:
    """Progress that nobody reads."""


def test_an_installation_has_the_server_and_of_the_plugins_hive_alone(central: Path, tmp_path: Path) -> None:
    trino.install(tmp_path / "trino", quiet)
    files = {str(path.relative_to(tmp_path / "trino")) for path in (tmp_path / "trino").rglob("*.jar")}
    assert files == {"lib/server.jar", "plugin/hive/hive.jar"}
    assert (tmp_path / "trino" / "plugin" / "hive" / "hive.jar").read_text() == "hive"


def test_a_second_installation_fetches_nothing(central: Path, tmp_path: Path) -> None:
    trino.install(tmp_path / "trino", quiet)
    trino.install(tmp_path / "trino", quiet)
    assert (tmp_path / "calls").read_text().count("mvn") == 2  # one an archive


def test_an_interrupted_installation_is_begun_anew(central: Path, tmp_path: Path) -> None:
    half = tmp_path / "trino.part" / "home" / "lib"
    half.mkdir(parents=True)
    (half / "half.jar").write_text("ha")
    trino.install(tmp_path / "trino", quiet)
    assert not list(tmp_path.rglob("half.jar"))


def test_another_file_than_the_pinned_one_is_refused_and_nothing_installed(central: Path, tmp_path: Path) -> None:
    (central / HIVE.name).write_bytes(packed(HIVE, {f"{HIVE.member}hive.jar": "evil"}))
    with pytest.raises(UserError, match=f"{HIVE.name} is not the pinned file"):
        trino.install(tmp_path / "trino", quiet)
    assert not list(tmp_path.glob("trino")) + list(tmp_path.glob("trino.part"))


def test_a_failed_download_shows_mavens_own_words(central: Path, tmp_path: Path) -> None:
    (central / SERVER.name).unlink()
    with pytest.raises(UserError, match=r"(?s)Maven could not download .*Could not find artifact trino-server-core"):
        trino.install(tmp_path / "trino", quiet)


def test_without_maven_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install maven"):
        trino.install(tmp_path / "trino", quiet)


def java(home: Path, version: str) -> Path:
    return program(home / "bin" / "java", f"echo 'openjdk version \"{version}\" 2025-09-16' >&2")


@pytest.mark.parametrize(("told", "version"), [("25.0.2", 25), ("17.0.15", 17), ("1.8.0_402", 1), ("24-ea", 24)])
def test_the_version_of_a_java(tmp_path: Path, told: str, version: int) -> None:
    assert trino.java_version(java(tmp_path, told)) == version


def test_java_home_goes_before_the_path_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trino, "JAVA_PATTERNS", ())
    old, new = java(tmp_path / "old", "17.0.15"), java(tmp_path / "new", "25.0.2")
    other = java(tmp_path / "other", "24.0.1")
    path = str(other.parent)
    assert trino.find_java({"JAVA_HOME": str(tmp_path / "new"), "PATH": path}) == new
    assert trino.find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": path}) == other
    assert old.exists()


def test_no_java_is_found_where_all_are_too_old_or_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trino, "JAVA_PATTERNS", (f"{str(tmp_path)[1:]}/jvm/*/bin/java",))
    monkeypatch.setattr(trino, "JAVA_ENVIRONMENT", tmp_path / "none")
    java(tmp_path / "jvm" / "a", "21.0.1")
    gone = {"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(tmp_path)}
    assert trino.find_java(gone) is None
    newest = java(tmp_path / "jvm" / "b", "24.0.1")
    assert trino.find_java(gone) == newest


@pytest.fixture
def settings(tmp_path: Path) -> LaptopSettings:
    (tmp_path / "trino" / "lib").mkdir(parents=True)
    return LaptopSettings(
        local=tmp_path / "local",
        engine="trino",
        aws_port=4600,
        trino_port=8190,
        trino_memory="2G",
        trino_home=tmp_path / "trino",
    )


def configured(files: tuple[Path, ...], name: str) -> dict[str, str]:
    (path,) = [file for file in files if file.name == name]
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_the_server_listens_on_loopback_alone_and_its_catalog_is_the_local_aws(
    settings: LaptopSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", "25.0.2").parent.parent))
    command, files = trino.prepare(settings)
    assert command[0] == str(tmp_path / "jdk" / "bin" / "java")
    assert "-Xmx2G" in command
    server, catalog = configured(files, "config.properties"), configured(files, "awsdatacatalog.properties")
    assert server["node.bind-ip"] == server["node.internal-address"] == "127.0.0.1"
    assert server["http-server.http.port"] == "8190"
    assert catalog["s3.endpoint"] == catalog["hive.metastore.glue.endpoint-url"] == "http://127.0.0.1:4600"
    assert all(file.is_relative_to(settings.local / "trino") for file in files)


def test_a_changed_setting_restarts_the_server(
    settings: LaptopSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", "25.0.2").parent.parent))
    (before,) = services.query_engine(settings)
    fingerprint = before.fingerprint()
    assert services.query_engine(settings)[0].fingerprint() == fingerprint
    assert services.query_engine(replace(settings, aws_port=4601))[0].fingerprint() != fingerprint


def test_a_server_that_is_not_installed_is_an_error_with_its_remedy(settings: LaptopSettings) -> None:
    with pytest.raises(UserError, match="make trino"):
        trino.prepare(replace(settings, trino_home=settings.local / "nowhere"))


def test_the_local_aws_is_told_its_engine(settings: LaptopSettings) -> None:
    assert services.local_aws(settings).command[-4:] == (
        "--engine",
        "trino",
        "--trino-url",
        "http://127.0.0.1:8190",
    )
    assert "--engine" not in services.local_aws(replace(settings, engine="duckdb")).command


def test_a_trino_of_the_users_is_used_and_none_started() -> None:
    settings = LaptopSettings.from_environment({"TRINO_URL": "http://127.0.0.1:9999/"})
    assert settings.engine == "trino"
    assert services.query_engine(settings) == []
    assert services.local_aws(settings).command[-1] == "http://127.0.0.1:9999"


def test_without_a_word_duckdb_runs_the_queries() -> None:
    settings = LaptopSettings.from_environment({})
    assert settings.engine == "duckdb"
    assert services.query_engine(settings) == []


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"ENGINE": "spark"}, "ENGINE=spark"),
        ({"ENGINE": "duckdb", "TRINO_URL": "http://127.0.0.1:9999"}, "ENGINE=duckdb"),
        ({"TRINO_URL": "127.0.0.1:9999"}, "TRINO_URL=127.0.0.1:9999"),
        ({"TRINO_PORT": "http"}, "TRINO_PORT=http"),
        ({"TRINO_MEMORY": "lots"}, "TRINO_MEMORY=lots"),
        ({"QUERY_MEMORY": "2"}, "QUERY_MEMORY=2"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(environment: dict[str, str], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        LaptopSettings.from_environment(environment)


def test_a_trino_of_the_users_that_does_not_answer_is_an_error_at_once(tmp_path: Path) -> None:
    settings = LaptopSettings(local=tmp_path, engine="trino", external_trino="http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"no Trino is ready at TRINO_URL=http://127\.0\.0\.1:1:"):
        services.up(settings, quiet)


@pytest.mark.parametrize(
    ("status", "reads"),
    [
        ({"State": "SUCCEEDED"}, True),
        ({"State": "FAILED", "StateChangeReason": "NO_NODES_AVAILABLE: No nodes available to run query"}, False),
    ],
)
def test_trino_is_ready_once_a_query_has_run(status: dict[str, str], reads: bool) -> None:
    athena = boto3.client("athena", **LaptopSettings().aws_client)
    with Stubber(athena) as stub:
        stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": {"State": "RUNNING"}}})
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": status}})

        assert health.trino_reads(athena, LaptopSettings()) is reads
        stub.assert_no_pending_responses()


def test_a_trino_whose_query_does_not_end_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    # given no time to wait, expect the query to be stopped
    monkeypatch.setattr(health, "QUERY_SECONDS", 0)
    athena = boto3.client("athena", **LaptopSettings().aws_client)
    with Stubber(athena) as stub:
        stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": {"State": "RUNNING"}}})
        stub.add_response("stop_query_execution", {}, {"QueryExecutionId": "q"})

        assert not health.trino_reads(athena, LaptopSettings())
        stub.assert_no_pending_responses()


def test_a_trino_that_cannot_read_is_an_error_with_its_reason() -> None:
    athena = boto3.client("athena", **LaptopSettings().aws_client)
    reason = "HIVE_METASTORE_ERROR: Unable to execute HTTP request"
    status = {"State": "FAILED", "StateChangeReason": reason}
    with Stubber(athena) as stub:
        stub.add_response("start_query_execution", {"QueryExecutionId": "q"})
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": status}})

        with pytest.raises(UserError, match=reason):
            health.trino_reads(athena, LaptopSettings())
