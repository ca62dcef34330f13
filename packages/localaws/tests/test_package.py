"""The package as its users get it: the wheel, and the examples of the README."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from localaws.access import _GLUE, _OF_QUERY, _OF_WORKGROUP
from localaws.athena.service import Athena
from localaws.testing import LocalAws

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_wheel_has_the_command_and_all_its_files(tmp_path: Path) -> None:
    # given the built and unpacked wheel
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGE, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("localaws-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
        names = {Path(name) for name in archive.namelist()}
    (metadata,) = (tmp_path / "wheel").glob("*.dist-info")
    scripts = ConfigParser()
    scripts.read(metadata / "entry_points.txt")
    module, _, function = scripts["console_scripts"]["localaws"].partition(":")

    # when the command runs from it
    code = f"import {module} as command; print(command.__file__); command.{function}()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "wheel")}
    command = [sys.executable, "-P", "-c", code, "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    # expect its help, and every file of the sources
    assert done.returncode == 0, done.stderr
    location, usage = done.stdout.splitlines()[:2]
    assert Path(location).is_relative_to(tmp_path)
    assert usage.startswith("usage: localaws ")
    sources = {
        path.relative_to(PACKAGE / "src")
        for path in (PACKAGE / "src").rglob("*")
        if path.suffix in (".py", ".tsv", ".typed")
    }
    assert sources <= names
    assert (metadata / "licenses" / "LICENSE").read_bytes() == (PACKAGE / "LICENSE").read_bytes()


def test_each_imported_package_is_declared() -> None:
    # given the third-party modules that the sources import, and the packages that pyproject.toml names
    files = (PACKAGE / "src").rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"localaws"}
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {canonicalize_name(Requirement(one).name) for one in project["dependencies"]}

    # expect a declaration of each, except pytest, which only the plugin needs
    packages = packages_distributions()
    used = {canonicalize_name(packages[module][0]) for module in modules - {"pytest"}}
    assert used - declared == set()
    assert declared - used == {"numpy"}


def test_the_readme_lists_the_actions_that_users_can_call() -> None:
    listed = {
        service: set(re.findall(r"`(\w+)`", row))
        for service, row in re.findall(r"^\| (Athena|Glue) \| (`[A-Z].*) \|$", README, re.MULTILINE)
    }

    athena = _OF_WORKGROUP | _OF_QUERY | {"BatchGetQueryExecution"}
    assert listed == {"Athena": athena & {*Athena.actions, "GetWorkGroup"}, "Glue": set(_GLUE)}


def test_the_example_with_boto3(fresh_aws: LocalAws, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = [one for one in EXAMPLES if "import boto3" in one]

    exec(example.replace("http://127.0.0.1:4566", fresh_aws.endpoint), {})

    assert capsys.readouterr().out == "[['day', 'total'], ['2024-05-01', '9.99'], ['2024-05-02', '5.00']]\n"


def test_the_example_with_pytest(tmp_path: Path) -> None:
    (example,) = [one for one in EXAMPLES if "import pytest" in one]
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
