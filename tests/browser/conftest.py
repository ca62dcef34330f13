"""A demo in an environment of its own, and a real Chromium that looks at it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from ops import processes
from ops.environment import airflow_environment, inherited
from ops.settings import ROOT, Settings
from tests.e2e.environment import Environment
from tests.ports import free_ports

CHROMIUMS = [
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
]
# It is to reach nothing but the pages under test.
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
FLAGS += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
# Airflow's own frame around the page brings it about.
KNOWN = "An iframe which has both allow-scripts and allow-same-origin"
SECONDS = 30  # for what is to appear, on a busy machine
expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The demo, run."""
    made = Environment(tmp_path_factory.mktemp("browser") / "local", *free_ports())
    try:
        done = made.make("demo")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        down = made.make("down")
    assert down.returncode == 0, down.stdout


@pytest.fixture(scope="session")
def url(environment: Environment) -> str:
    return f"http://127.0.0.1:{environment.airflow_port}"


@pytest.fixture(scope="session")
def guarded(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same Airflow by a second API server that wants a login; user and password are viewer."""
    folder = tmp_path_factory.mktemp("guarded")
    passwords = folder / "passwords.json"
    passwords.write_text('{"viewer": "viewer"}')
    port = free_ports()[0]
    own = {
        "SMART_HUB_LOCAL": str(environment.local),
        "AIRFLOW_PORT": str(environment.airflow_port),
        "AWS_PORT": str(environment.aws_port),
    }
    laptop = Settings.from_environment(own)
    settings = {
        **airflow_environment(laptop),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "viewer:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    }
    server = processes.start(
        "guarded",
        [str(ROOT / ".venv" / "bin" / "airflow"), "api-server", "--apps", "core", "--port", str(port)],
        {**inherited(laptop), **settings},
        folder=folder,
        log=folder / "log",
        cwd=ROOT,
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=9), trust_env=False, timeout=90) as client:
            client.get(f"http://127.0.0.1:{port}/api/v2/version").raise_for_status()
        yield f"http://127.0.0.1:{port}"
    finally:
        processes.stop([server], folder=folder)


def chromium() -> str:
    """The installed browser: the one that CHROMIUM names, or one of the usual. Fails when there is none."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else CHROMIUMS
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"no browser among {', '.join(names)}: install Chromium, or name one by CHROMIUM", pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@dataclass
class Watched:
    """A page of the browser, and what went wrong in it."""

    page: Page
    wrongs: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(KNOWN):
            self.wrongs.append(message.text)


def watched(context: BrowserContext) -> Watched:
    context.set_default_timeout(SECONDS * 1000)
    found = Watched(context.new_page())
    found.page.on("console", found.hear)
    found.page.on("pageerror", lambda error: found.wrongs.append(str(error)))
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in which nothing may go wrong."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        found = watched(context)
        yield found.page
        assert found.wrongs == []
