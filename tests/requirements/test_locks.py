"""The locks against their inputs: requirements.txt, the pyproject.toml files, MWAA's constraints."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in (ROOT / "requirements").glob("*.lock"))

_COMMAND = argparse.ArgumentParser()
_COMMAND.add_argument("inputs", nargs="*")
_COMMAND.add_argument("--group", action="append", default=[])
_COMMAND.add_argument("-c", dest="constraints", action="append", default=[])
_COMMAND.add_argument("-o", dest="output")
_COMMAND.add_argument("--python-version")
_COMMAND.add_argument("--universal", action="store_true")
_COMMAND.add_argument("--generate-hashes", action="store_true")
# These leave no trace in a lock.
_COMMAND.add_argument("--upgrade", action="store_true")
_COMMAND.add_argument("--quiet", action="store_true")

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)(?P<rest>.*(?:\n[ \t].*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    name: str
    version: str
    hashes: int


def command(text: str) -> dict[str, Any]:
    """The arguments of a ``uv pip compile``, but for those that leave no trace."""
    found = vars(_COMMAND.parse_intermixed_args(shlex.split(text)))
    return {name: value for name, value in found.items() if name not in ("upgrade", "quiet")}


def recipes() -> dict[str, dict[str, Any]]:
    """What ``make lock`` runs, by the lock that it writes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (localaws,) = re.findall(r"^LOCALAWS = (.*)$", makefile, re.MULTILINE)
    makefile = makefile.replace("$(LOCALAWS)", localaws)
    (options,) = re.findall(r"^COMPILE = \$\(UV\) pip compile (.*)$", makefile, re.MULTILINE)
    found = [command(f"{options} {line}") for line in re.findall(r"^\t\$\(COMPILE\) (.*)$", makefile, re.MULTILINE)]
    return {one["output"]: one for one in found}


def header(lock: str) -> dict[str, Any]:
    (line,) = re.findall(r"^# +uv pip compile (.*)$", lock, re.MULTILINE)
    return command(line)


def pins(text: str) -> list[Pin]:
    return [
        Pin(canonicalize_name(entry["name"]), entry["version"], entry["rest"].count("--hash=sha256:"))
        for entry in _ENTRY.finditer(text)
    ]


def project(file: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / file).read_text(encoding="utf-8"))


def in_group(name: str) -> Iterator[Requirement]:
    """The requirements of a dependency group, named as uv does: ``group``, or ``path/pyproject.toml:group``."""
    file, _, group = name.rpartition(":")
    for item in project(file or "pyproject.toml")["dependency-groups"][group]:
        if isinstance(item, str):
            yield Requirement(item)
        else:
            yield from in_group(f"{file}:{item['include-group']}")


def in_file(name: str) -> list[Requirement]:
    """The requirements of a requirements.txt, or the dependencies of a pyproject.toml."""
    if name.endswith(".toml"):
        return [Requirement(line) for line in project(name)["project"]["dependencies"]]
    lines = [line.partition("#")[0] for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line.strip()]


def required(made_of: dict[str, Any]) -> list[Requirement]:
    files = [requirement for name in made_of["inputs"] for requirement in in_file(name)]
    return files + [requirement for group in made_of["group"] for requirement in in_group(group)]


def drift(lock: str) -> list[str]:
    """Where the text of a lock is not what its inputs ask for; ``make lock`` puts it right."""
    made_of, found = header(lock), pins(lock)
    problems = []
    for requirement in required(made_of):
        versions = [pin.version for pin in found if pin.name == canonicalize_name(requirement.name)]
        if not versions or not all(requirement.specifier.contains(one, prereleases=True) for one in versions):
            problems.append(f"{requirement}: the lock has {', '.join(versions) or 'none'}")
    for file in made_of["constraints"]:
        constrained = {pin.name: pin.version for pin in pins((ROOT / file).read_text(encoding="utf-8"))}
        problems += [
            f"{pin.name}: {pin.version}, but {constrained[pin.name]} in {file}"
            for pin in found
            if constrained.get(pin.name, pin.version) != pin.version
        ]
    return problems + [f"{pin.name}: no hash" for pin in found if not pin.hashes]


def text_of(name: str) -> str:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_its_inputs_ask_for(name: str) -> None:
    assert drift(text_of(name)) == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_made_by_the_command_that_make_has(name: str) -> None:
    assert header(text_of(name)) == recipes()[f"requirements/{name}"]


def test_make_writes_no_other_locks() -> None:
    assert sorted(recipes()) == [f"requirements/{name}" for name in LOCKS]


@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        (r"^apache-airflow==\S+", "apache-airflow==3.3.0", "apache-airflow<3.4,>=3.3.1: the lock has 3.3.0"),
        (r"^apache-airflow==\S+", "apache-airflow==3.3.2", "apache-airflow==3.3.1: the lock has 3.3.2"),
        (r"^plotly==", "plotline==", "plotly: the lock has none"),
        (r"^pyarrow==\S+", "pyarrow==26.0.1", "pyarrow: 26.0.1, but 25.0.0 in requirements/mwaa-3.3.1-python-3.12.txt"),
        (r"^(rich==\S+) \\(\n    --hash=\S+( \\)?)+", r"\1", "rich: no hash"),
    ],
)
def test_a_lock_that_has_drifted_is_noticed(pattern: str, replacement: str, problem: str) -> None:
    text, changes = re.subn(pattern, replacement, text_of("airflow.lock"), count=1, flags=re.MULTILINE)
    assert changes == 1
    assert problem in drift(text)


def test_the_docs_have_the_versions_of_the_locks() -> None:
    text = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| (\S+) \| (\S+) \| (\S+) \| `requirements/(\S+)` \|", text, re.MULTILINE)
    assert [name for *_, name in rows] == ["airflow.lock", "airflow-newest.lock"]
    for airflow, amazon, python, name in rows:
        locked = {pin.name: pin.version for pin in pins(text_of(name))}
        assert (airflow, amazon) == (locked["apache-airflow"], locked["apache-airflow-providers-amazon"])
        # and that make test-versions runs it on this Python
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (environment,) = re.findall(rf"^(\.venv-\w+)/synced: requirements/{name} ", makefile, re.MULTILINE)
        assert f"{environment}/synced: BASE = $(PYTHON{python.replace('.', '')})" in makefile
