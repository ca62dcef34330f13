"""What `make mwaa` makes, in MWAA's own packages, folders and variables: it changes no package, and runs a day."""

import json
import re
import shutil
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e import independent
from tests.e2e.environment import Environment
from tests.mwaa.conftest import Cloud, execute, execution_role, session
from tests.mwaa.docs import PAGE, REGION, ROLE, commands, options
from tests.mwaa.environment import CONSTRAINTS, LOCK, ROOT, SECONDS, Mwaa

DAY = "2019-12-21"
DAGS = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in found}


def test_the_requirements_change_no_package_of_mwaa(installed: Mwaa) -> None:
    # given the packages of MWAA's image, as locked
    assert installed.before.items() >= {
        ("apache-airflow", "3.3.1"),
        ("apache-airflow-providers-amazon", "9.34.0"),
        ("apache-airflow-providers-fab", "3.8.0"),
        ("boto3", "1.43.56"),
    }
    assert set(installed.before) <= set(pins(LOCK))

    # expect, once the requirements are installed, the same and no more than what the package needs
    assert {name: installed.after.get(name) for name in installed.before} == installed.before
    assert set(installed.after) - set(installed.before) == {"narwhals", "plotly", "pyarrow"}


def test_what_mwaa_lists_has_its_version(installed: Mwaa) -> None:
    listed = pins(CONSTRAINTS)

    wrong = {
        name: (version, listed[name])
        for name, version in installed.after.items()
        if listed.get(name, version) != version
    }

    # boto3's stubs are of no use when anything runs
    assert {name for name in wrong if not name.startswith(("boto3-stubs", "botocore-stubs", "mypy-boto3"))} == set()
    assert installed.after["pyarrow"] == listed["pyarrow"] == "25.0.0"


def test_nothing_of_the_repository_can_be_imported(installed: Mwaa) -> None:
    program = (
        "import importlib.util, json, sys; from airflow import settings;"
        "settings.prepare_syspath_for_config_and_plugins();"
        "print(json.dumps([sys.path, *(importlib.util.find_spec(n) is not None"
        " for n in ('ops', 'tests', 'include', 'smart_hub', 'smart_hub_plugin'))]))"
    )

    path, *found = json.loads(installed.run("python", "-P", "-c", program).splitlines()[-1])

    assert found == [False, False, False, True, True]
    assert str(installed.home / "plugins") in path
    assert not {str(installed.home), str(ROOT), str(ROOT / "plugins")} & set(path)


def test_the_startup_script_exports_the_settings_and_nothing_else(installed: Mwaa, cloud: Cloud) -> None:
    exported = installed.exported({"PATH": "/usr/bin:/bin"})

    connection = json.loads(exported.pop("AIRFLOW_CONN_SMART_HUB"))
    assert exported == {
        "SMART_HUB_STACK": "smart-hub",
        "SMART_HUB_DATA_BUCKET": cloud.outputs["DataBucket"],
        "SMART_HUB_AWS_CONN_ID": "smart_hub",
    }
    assert connection == {
        "conn_type": "aws",
        "extra": {"role_arn": cloud.outputs["AirflowRoleArn"], "region_name": "us-east-1"},
    }


