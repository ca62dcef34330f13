"""The files for an environment of MWAA, and their upload to its bucket: ``python -m ops.mwaa --help``.

``build`` writes a folder with ``dags/`` (with ``include/``), ``plugins.zip``, ``requirements.txt`` and ``startup.sh``.
``sync`` uploads new and changed files, and prints the command that updates the environment.

How MWAA uses these files: https://github.com/aws/amazon-mwaa-docker-images (images/airflow/3.3.1) and docs/mwaa.md.
"""

import argparse
import hashlib
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ops import deploy, package
from ops.aws_command import DEFAULT_REGION, run, session_of
from ops.cloudformation import CLIENTS, DeployError, outputs_of
from smart_hub.core import stacks
from smart_hub.core.settings import PREFIX, Settings
from smart_hub.core.stacks import Log
from smart_hub.shared.layout import DEFAULT_STACK

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

DIST = package.ROOT / "dist" / "mwaa"
CONSTRAINTS = Path("requirements", "mwaa-3.3.1-python-3.12.txt")  # MWAA's constraints
LOCK = Path("requirements", "airflow.lock")
# Not aws_default, which all DAGs of an environment use.
CONNECTION = "smart_hub"
# Files in the bucket's root that an environment uses by their version, with the names of its parameters.
VERSIONED = {"plugins.zip": "plugins", "requirements.txt": "requirements", "startup.sh": "startup-script"}
# Prefixes of our files in the DAGs' folder. Only objects with the mark are ours.
OURS = ("include/", "smart_hub_")
# Key in the metadata of objects that sync has uploaded: the hash of their content.
MARK = "smart-hub-sha256"

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def build(
    settings: Mapping[str, str], connection: Mapping[str, str] | None, root: Path = package.ROOT
) -> dict[str, bytes]:
    """The files for MWAA, by their path in the bucket, with the sample data unless the settings name a source.

    settings: values of ``SMART_HUB_…``. connection: the extra of the connection ``smart_hub``; None if the settings
    name another connection.

    Raises DeployError for a setting that is unknown, invalid or missing.
    """
    values = dict(settings)
    exports = values
    if connection is not None:
        values[f"{PREFIX}AWS_CONN_ID"] = CONNECTION
        document = json.dumps({"conn_type": "aws", "extra": dict(connection)}, sort_keys=True)
        exports = values | {f"AIRFLOW_CONN_{CONNECTION.upper()}": document}
    _check(values, root)
    sources = {f"dags/{name}": path for name, path in _shipped(root / "dags")}
    for part in ("sql", *([] if values.get(f"{PREFIX}SOURCE") else ["data"])):
        sources |= {f"dags/include/{part}/{name}": path for name, path in _shipped(root / "include" / part)}
    files = {name: path.read_bytes() for name, path in sources.items()}
    # include/ has no DAGs.
    files["dags/.airflowignore"] = files.get("dags/.airflowignore", b"") + b"include/\n"
    files["plugins.zip"] = package.zip_of(dict(_shipped(root / "plugins")))
    files["requirements.txt"] = requirements(root).encode()
    files["startup.sh"] = startup(exports).encode()
    return files


def _shipped(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of the package in a folder, with their paths relative to it."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/")) and path.name != ".airflowignore"
        if path.is_file() and not hidden and "__pycache__" not in name and not name.endswith("~"):
            yield name, path


def _check(values: Mapping[str, str], root: Path) -> None:
    if f"{PREFIX}INCLUDE" in values:
        raise DeployError(f"{PREFIX}INCLUDE: omit it; on MWAA, include/ is in dags/, where the DAGs find it")
    source = values.get(f"{PREFIX}SOURCE", "")
    if source and not source.startswith("s3://"):
        raise DeployError(f"{PREFIX}SOURCE: MWAA cannot read your folders; expected an s3:// prefix, got {source!r}")
    if problems := Settings.from_environment(root / "dags", values).problems:
        raise DeployError("; ".join(map(str, problems)))


def requirements(root: Path = package.ROOT) -> str:
    """The ``requirements.txt`` for MWAA, without Airflow, which MWAA has.

    MWAA installs with its constraints, which have most versions; other packages are pinned as in our lock.
    """
    constrained, locked = _versions(root / CONSTRAINTS), _versions(root / LOCK)
    lines = [
        "# Requirements of Smart Hub, without Airflow. MWAA's constraints have the versions that are not given here."
    ]
    for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if not (text := line.partition("#")[0].strip()):
            continue
        name = canonicalize_name(Requirement(text).name)
        if name != "apache-airflow":
            lines.append(text if name in constrained else f"{name}=={locked[name]}")
    return "".join(f"{line}\n" for line in lines)


