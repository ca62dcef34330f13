"""The environment of all end-to-end tests, with user settings that point to another server, and its first demo."""

import socket
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.environment import Environment
from tests.e2e.hostile_settings import hostile
from tests.e2e.watch import Watch
from tests.ports import free_ports


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[socket.socket]:
    """The server that the user's proxies and endpoints point to. No process of the demo must connect to it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, elsewhere: socket.socket) -> Iterator[Environment]:
    users = hostile(tmp_path_factory.mktemp("home"), f"http://127.0.0.1:{elsewhere.getsockname()[1]}")
    made = Environment(tmp_path_factory.mktemp("demo") / "local", *free_ports(), users)
    yield made
    down = made.make("down")
    assert down.returncode == 0, down.stdout
    # nothing of it is left, not even what a service started
    left = [p.info for p in psutil.process_iter(["pid", "cmdline"]) if str(made.local) in str(p.info["cmdline"])]
    assert left == []


@pytest.fixture(scope="session")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return Watch(tmp_path_factory.mktemp("watch") / "python")


@pytest.fixture(scope="session")
def first(environment: Environment, watch: Watch) -> str:
    """The output of the first demo. It starts the services, so all of them are watched."""
    done = environment.run(sys.executable, "-m", "ops.demo", **watch.variables)
    assert done.returncode == 0, done.stdout
    return done.stdout