def test_the_settings_file_of_the_docs_is_one_that_is_taken(cloud: Cloud, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```\n(SMART_HUB_.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (command,) = (line for line in commands("make mwaa ") if "SETTINGS=" in line)
    (tmp_path / "production.env").write_text(text)

    execute(
        f"{command.replace('production.env', str(tmp_path / 'production.env'))}"
        f" ARGS='--endpoint-url {cloud.aws.endpoint} --out {tmp_path / 'dist'}'"
    )

    script = (tmp_path / "dist" / "startup.sh").read_text()
    assert all(f"export {line}\n" in script for line in text.splitlines())
    assert cloud.outputs["DataBucket"] in script


def test_each_command_of_the_docs_is_run_by_a_test() -> None:
    # here, and those of the AWS CLI in tests/clients/test_mwaa_docs.py
    run_by_tests = (".venv/bin/python -m ops.deploy ", "make mwaa ", "make mwaa-sync ", "aws ")

    assert [line for line in commands("") if not line.startswith(run_by_tests)] == []
    assert len(commands("make mwaa ")) == 2


def test_the_connection_works_under_airflows_role(installed: Mwaa) -> None:
    # given the session of the execution role, as the containers have it
    program = (
        "from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook;"
        "print([AwsBaseHook(aws_conn_id=connection, client_type='sts').get_conn().get_caller_identity()['Arn']"
        " for connection in (None, 'smart_hub')])"
    )

    arns = installed.run("python", "-P", "-c", program).splitlines()[-1]

    assert re.findall(r"assumed-role/([\w-]+)/", arns) == [ROLE, "smart-hub-airflow"], arns


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("sts:AssumeRole", "AirflowRoleArn", "allowed"),
        ("sts:AssumeRole", "arn:aws:iam::000000000000:role/other", "implicitDeny"),
        ("s3:GetObject", "arn:aws:s3:::smart-hub-data-000000000000-us-east-1/x", "implicitDeny"),
    ],
)
def test_the_execution_policy_allows_to_assume_airflows_role_and_nothing_else(
    cloud: Cloud, action: str, resource: str, decision: str
) -> None:
    answer = cloud.aws.client("iam").simulate_custom_policy(
        PolicyInputList=[cloud.outputs["MwaaExecutionPolicy"]],
        ActionNames=[action],
        ResourceArns=[cloud.outputs.get(resource, resource)],
    )

    assert [result["EvalDecision"] for result in answer["EvaluationResults"]] == [decision]


def test_the_stack_trusts_the_execution_role_alone(cloud: Cloud) -> None:
    # given another environment's role with the same policy
    execution_role(cloud.aws, "other-execution-role")
    keys = session(cloud.aws, "other-execution-role", cloud.outputs["MwaaExecutionPolicy"])
    sts = boto3.client(
        "sts",
        endpoint_url=cloud.aws.endpoint,
        region_name=REGION,
        **{name.lower(): value for name, value in keys.items()},
    )

    with pytest.raises(ClientError, match=r"AccessDenied.*sts:AssumeRole"):
        sts.assume_role(RoleArn=cloud.outputs["AirflowRoleArn"], RoleSessionName="other")


def test_all_dags_are_found_without_errors(mwaa: Mwaa) -> None:
    client = mwaa.client()

    deadline = time.monotonic() + SECONDS
    while sorted(dag["dag_id"] for dag in (client.get("/api/v2/dags").json()["dags"])) != DAGS:
        assert client.get("/api/v2/importErrors").json()["import_errors"] == []
        assert time.monotonic() < deadline, mwaa.log("dag-processor").read_text()[-3000:]
        time.sleep(0.5)

    assert client.get("/api/v2/importErrors").json()["import_errors"] == []


def test_in_a_folder_below_those_of_others_the_dags_find_what_they_need(installed: Mwaa, tmp_path: Path) -> None:
    # given the files as `--dags dags/smart-hub` puts them
    shutil.copytree(installed.home / "dags", tmp_path / "dags" / "smart-hub")
    program = (
        "import json, sys; from airflow.dag_processing.dagbag import DagBag; bag = DagBag(sys.argv[1]);"
        "settings = bag.dags['smart_hub_usage'].user_defined_macros['settings'];"
        "print(json.dumps([sorted(bag.dags), bag.import_errors, str(settings.include), settings.problems]))"
    )

    printed = installed.run("python", "-P", "-c", program, str(tmp_path / "dags"))

    assert json.loads(printed.splitlines()[-1]) == [DAGS, {}, str(tmp_path / "dags" / "smart-hub" / "include"), []]


def test_the_plugin_registers_its_page(mwaa: Mwaa) -> None:
    client = mwaa.client()

    assert client.get("/api/v2/plugins/importErrors").raise_for_status().json()["import_errors"] == []
    (plugin,) = (p for p in client.get("/api/v2/plugins").json()["plugins"] if p["name"] == "smart_hub")
    assert [view["url_route"] for view in plugin["external_views"]] == ["smart-hub"]
    assert client.get("/smart-hub/", headers={"Authorization": ""}).status_code == 401


@pytest.fixture(scope="session")
def run(mwaa: Mwaa) -> dict[str, Any]:
    """A run of the day, started by the commands of the docs, once it has ended."""
    client = mwaa.client()
    deadline = time.monotonic() + SECONDS
    while client.get("/api/v2/dags/smart_hub_usage").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    answers = [rest(client, command) for command in commands("aws mwaa invoke-rest-api")]
    run_id = answers[-1]["dag_run_id"]
    while True:
        found: dict[str, Any] = client.get(f"/api/v2/dags/smart_hub_usage/dagRuns/{run_id}").raise_for_status().json()
        if found["state"] in ("success", "failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def rest(client: Any, command: str) -> dict[str, Any]:
    """What MWAA does for `aws mwaa invoke-rest-api`: the call below /api/v2."""
    of = options(command)
    answer = client.request(of["--method"], f"/api/v2{of['--path']}", json=json.loads(of["--body"]))
    assert answer.is_success, answer.text
    return dict(answer.json())


def test_the_day_is_published_as_plain_python_computes_it(
    mwaa: Mwaa, run: dict[str, Any], published: Environment
) -> None:
    assert run["state"] == "success", failures(mwaa, run)
    expected = independent.costs(ROOT / "include" / "data", DAY)

    rows = published.select(
        "SELECT loc_id, sensor, ts_utc, device, kwh, cents_per_kwh, cast(dt AS varchar) FROM usage_cost"
    )

    found = {
        (loc_id, sensor, datetime.fromisoformat(ts)): (device, Decimal(kwh), Decimal(cents), dt)
        for loc_id, sensor, ts, device, kwh, cents, dt in rows
    }
    assert len(rows) == len(found)
    assert found == {key: (cost.device, cost.kwh, cost.cents_per_kwh, DAY) for key, cost in expected.items()}


def failures(mwaa: Mwaa, run: dict[str, Any]) -> str:
    logs = mwaa.home / "logs" / "dag_id=smart_hub_usage" / f"run_id={run['dag_run_id']}"
    return "\n".join(
        path.read_text()[-3000:] for path in sorted(logs.rglob("*.log")) if '"level":"error"' in path.read_text()
    )


def test_the_page_shows_the_day(mwaa: Mwaa, run: dict[str, Any]) -> None:
    answer = mwaa.client().get("/smart-hub/")

    assert answer.status_code == 200, answer.text
    assert DAY in answer.text
