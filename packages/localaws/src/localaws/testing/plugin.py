"""pytest plugin: fixtures that start a local AWS.

The ini option ``localaws_python``, or the environment variable LOCALAWS_PYTHON, names the interpreter that runs the
server, if it is not the one that runs pytest; a relative path starts at the folder of the ini-file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localaws.testing.server import LocalAws

LocalAwsFactory = Callable[..., LocalAws]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("localaws_python", "interpreter that runs the local AWS (that of pytest)", default="")


@pytest.fixture(scope="session")
def local_aws_factory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> LocalAwsFactory:
    """Servers with new state folders; the arguments are further options of the server's command line.

    with local_aws_factory("--engine", "trino") as aws: …
    """
    python = os.environ.get("LOCALAWS_PYTHON") or pytestconfig.getini("localaws_python") or sys.executable

    def make(*arguments: str) -> LocalAws:
        state = tmp_path_factory.mktemp("localaws") / "state"
        return LocalAws(state, *arguments, python=Path(pytestconfig.rootpath, python))

    return make


def _server(local_aws_factory: LocalAwsFactory) -> Iterator[LocalAws]:
    with local_aws_factory() as aws:
        yield aws


local_aws = pytest.fixture(scope="session", name="local_aws")(_server)
module_local_aws = pytest.fixture(scope="module", name="module_local_aws")(_server)
fresh_local_aws = pytest.fixture(name="fresh_local_aws")(_server)


@pytest.fixture
def local_aws_environment(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The session's server, to which all AWS clients of this process and its children go by their variables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    return local_aws
