"""The files for MWAA: what is in them, what is refused; and their way into a bucket of the local AWS."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from localaws.testing import LocalAws
from ops import mwaa, package
from ops.cloudformation import DeployError

pytestmark = pytest.mark.service

ROOT = package.ROOT
SETTINGS = {"SMART_HUB_STACK": "smart-hub", "SMART_HUB_DATA_BUCKET": "the-data"}
ROLE = "arn:aws:iam::111122223333:role/smart-hub-airflow"
CONNECTION = {"role_arn": ROLE, "region_name": "eu-west-1"}
OFFLINE = ["--setting", "SMART_HUB_DATA_BUCKET=the-data", "--role-arn", ROLE]


def test_the_dags_bring_their_statements_and_sample_data() -> None:
    files = mwaa.build(SETTINGS, CONNECTION)

    for folder, inside in (("dags", "*.py"), ("include/sql", "**/*.sql"), ("include/data", "**/*.*")):
        for path in (ROOT / folder).glob(inside):
            name = f"dags/{path.relative_to(ROOT / folder if folder == 'dags' else ROOT).as_posix()}"
            assert files[name] == path.read_bytes()
    # nothing that is deployed by other ways, or that Airflow would take for a DAG
    assert {name.split("/")[2] for name in files if name.startswith("dags/include/")} == {"sql", "data"}
    assert files["dags/.airflowignore"].splitlines()[-1] == b"include/"


def test_with_a_source_of_its_own_a_deployment_gets_no_sample_data() -> None:
    files = mwaa.build(SETTINGS | {"SMART_HUB_SOURCE": "s3://readings/raw"}, CONNECTION)

    assert not [name for name in files if name.startswith("dags/include/data/")]


def test_the_plugins_are_the_zip_files_root_without_what_interpreters_leave(tmp_path: Path) -> None:
    # given two copies of the repository, one of which was worked with
    for name in ("here", "there"):
        for folder in ("dags", "include", "plugins", "requirements"):
            shutil.copytree(ROOT / folder, tmp_path / name / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "requirements.txt", tmp_path / name)
    plugins = tmp_path / "there" / "plugins"
    (plugins / "smart_hub" / "__pycache__").mkdir()
    (plugins / "smart_hub" / "__pycache__" / "sql.cpython-312.pyc").write_bytes(b"x")
    (plugins / "smart_hub" / "sql.py~").write_text("old")
    (plugins / ".DS_Store").write_bytes(b"x")
    os.utime(plugins / "smart_hub_plugin.py", (1_576_915_200, 1_576_915_200))

    here, there = (mwaa.build(SETTINGS, CONNECTION, tmp_path / name) for name in ("here", "there"))

    assert here == there
    with zipfile.ZipFile(io.BytesIO(here["plugins.zip"])) as archive:
        names = archive.namelist()
        assert {".airflowignore", "smart_hub_plugin.py", "smart_hub/page/assets/page.html"} <= set(names)
        assert archive.read("smart_hub_plugin.py") == (ROOT / "plugins" / "smart_hub_plugin.py").read_bytes()


def test_the_requirements_leave_mwaas_constraints_in_force(tmp_path: Path) -> None:
    # given requirements whose comments would switch them off
    (tmp_path / "requirements").mkdir()
    (tmp_path / mwaa.CONSTRAINTS).write_text("boto3==1.43.56\napache-airflow-providers-amazon==9.34.0\n")
    (tmp_path / mwaa.LOCK).write_text("plotly==7.1.0 \\\n    --hash=sha256:0\n")
    (tmp_path / "requirements.txt").write_text(
        "# not --constraint that\napache-airflow>=3.3.1,<3.4\napache-airflow-providers-amazon>=9.34\n"
        "boto3  # -c this\nplotly\n"
    )

    lines = mwaa.requirements(tmp_path).splitlines()

    # expect no Airflow, names where MWAA's list has the version, and a pin where it has none
    assert lines[1:] == ["apache-airflow-providers-amazon>=9.34", "boto3", "plotly==7.1.0"]
    assert not [line for line in lines if re.search(r"-c |--constraint ", line)]


def test_the_startup_script_exports_any_value_as_it_is() -> None:
    values = {"SMART_HUB_STACK": "smart-hub", "AIRFLOW_CONN_SMART_HUB": '{"a": "it\'s $(touch x) `b` \\"c\\""}'}

    done = subprocess.run(
        ["bash", "-c", 'source /dev/stdin && env -0 | grep -zE "^(SMART_HUB|AIRFLOW)"'],
        input=mwaa.startup(values).encode(),
        capture_output=True,
        env={},
        check=True,
    )

    assert dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line) == values
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"SMART_HUB_DATA_BUKET": "x"},
            "SMART_HUB_DATA_BUKET: there is no such setting; the closest is SMART_HUB_DATA_BUCKET",
        ),
        ({"SMART_HUB_DATA_BUCKET": "a/b"}, "SMART_HUB_DATA_BUCKET: "),
        ({"SMART_HUB_RETENTION_HOURS": "soon"}, "SMART_HUB_RETENTION_HOURS: expected a number"),
        ({"SMART_HUB_SOURCE": "/home/me/data"}, "SMART_HUB_SOURCE: MWAA cannot read your folders"),
        ({"SMART_HUB_INCLUDE": "include"}, "SMART_HUB_INCLUDE: omit it"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, str], message: str) -> None:
    with pytest.raises(DeployError, match=f"^{re.escape(message)}"):
        mwaa.build(SETTINGS | settings, CONNECTION)


def test_the_command_takes_settings_from_a_file_and_asks_no_stack_for_what_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings"
    file.write_text("# production\nSMART_HUB_RETENTION_HOURS=48\n\nSMART_HUB_SOURCE=s3://readings/raw=x\n")
    out = tmp_path / "dist"

    # given an address where nobody answers
    address = ["--endpoint-url", "http://127.0.0.1:9", "--region", "eu-west-1"]
    status = mwaa.main(["build", "--settings", str(file), "--out", str(out), *OFFLINE, *address])

    assert status == 0, capsys.readouterr().err
    script = (out / "startup.sh").read_text()
    assert "export SMART_HUB_RETENTION_HOURS=48\n" in script
    assert "export SMART_HUB_SOURCE=s3://readings/raw=x\n" in script
    assert json.dumps({"region_name": "eu-west-1", "role_arn": ROLE}, sort_keys=True) in script


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--setting", "RETENTION_HOURS=48"], "'RETENTION_HOURS=48' is not a setting: write SMART_HUB_NAME=value"),
        (["--settings", "no/such/file"], "--settings: no/such/file cannot be read: No such file"),
        (["--role-arn", "smart-hub-airflow"], "--role-arn: expected the ARN of a role, got 'smart-hub-airflow'"),
    ],
)
def test_an_option_that_cannot_be_meant_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert mwaa.main(["build", "--out", str(tmp_path / "dist"), *OFFLINE, *arguments]) == 1

    assert message in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_with_a_connection_of_the_users_own_none_is_exported(tmp_path: Path) -> None:
    assert mwaa.main(["build", "--out", str(tmp_path), *OFFLINE, "--setting", "SMART_HUB_AWS_CONN_ID=theirs"]) == 0

    script = (tmp_path / "startup.sh").read_text()
    assert "export SMART_HUB_AWS_CONN_ID=theirs\n" in script
    assert "AIRFLOW_CONN" not in script


def test_a_build_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours", tmp_path / "others"
    others.mkdir()
    (others / "notes.txt").touch()
    for _ in range(2):
        mwaa.write(mwaa.build(SETTINGS, CONNECTION), ours)
        (ours / "dags" / "smart_hub_gone.py").touch()
    mwaa.write(mwaa.build(SETTINGS, CONNECTION), ours)

    with pytest.raises(DeployError, match="others has other files"):
        mwaa.write({}, others)

    assert not (ours / "dags" / "smart_hub_gone.py").exists()
    assert (others / "notes.txt").exists()


@pytest.fixture(scope="module")
def aws(module_local_aws: LocalAws) -> LocalAws:
    return module_local_aws


class Bucket:
    """A bucket that keeps versions, and a build to sync to it."""

    def __init__(self, s3: Any, name: str, folder: Path) -> None:
        self.s3, self.name, self.folder = s3, name, folder
        self.lines: list[str] = []
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        mwaa.write(mwaa.build(SETTINGS, CONNECTION), folder)

    def sync(self, **options: Any) -> dict[str, str]:
        self.lines = []
        return mwaa.sync(self.s3, self.name, self.folder, log=self.lines.append, **options)

    def put(self, key: str, body: bytes = b"theirs") -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def contents(self) -> dict[str, bytes]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def built(self, dags: str = "dags") -> dict[str, bytes]:
        return {
            re.sub("^dags", dags, path.relative_to(self.folder).as_posix()): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def bucket(aws: LocalAws, tmp_path: Path) -> Bucket:
    return Bucket(aws.client("s3"), f"environment-{abs(hash(tmp_path))}", tmp_path / "dist")


def test_the_bucket_has_what_was_built_and_the_versions_are_its_own(bucket: Bucket) -> None:
    versions = bucket.sync()

    assert bucket.contents() == bucket.built()
    for name, version in versions.items():
        got = bucket.s3.get_object(Bucket=bucket.name, Key=name, VersionId=version)["Body"].read()
        assert got == (bucket.folder / name).read_bytes()
    uploads = [line.rpartition("/")[2] for line in bucket.lines]
    assert set(uploads[:3]) == {"plugins.zip", "requirements.txt", "startup.sh"}  # before the DAGs that need them


def test_only_what_has_changed_is_sent_and_what_is_gone_is_removed(bucket: Bucket) -> None:
    # given a bucket in step, then a statement that is new, one that has changed, and one that has gone
    before = bucket.sync()
    sql = bucket.folder / "dags" / "include" / "sql" / "publish"
    (sql / "new.sql").write_text("SELECT 1")
    (sql / "rates.sql").write_text("SELECT 2")
    (sql / "mappings.sql").unlink()
    (bucket.folder / "startup.sh").write_text("#!/bin/bash\n")

    after = bucket.sync()

    place = f"s3://{bucket.name}"
    assert bucket.lines == [
        f"upload {place}/startup.sh",
        f"upload {place}/dags/include/sql/publish/new.sql",
        f"upload {place}/dags/include/sql/publish/rates.sql",
        f"remove {place}/dags/include/sql/publish/mappings.sql",
        f"{len(bucket.built()) - 3} of {len(bucket.built())} files are unchanged",
    ]
    assert bucket.contents() == bucket.built()
    assert before.items() - after.items() == {("startup.sh", before["startup.sh"])}


def test_a_dry_run_says_all_and_does_nothing(bucket: Bucket) -> None:
    bucket.sync()
    before = bucket.contents()
    (bucket.folder / "startup.sh").write_text("#!/bin/bash\n")
    (bucket.folder / "dags" / "smart_hub_roll_back.py").unlink()

    versions = bucket.sync(dry_run=True)

    assert bucket.lines[:2] == [
        f"would upload s3://{bucket.name}/startup.sh",
        f"would remove s3://{bucket.name}/dags/smart_hub_roll_back.py",
    ]
    assert versions["startup.sh"] == "(the uploaded one)"
    assert bucket.contents() == before


def test_what_others_put_is_neither_replaced_nor_removed(bucket: Bucket) -> None:
    # given files of others: where ours go, beside them, and under names that could be ours
    theirs = ["dags/their_dag.py", "dags/smart_hub_theirs.py", "dags/include/theirs.sql", "data/theirs.json"]
    for key in ["requirements.txt", *theirs]:
        bucket.put(key)
    before = bucket.contents()

    with pytest.raises(DeployError, match=rf"^not uploaded by sync: s3://{bucket.name}/requirements\.txt\. Merge"):
        bucket.sync()
    assert bucket.contents() == before

    # when told to take over what is in the way
    bucket.sync(take_over=True)
    bucket.sync()

    assert bucket.contents() == bucket.built() | dict.fromkeys(theirs, b"theirs")


def test_in_a_folder_of_its_own_it_leaves_the_other_dags_alone(bucket: Bucket) -> None:
    bucket.put("dags/.airflowignore")

    bucket.sync(dags="dags/smart-hub/")

    assert bucket.contents() == bucket.built("dags/smart-hub") | {"dags/.airflowignore": b"theirs"}


def test_a_bucket_without_versions_is_refused(aws: LocalAws, bucket: Bucket) -> None:
    aws.client("s3").create_bucket(Bucket="without-versions")

    with pytest.raises(DeployError, match=r"^bucket without-versions has no versioning, .*put-bucket-versioning"):
        mwaa.sync(bucket.s3, "without-versions", bucket.folder)


def test_without_a_build_there_is_nothing_to_sync(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"has no plugins\.zip, .*: run make mwaa first"):
        mwaa.sync(bucket.s3, bucket.name, tmp_path)


def test_the_settings_come_from_the_stacks_outputs(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {"DataBucket": {"Value": "of-the-stack"}, "AirflowRoleArn": {"Value": ROLE}},
    }
    aws.client("cloudformation").create_stack(StackName="hub-two", TemplateBody=json.dumps(template))
    aws.client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName="hub-two", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    address = ["--region", "us-east-1", "--endpoint-url", aws.endpoint, "--out", str(tmp_path / "dist")]

    missing = mwaa.main(["build", "--stack", "no-stack", *address])
    built = mwaa.main(["build", "--stack", "hub-two", *address])

    printed = capsys.readouterr()
    assert missing == 1
    assert "there is no stack no-stack in us-east-1: deploy it, or" in printed.err
    assert built == 0, printed.err
    assert "DATA_BUCKET=of-the-stack\n" in (tmp_path / "dist" / "startup.sh").read_text()
    assert ROLE in (tmp_path / "dist" / "startup.sh").read_text()


def test_the_command_prints_what_the_environment_is_told(
    aws: LocalAws, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    options = ["--bucket", bucket.name, "--environment", "mine", "--out", str(bucket.folder)]

    status = mwaa.main(["sync", *options, "--region", "us-east-1", "--endpoint-url", aws.endpoint])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    version = bucket.s3.head_object(Bucket=bucket.name, Key="startup.sh")["VersionId"]
    assert (
        "aws mwaa update-environment --name mine --region us-east-1 \\\n  --plugins-s3-path plugins.zip" in printed.out
    )
    assert f"--startup-script-s3-path startup.sh --startup-script-s3-object-version {version}\n" in printed.out
