"""The page's routes, as a browser asks for them; who may ask is in test_access."""

import csv
import html
import io
import logging
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from smart_hub.page import routes
from smart_hub.page.access import MAY_READ_DAG
from smart_hub.page.store import Store, Unavailable
from tests.plugins.page.conftest import DAYS, HUB, NAMES, PublishedAws, reading
from tests.plugins.page.test_choice import HOSTILE


def client_of(make: Callable[[], Store]) -> TestClient:
    app = routes.create_app(make)
    app.dependency_overrides[MAY_READ_DAG.dependency] = lambda: None
    return TestClient(app)


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with client_of(lambda: store) as made:
        yield made


def test_the_page_has_the_hubs_figures_and_the_bill_after_a_shift(client: TestClient) -> None:
    answer = client.get("/", params={"hub": HUB, "from": DAYS[0], "to": DAYS[1], "sensor": "s_01", "hour": "3"})
    assert answer.status_code == 200
    assert "4.60 kWh" in answer.text
    assert '<strong id="bill-then">$0.29</strong>' in answer.text


def test_every_answer_forbids_foreign_scripts_and_frames(client: TestClient) -> None:
    for path in ("/", "/usage.csv", "/assets/page.js", "/nothing", "/?from=x"):
        headers = client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in headers["cache-control"]) == (path != "/assets/page.js")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["state", "hub", "from", "to", "hour"])
@pytest.mark.parametrize("path", ["/", "/usage.csv"])
def test_hostile_queries_reach_nothing(client: TestClient, published: Any, path: str, name: str, value: str) -> None:
    answer = client.get(path, params={name: value})
    assert answer.status_code == 400
    assert value not in answer.text
    assert published.calls == []


@pytest.mark.parametrize("value", ["'; DROP TABLE usage_cost; --", "<script>alert(1)</script>", "{{ 7*7 }}", "a" * 65])
def test_a_channel_that_the_hub_has_not_is_not_shown(client: TestClient, value: str) -> None:
    answer = client.get("/", params={"hub": HUB, "sensor": value, "hour": "3"})
    assert answer.status_code == (400 if len(value) > 64 else 200)
    assert value not in answer.text
    assert "bill-then" not in answer.text


class Devices(HTMLParser):
    """The options of the what-if's select element: value -> whether it is selected."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.offered: dict[str, bool] = {}
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = dict(attributes)
        self._open = of.get("name") == "sensor" if tag == "select" else self._open
        if tag == "option" and self._open:
            self.offered[of["value"] or ""] = "selected" in of


def test_a_channels_name_comes_back_from_the_page_as_it_is(client: TestClient, published: PublishedAws) -> None:
    # given a hub whose channels have unusual names, and devices with the same name
    rows = [reading(name, "2019-12-21 03:00", 1, n, "off-peak", device="Outlet") for n, name in enumerate(NAMES, 1)]
    published.publish("usage_cost", DAYS[0], rows)

    # when each of the devices that the page offers is selected in the form
    day = {"hub": HUB, "from": DAYS[0], "to": DAYS[0]}
    offered = Devices(client.get("/", params=day).text).offered
    pages = {name: client.get(f"/?{urlencode({**day, 'sensor': name, 'hour': 3})}").text for name in offered}

    # expect it to be selected, and the result to be about it
    assert sorted(offered) == sorted(NAMES)
    for name, page in pages.items():
        assert [one for one, chosen in Devices(page).offered.items() if chosen] == [name]
        answer = re.search(r'class="answer" role="status">\s*<p>(.*?) at 03:00', page)
        assert answer
        assert html.unescape(answer[1]) == f"Outlet, {name}"

    # and each in the CSV
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
def test_assets_come_compressed_where_asked_and_are_for_the_browser_alone(
    client: TestClient, encoding: str, name: str, text: str
) -> None:
    answer = client.get(f"/assets/{name}", headers={"Accept-Encoding": encoding})
    assert answer.status_code == 200
    assert text in answer.text
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert "private" in answer.headers["cache-control"]


def test_the_csv_is_a_file_named_after_hub_and_days(client: TestClient) -> None:
    answer = client.get("/usage.csv", params={"hub": HUB, "from": DAYS[0], "to": DAYS[1]})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="smart-hub-{HUB}-{DAYS[0]}-{DAYS[1]}.csv"'
    assert len(answer.text.splitlines()) == 7


@pytest.mark.parametrize("query", [{}, {"hub": "ffff"}, {"hub": HUB, "from": "2020-01-01", "to": "2020-01-02"}])
def test_no_csv_of_nothing(client: TestClient, query: dict[str, str]) -> None:
    answer = client.get("/usage.csv", params=query)
    assert (answer.status_code, answer.text) == (404, "This hub has no published usage in these days.")


def test_what_is_out_of_reach_is_told() -> None:
    def fail() -> Store:
        raise Unavailable("The data bucket is asleep.")

    client = client_of(fail)
    assert client.get("/").status_code == 503
    assert "The data bucket is asleep." in client.get("/").text
    assert client.get("/usage.csv").text == "The data bucket is asleep."


def test_a_defect_stays_inside_and_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Store:
        raise RuntimeError("a secret of the deployment")

    with caplog.at_level(logging.ERROR):
        answer = client_of(fail).get("/")
    assert answer.status_code == 500
    assert "The page failed at its own fault" in answer.text
    assert "a secret" not in answer.text
    assert "a secret" in caplog.text


class TestDeployment:
    """The tables of the deployment: its settings and its connection."""

    def test_a_bucket_that_is_not_set_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SMART_HUB_DATA_BUCKET", raising=False)
        with pytest.raises(Unavailable, match="SMART_HUB_DATA_BUCKET: not set"):
            routes._store()

    def test_settings_that_are_wrong_are_told_on_the_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "s3://the-data")
        monkeypatch.setenv("SMART_HUB_STAK", "hub-two")
        answer = client_of(routes._store).get("/")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "SMART_HUB_DATA_BUCKET: expected the name of a bucket alone" in answer.text
        assert "SMART_HUB_STAK: there is no such setting; the closest is SMART_HUB_STACK" in answer.text

    def test_clients_are_as_the_connection_has_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = """{"conn_type": "aws", "login": "key", "password": "secret", "extra": {"region_name": "eu-west-1",
            "endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"user_agent_extra": "ours"}}}"""
        monkeypatch.setenv("AIRFLOW_CONN_SMART_HUB", connection)
        monkeypatch.setenv("SMART_HUB_AWS_CONN_ID", "smart_hub")
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "the-data")
        store = routes._store()
        client = store.client("s3")
        assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")
        assert "ours" in client.meta.config.user_agent_extra
        assert client.meta.config.connect_timeout == 3
        assert (store.database, store.bucket) == ("smart_hub", "the-data")

    def test_when_no_aws_answers_the_page_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMART_HUB",
            '{"conn_type": "aws", "login": "k", "password": "s", "extra":'
            ' {"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:9"}}',
        )
        monkeypatch.setenv("SMART_HUB_AWS_CONN_ID", "smart_hub")
        monkeypatch.setenv("SMART_HUB_DATA_BUCKET", "the-data")
        answer = client_of(routes._store).get("/")
        assert answer.status_code == 503
        assert "is out of reach: AWS does not answer" in answer.text