def _versions(path: Path) -> dict[str, str]:
    pins = re.findall(r"^([\w.\[\]-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name.partition("[")[0]): version for name, version in pins}


def startup(exports: Mapping[str, str]) -> str:
    """The startup script. MWAA runs it in each component before Airflow, which gets the exported variables."""
    lines = [
        "#!/bin/bash",
        "# Generated by `make mwaa`: exports the settings of Smart Hub. They contain no secrets.",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(exports.items())),
    ]
    return "".join(f"{line}\n" for line in lines)


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Replaces the folder's content by these files. Raises DeployError if the folder is not of an earlier build."""
    if folder.exists() and any(folder.iterdir()) and not all((folder / name).exists() for name in VERSIONED):
        raise DeployError(f"{folder} has other files: empty it, or choose another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def sync(
    s3: "S3Client",
    bucket: str,
    folder: Path = DIST,
    *,
    dags: str = "dags",
    take_over: bool = False,
    dry_run: bool = False,
    log: Log = print,
) -> dict[str, str]:
    """Uploads the files of a build to an environment's bucket, and removes DAG files that the build no longer has.

    Only changed files are uploaded. Objects that sync has uploaded have a mark; other objects are not changed.
    dags: the environment's path of DAGs, or a folder in it. take_over: also replaces objects without the mark; their
    old versions remain. dry_run: only logs the changes. log: called with each line of progress.

    Returns the versions of ``plugins.zip``, ``requirements.txt`` and ``startup.sh``. Raises DeployError for a folder
    without a build, for a bucket without versioning, and for objects with our keys but without the mark.
    """
    files = _built(folder, dags.strip("/"))
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise DeployError(
            f"bucket {bucket} has no versioning, which MWAA needs: aws s3api put-bucket-versioning --bucket {bucket}"
            " --versioning-configuration Status=Enabled"
        )
    hashes = {key: hashlib.sha256(body).hexdigest() for key, body in files.items()}
    present = {key: _head(s3, bucket, key) for key in files}
    marks = {key: head["Metadata"].get(MARK) for key, head in present.items() if head}
    if not take_over and (foreign := sorted(key for key, mark in marks.items() if mark is None)):
        raise DeployError(
            f"not uploaded by sync: {', '.join(f's3://{bucket}/{key}' for key in foreign)}. Merge them into {folder}"
            " by hand (docs/mwaa.md), then sync with --take-over"
        )
    versions = {key: head.get("VersionId", "") for key, head in present.items() if head}
    would = "would " if dry_run else ""
    changed = sorted(key for key in files if marks.get(key) != hashes[key])
    # The DAGs last: they import modules of plugins.zip.
    for key in sorted(changed, key=lambda key: key not in VERSIONED):
        log(f"{would}upload s3://{bucket}/{key}")
        versions[key] = "(the uploaded one)"
        if not dry_run:
            put = s3.put_object(Bucket=bucket, Key=key, Body=files[key], Metadata={MARK: hashes[key]})
            versions[key] = put["VersionId"]
    for key in _obsolete(s3, bucket, f"{dags.strip('/')}/", files):
        log(f"{would}remove s3://{bucket}/{key}")
        if not dry_run:
            s3.delete_object(Bucket=bucket, Key=key)
    log(f"{len(files) - len(changed)} of {len(files)} files are unchanged")
    return {name: versions[name] for name in VERSIONED}


def _built(folder: Path, dags: str) -> dict[str, bytes]:
    if missing := [name for name in VERSIONED if not (folder / name).is_file()]:
        raise DeployError(f"{folder} has no {', '.join(missing)}: run make mwaa first")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    ours = [name for name in names if name in VERSIONED or name.startswith("dags/")]
    return {
        f"{dags}/{name.removeprefix('dags/')}" if name.startswith("dags/") else name: (folder / name).read_bytes()
        for name in ours
    }


def _head(s3: "S3Client", bucket: str, key: str) -> "HeadObjectOutputTypeDef | None":
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return None


def _obsolete(s3: "S3Client", bucket: str, dags: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Keys of DAG files that an earlier sync uploaded and that the build no longer has."""
    for ours in OURS:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{dags}{ours}"):
            for key in (item["Key"] for item in page.get("Contents", [])):
                head = None if key in files else _head(s3, bucket, key)
                if head and MARK in head["Metadata"]:
                    yield key


def update_command(name: str, region: str, versions: Mapping[str, str]) -> str:
    """The AWS CLI's command that updates an environment to these versions."""
    parameters = [
        f"--{parameter}-s3-path {file} --{parameter}-s3-object-version {shlex.quote(versions[file])}"
        for file, parameter in VERSIONED.items()
    ]
    return " \\\n  ".join([f"aws mwaa update-environment --name {shlex.quote(name)} --region {region}", *parameters])


def settings_of(options: argparse.Namespace) -> tuple[dict[str, str], dict[str, str] | None]:
    """The settings and the connection's extra: from the options, and otherwise from the stack's outputs.

    Raises DeployError if a file cannot be read or a value is missing, and botocore's errors.
    """
    given: dict[str, str] = {}
    for text in [*_lines(options.settings), *options.setting]:
        name, equals, value = text.partition("=")
        if not equals or not name.startswith(PREFIX):
            raise DeployError(f"{text!r} is not a setting: write {PREFIX}NAME=value")
        given[name] = value
    stack = given.setdefault(f"{PREFIX}STACK", options.stack)
    own_connection = f"{PREFIX}AWS_CONN_ID" not in given
    session = session_of(options)
    role = options.role_arn
    if f"{PREFIX}DATA_BUCKET" not in given or (own_connection and not role):
        cfn = session.client("cloudformation", endpoint_url=options.endpoint_url, config=CLIENTS)
        deployed = stacks.describe(cfn, stack)
        if deployed is None:
            raise DeployError(
                f"there is no stack {stack} in {session.region_name}: deploy it, or select another with --stack and"
                f" --region, or use --setting {PREFIX}DATA_BUCKET=… and --role-arn"
            )
        outputs = outputs_of(deployed)
        given = deploy.settings_of(stack, outputs) | given
        role = role or outputs["AirflowRoleArn"]
    if not own_connection:
        return given, None
    if not _ROLE.fullmatch(role):
        raise DeployError(f"--role-arn: expected the ARN of a role, got {role!r}")
    return given, {"role_arn": role, "region_name": session.region_name}


def _lines(file: Path | None) -> list[str]:
    """The lines of a settings file that are neither empty nor comments."""
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise DeployError(f"--settings: {file} cannot be read: {error.strerror}") from error
    return [line for line in lines if line and not line.startswith("#")]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.mwaa", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--region", help=f"AWS region (default: as configured for AWS, else {DEFAULT_REGION})")
    common.add_argument("--endpoint-url", help="address of a local AWS (default: AWS itself)")
    common.add_argument("--out", type=Path, default=DIST, help="folder of the build (default: dist/mwaa)")
    builder = commands.add_parser("build", parents=[common], help="write dist/mwaa")
    builder.add_argument("--stack", default=DEFAULT_STACK, help="stack whose outputs give the settings (%(default)s)")
    builder.add_argument("--settings", type=Path, help="file with a line SMART_HUB_NAME=value for each setting")
    builder.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="SMART_HUB_NAME=VALUE",
        help="one more setting; can be repeated",
    )
    builder.add_argument("--role-arn", default="", help="role to assume (default: the stack's AirflowRoleArn)")
    syncer = commands.add_parser("sync", parents=[common], help="upload dist/mwaa to the environment's bucket")
    syncer.add_argument("--bucket", required=True, help="bucket of the environment")
    syncer.add_argument(
        "--dags", default="dags", help="the environment's path of DAGs, or a folder in it (%(default)s)"
    )
    syncer.add_argument("--environment", default="NAME", help="name of the environment, for the printed command")
    syncer.add_argument(
        "--take-over", action="store_true", help="also replace files that this command has not uploaded"
    )
    syncer.add_argument("--dry-run", action="store_true", help="list the changes without making them")
    options = parser.parse_args(arguments)
    session = session_of(options)
    return run(lambda: _build(options) if options.command == "build" else _sync(session, options))


def _build(options: argparse.Namespace) -> dict[str, str]:
    settings, connection = settings_of(options)
    files = build(settings, connection)
    write(files, options.out)
    print(f"wrote {options.out}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB")
    return settings | (connection or {})


def _sync(session: boto3.Session, options: argparse.Namespace) -> dict[str, str]:
    s3 = session.client("s3", endpoint_url=options.endpoint_url, config=CLIENTS)
    versions = sync(
        s3, options.bucket, options.out, dags=options.dags, take_over=options.take_over, dry_run=options.dry_run
    )
    if not options.dry_run:
        command = update_command(options.environment, session.region_name, versions)
        print(f"\nTo update the environment to new plugins, requirements and settings, run\n\n{command}")
    return versions


if __name__ == "__main__":
    sys.exit(main())
