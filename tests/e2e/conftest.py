"""One environment for all end-to-end tests, and the first demo in it."""

from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.environment import Environment
from tests.ports import free_ports


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    made = Environment(tmp_path_factory.mktemp("demo") / "local", *free_ports())
    yield made
    down = made.make("down")
    assert down.returncode == 0, down.stdout
    # nothing of it is left, not even what a service started
    left = [p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(made.local) in str(p.info["cmdline"])]
    assert left == []


@pytest.fixture(scope="session")
def first(environment: Environment) -> str:
    done = environment.make("demo")
    assert done.returncode == 0, done.stdout
    return done.stdout
