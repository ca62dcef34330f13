"""The page's routes; their authorization is tested in test_access."""

import csv
import html
import io
import logging
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from smart_hub.page import routes
from smart_hub.page.access import REQUIRE_DAG_ACCESS
from smart_hub.page.published_data import PublishedData, UnavailableError
from tests.plugins.page.conftest import DAYS, HUB, NAMES, PublishedAws, reading


def client_of(open_data: Callable[[], PublishedData]) -> TestClient:
    app = routes.create_app(open_data)
    app.dependency_overrides[REQUIRE_DAG_ACCESS.dependency] = lambda: None
    return TestClient(app)


@pytest.fixture
def client(data: PublishedData) -> Iterator[TestClient]:
    with client_of(lambda: data) as test_client:
        yield test_client


def test_the_page_has_the_figures_of_the_hub_and_the_what_if(client: TestClient) -> None:
    response = client.get("/", params={"hub": HUB, "from": DAYS[0], "to": DAYS[1], "sensor": "s_01", "hour": "3"})
    assert response.status_code == 200
    assert "4.60 kWh" in response.text
    assert '<strong id="bill-then">$0.29</strong>' in response.text


def test_every_response_has_security_headers(client: TestClient) -> None:
    for path in ("/", "/usage.csv", "/assets/page.js", "/nothing", "/?from=x"):
        headers = client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in headers["cache-control"]) == (path != "/assets/page.js")


@pytest.mark.parametrize("name", ["state", "hub", "from", "to", "hour"])
@pytest.mark.parametrize("path", ["/", "/usage.csv"])
def test_invalid_filters_are_refused_without_a_request_to_aws(
    client: TestClient, published: PublishedAws, path: str, name: str
) -> None:
    value = "<script>alert(1)</script>"
    response = client.get(path, params={name: value})
    assert response.status_code == 400
    assert value not in response.text
    assert published.calls == []


@pytest.mark.parametrize("value", ["'; DROP TABLE usage_cost; --", "<script>alert(1)</script>", "{{ 7*7 }}", "a" * 65])
def test_an_unknown_channel_is_not_shown(client: TestClient, value: str) -> None:
    response = client.get("/", params={"hub": HUB, "sensor": value, "hour": "3"})
    assert response.status_code == (400 if len(value) > 64 else 200)
    assert value not in response.text
    assert "bill-then" not in response.text


