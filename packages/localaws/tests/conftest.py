"""A local AWS of the tests' own: `aws` is shared by a session, `fresh_aws` is one test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws.testing.server import Aws


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    server = Aws(tmp_path_factory.mktemp("localaws") / "state")
    yield server
    server.kill()


@pytest.fixture
def fresh_aws(tmp_path: Path) -> Iterator[Aws]:
    server = Aws(tmp_path / "state")
    yield server
    server.kill()
