"""The project and the package localaws use each other only by localaws.testing and its conformance tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "localaws"
PROJECT = {"benchmarks", "dags", "generator", "include", "ops", "smart_hub", "smart_hub_plugin"}
CONFORMANCE = {"tests/conformance.py", "tests/sql/own_sql.py"}  # its parts that are the project's


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file below a folder, by its path in the repository, with each module that it imports."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from ((path.relative_to(ROOT).as_posix(), name) for name in names)


def test_tests_import_nothing_of_localaws_but_its_test_api() -> None:
    used = {(file, name) for file, name in imports(ROOT / "tests") if name.split(".")[0] == "localaws"}

    assert {(file, name) for file, name in used if name.split(".")[1:2] != ["testing"]} == set()
    conformance = {file for file, name in imports(ROOT / "tests") if name.split(".")[0] == "conformance"}
    assert conformance == CONFORMANCE


@pytest.mark.parametrize("folder", ["src", "conformance", "tests"])
def test_the_package_imports_nothing_of_the_project(folder: str) -> None:
    own = {path.stem for path in (PACKAGE / "tests").iterdir()}
    found = set(imports(PACKAGE / folder))

    assert {(file, name) for file, name in found if name.split(".")[0] in PROJECT} == set()
    tests = {(file, name) for file, name in found if name.split(".")[0] == "tests"}
    assert {(file, name) for file, name in tests if name.split(".")[1] not in own} == set()