class Devices(HTMLParser):
    """The options of the what-if's select element: value -> whether it is selected."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.selected: dict[str, bool] = {}
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._open = attributes.get("name") == "sensor" if tag == "select" else self._open
        if tag == "option" and self._open:
            self.selected[attributes["value"] or ""] = "selected" in attributes


def test_unusual_channel_names_survive_the_round_trip(client: TestClient, published: PublishedAws) -> None:
    # given a hub whose channels have unusual names, and devices with the same name
    rows = [reading(name, "2019-12-21 03:00", 1, n, "off-peak", device="Outlet") for n, name in enumerate(NAMES, 1)]
    published.publish("usage_cost", DAYS[0], rows)

    # when each device in the form is submitted
    day = {"hub": HUB, "from": DAYS[0], "to": DAYS[0]}
    offered = Devices(client.get("/", params=day).text).selected
    pages = {name: client.get(f"/?{urlencode({**day, 'sensor': name, 'hour': 3})}").text for name in offered}

    # expect it to be selected, and the result to name it
    assert sorted(offered) == sorted(NAMES)
    for name, page in pages.items():
        assert [device for device, selected in Devices(page).selected.items() if selected] == [name]
        response = re.search(r'class="result" role="status">\s*<p>(.*?) at 03:00', page)
        assert response
        assert html.unescape(response[1]) == f"Outlet, {name}"

    # and the CSV to contain it
    lines = csv.reader(io.StringIO(client.get("/usage.csv", params=day).text))
    assert sorted(line[2] for line in lines) == sorted(["sensor", *NAMES])


@pytest.mark.parametrize(
    "path", ["/assets/..%2froutes.py", "/assets/page.html", "/assets/%2e%2e%2f__init__.py", "/docs"]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(
    ("name", "text"), [("page.css", "--card"), ("page.js", "Plotly.react"), ("plotly.js", "plotly.js v")]
)
def test_assets_are_compressed_on_request_and_cached_by_the_browser_only(
    client: TestClient, encoding: str, name: str, text: str
) -> None:
    response = client.get(f"/assets/{name}", headers={"Accept-Encoding": encoding})
    assert response.status_code == 200
    assert text in response.text
    assert response.headers.get("content-encoding", "identity") == encoding
    assert "private" in response.headers["cache-control"]


def test_the_file_name_of_the_csv_has_hub_and_days(client: TestClient) -> None:
    response = client.get("/usage.csv", params={"hub": HUB, "from": DAYS[0], "to": DAYS[1]})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="smart-hub-{HUB}-{DAYS[0]}-{DAYS[1]}.csv"'
    assert len(response.text.splitlines()) == 7


@pytest.mark.parametrize("query", [{}, {"hub": "ffff"}, {"hub": HUB, "from": "2020-01-01", "to": "2020-01-02"}])
def test_without_usage_there_is_no_csv(client: TestClient, query: dict[str, str]) -> None:
    response = client.get("/usage.csv", params=query)
    assert (response.status_code, response.text) == (404, "This hub has no published usage on these days.")


def test_unavailable_data_give_a_503() -> None:
    def fail() -> PublishedData:
        raise UnavailableError("The bucket cannot be reached.")

    client = client_of(fail)
    assert client.get("/").status_code == 503
    assert "The bucket cannot be reached." in client.get("/").text
    assert client.get("/usage.csv").text == "The bucket cannot be reached."


def test_the_clients_are_made_once(data: PublishedData) -> None:
    opened = []
    client = client_of(lambda: opened.append(data) or data)

    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 200]
    assert len(opened) == 1


def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> PublishedData:
        raise RuntimeError("a secret of the deployment")

    with caplog.at_level(logging.ERROR):
        response = client_of(fail).get("/")
    assert response.status_code == 500
    assert "Something went wrong; see the API server&#39;s log." in response.text
    assert "a secret" not in response.text
    assert "a secret" in caplog.text


class TestDeployment:
    """The deployment's settings and its Airflow connection."""

    def test_invalid_settings_are_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "s3://the-data")
        monkeypatch.setenv("SMART_HUB_STAK", "hub-two")
        response = client_of(routes._open_data).get("/")
        assert (response.status_code, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "SMART_HUB_DATA_BUCKET: expected the name of a bucket alone" in response.text
        assert "SMART_HUB_STAK: there is no such setting; the closest is SMART_HUB_STACK" in response.text

    def test_the_clients_use_the_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = """{"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "eu-west-1",
            "endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"user_agent_extra": "ours"}}}"""
        monkeypatch.setenv("AIRFLOW_CONN_SMART_HUB", connection)
        monkeypatch.setenv("SMART_HUB_AWS_CONN_ID", "smart_hub")
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "the-data")
        data = routes._open_data()
        client = data.client("s3")
        assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")
        assert "ours" in client.meta.config.user_agent_extra
        assert client.meta.config.connect_timeout == 3
        assert (data.database, data.bucket) == ("smart_hub", "the-data")

    def test_an_unreachable_aws_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMART_HUB",
            '{"conn_type": "aws", "login": "k", "password": "s", "extra":'
            ' {"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:9"}}',
        )
        monkeypatch.setenv("SMART_HUB_AWS_CONN_ID", "smart_hub")
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "the-data")
        response = client_of(routes._open_data).get("/")
        assert response.status_code == 503
        assert "cannot be reached: AWS did not respond." in response.text
