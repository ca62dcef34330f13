"""A demo in an environment of its own, and a real Chromium."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from ops import processes
from ops.environment import airflow_environment, inherited
from ops.settings import ROOT, LaptopSettings
from tests.e2e.environment import Environment
from tests.ports import free_ports

CHROMIUMS = [
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
]
# No requests except to the pages under test.
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
FLAGS += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox does not support root
# A warning about the frame in which Airflow shows the page.
EXPECTED_WARNING = "An iframe which has both allow-scripts and allow-same-origin"
TIMEOUT_SECONDS = 30  # long enough for a busy machine
expect.set_options(timeout=TIMEOUT_SECONDS * 1000)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment in which the demo has run."""
    environment = Environment(tmp_path_factory.mktemp("browser") / "local", *free_ports())
    try:
        done = environment.make("demo")
        assert done.returncode == 0, done.stdout
        yield environment
    finally:
        down = environment.make("down")
    assert down.returncode == 0, down.stdout


@pytest.fixture(scope="session")
def url(environment: Environment) -> str:
    return f"http://127.0.0.1:{environment.airflow_port}"


@pytest.fixture(scope="session")
def login_url(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second API server of the same Airflow, which requires a login; user and password are viewer."""
    folder = tmp_path_factory.mktemp("login")
    passwords = folder / "passwords.json"
    passwords.write_text('{"viewer": "viewer"}')
    port = free_ports()[0]
    ports = {
        "SMART_HUB_LOCAL": str(environment.local),
        "AIRFLOW_PORT": str(environment.airflow_port),
        "AWS_PORT": str(environment.aws_port),
    }
    laptop = LaptopSettings.from_environment(ports)
    settings = {
        **airflow_environment(laptop),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "viewer:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    }
    server = processes.start(
        "login",
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
    """Path of the browser: $CHROMIUM, or the first of CHROMIUMS that is installed. Fails the test if there is none."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else CHROMIUMS
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"no browser found among {', '.join(names)}: install Chromium, or set CHROMIUM", pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@dataclass
class MonitoredPage:
    """A page of the browser, and its errors and warnings."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def record(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED_WARNING):
            self.errors.append(message.text)


def open_monitored_page(context: BrowserContext) -> MonitoredPage:
    context.set_default_timeout(TIMEOUT_SECONDS * 1000)
    monitored = MonitoredPage(context.new_page())
    monitored.page.on("console", monitored.record)
    monitored.page.on("pageerror", lambda error: monitored.errors.append(str(error)))
    return monitored


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; the test fails if the page logs an error or a warning."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        monitored = open_monitored_page(context)
        yield monitored.page
        assert monitored.errors == []
