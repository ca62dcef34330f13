"""The repository as an Astro project: what its image holds, and the checks that Astro's own tests make there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.dockerignore import context, sent

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
IGNORE = ROOT / ".dockerignore"
DAGS = {path.stem for path in (ROOT / "dags").glob("*.py")}

# Asked in a process of its own, in an image's layout. They are the questions of the tests that `astro dev init` lays
# into a project (tests/dags/test_dag_example.py) and of those that `astro dev parse` and `astro deploy` run
# (.astro/test_dag_integrity_default.py). The latter answer for Variables, for Connections and, by os.getenv, for
# variables of the environment that are not set, so that no DAG fails for want of one; here each that is asked for is
# noted, too.
QUESTIONS = """
import json, os, sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Connection, Variable

from smart_hub.core.settings import Settings

asked = []
getenv = os.getenv
if sys.argv[1] == "mocked":
    os.getenv = lambda key, default=None: getenv(key) or default or f"MOCKED_{key.upper()}_VALUE"
Variable.get = lambda key, *args, **kwargs: asked.append(key) or "MOCKED"
Connection.get = lambda key, *args, **kwargs: asked.append(key) or Connection(conn_id=key)

dags = Path(os.environ["AIRFLOW_HOME"], "dags")
bag = DagBag(dag_folder=dags)
answers = {
    "errors": bag.import_errors,
    "asked": asked,
    "tags": {dag.dag_id: sorted(dag.tags) for dag in bag.dags.values()},
    "retries": {dag.dag_id: dag.default_args.get("retries") for dag in bag.dags.values()},
    "include": str(Settings.from_environment(dags).include),
}
Path(sys.argv[2]).write_text(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /usr/local/airflow: the checkout's files, less what .dockerignore leaves out."""
    target = tmp_path_factory.mktemp("image") / "usr" / "local" / "airflow"
    for name in context(ROOT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module", params=["plain", "mocked"])
def answers(home: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the image's Airflow says of its DAGs; AIRFLOW_HOME is on the path there, as it is on Astro."""
    environment = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SMART_HUB", "PYTHON"))
        },
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    told = home.parent / f"{request.param}.json"
    command = [sys.executable, "-c", QUESTIONS, request.param, str(told)]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(told.read_text()))


# What Astro's tests check


def test_no_dag_fails_to_import(answers: dict[str, Any]) -> None:
    assert answers["errors"] == {}
    assert set(answers["tags"]) == DAGS  # each file is named after its DAG


def test_every_dag_has_tags(answers: dict[str, Any]) -> None:
    assert [dag for dag, tags in answers["tags"].items() if not tags] == []


def test_every_dag_has_two_retries_or_more_by_default(answers: dict[str, Any]) -> None:
    assert {dag: n for dag, n in answers["retries"].items() if n is None or n < 2} == {}


def test_no_dag_asks_for_variables_or_connections_while_it_is_parsed(answers: dict[str, Any]) -> None:
    assert answers["asked"] == []


# The image


def test_the_include_folder_is_found_without_a_setting(answers: dict[str, Any], home: Path) -> None:
    assert answers["include"] == str(home / "include")


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".local/aws/state/iam.json",
        ".venv/bin/python",
        ".venv-localaws/bin/python",
        "airflow_settings.yaml",
        "docker-compose.yaml",
        "docker/trino/jvm.config",
        "packages/localaws/src/localaws/app.py",
        "ops/deploy.py",
        "plugins/smart_hub/__pycache__/sql.cpython-312.pyc",
        "requirements/airflow.lock",
        "tests/dags/test_astro.py",
    ],
)
def test_the_image_is_not_sent(path: str) -> None:
    assert not sent(path, IGNORE)


@pytest.mark.parametrize(
    "path",
    [
        "dags/.airflowignore",
        "dags/smart_hub_usage.py",
        "include/data/rates/rates.xml",
        "include/sql/transform/usage_cost.sql",
        "packages.txt",
        "plugins/.airflowignore",
        "plugins/smart_hub/page/assets/page.js",
        "plugins/smart_hub_plugin.py",
        "requirements.txt",
    ],
)
def test_the_image_is_sent(path: str) -> None:
    assert (ROOT / path).is_file()
    assert sent(path, IGNORE)


def test_the_runtime_brings_an_airflow_that_the_requirements_admit() -> None:
    # given the runtime's tag, <major>.<minor> of its Airflow and a release
    tag = re.search(
        r"^FROM astrocrpublic\.azurecr\.io/runtime:(\d+\.\d+)-\d+$", (ROOT / "Dockerfile").read_text(), re.M
    )
    assert tag
    wanted = {one.name: one for one in requirements()}

    # expect some release of that Airflow to be admitted, and the provider that the runtime does not bring to be named
    assert any(Version(f"{tag[1]}.{patch}") in wanted["apache-airflow"].specifier for patch in range(20))
    assert "apache-airflow-providers-amazon" in wanted


def requirements() -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]


# The project's files


def test_the_project_has_a_name() -> None:
    assert yaml.safe_load((ROOT / ".astro" / "config.yaml").read_text())["project"]["name"] == "smart-hub"


def test_the_example_of_the_settings_has_the_connection_that_the_dags_use() -> None:
    from smart_hub.core.settings import Settings

    example = yaml.safe_load((ROOT / "airflow_settings.example.yaml").read_text())

    (connection,) = example["airflow"]["connections"]
    assert connection["conn_id"] == Settings.from_environment(ROOT / "dags", {}).aws_conn_id
    assert connection["conn_extra"].keys() == {"region_name", "role_arn"}  # names alone, no secrets


def test_what_holds_secrets_is_never_committed() -> None:
    for name in (".env", "airflow_settings.yaml"):
        assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0, name


# .airflowignore


def test_only_dag_files_are_parsed_where_include_lies_in_the_dags_folder(tmp_path: Path) -> None:
    from airflow.utils.file import list_py_file_paths

    # given the folder as MWAA has it
    shutil.copytree(ROOT / "dags", tmp_path / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "include", tmp_path / "dags" / "include", ignore=shutil.ignore_patterns("__pycache__"))

    # when every Python file in it is listed, whatever it holds
    found = list_py_file_paths(tmp_path / "dags", safe_mode=False)

    assert {Path(path).stem for path in found} == DAGS
