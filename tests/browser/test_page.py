"""The page in Airflow's UI after a demo; its figures are compared with Athena's."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import open_monitored_page
from tests.e2e.environment import DAYS, Environment

CHARTS = ["devices", "load", "heat", "provider"]
RANGE = f"from={DAYS[0]}&to={DAYS[1]}"
HUB_ID = re.compile(r"[0-9a-f]{16}")


@pytest.fixture(scope="session")
def hub(environment: Environment) -> str:
    """A hub in Portland whose most expensive device is not the first one."""
    return environment.select("SELECT min(loc_id) FROM usage_cost WHERE state = 'or'")[0][0]


@pytest.fixture
def frame(page: Page, url: str) -> FrameLocator:
    """The page in the UI, opened from the navigation."""
    page.goto(url)
    page.get_by_role("link", name="Smart Hub").click()
    expect(page).to_have_url(f"{url}/plugin/smart-hub")
    return page.frame_locator("iframe")


def plotted(page: Page, chart: str) -> dict[str, Any]:
    """The traces of a chart as plotly.js has drawn them, and the number of marks of each kind."""
    node = page.locator(f"#chart-{chart} .main-svg").first
    expect(node).to_be_visible()
    counts: dict[str, Any] = page.evaluate(
        """name => {
            const node = document.getElementById(`chart-${name}`);
            const count = selector => node.querySelectorAll(selector).length;
            return {
                traces: JSON.parse(JSON.stringify(node.data)),
                bars: count('.bars .point path'), lines: count('.scatterlayer .js-line'), heat: count('.hm image'),
                shades: count('.shapelayer path'),
            };
        }""",
        chart,
    )
    return counts


def number(text: str) -> float:
    return float(re.sub(r"[^0-9.-]", "", text))


def test_the_default_view_shows_a_hub_and_both_days(frame: FrameLocator) -> None:
    expect(frame.locator("h1")).to_have_text("Smart Hub")
    expect(frame.locator(".tile")).to_have_count(5)
    expect(frame.locator(".plot")).to_have_count(len(CHARTS))
    for chart in CHARTS:
        expect(frame.locator(f"#chart-{chart} .main-svg").first).to_be_visible()
    assert HUB_ID.fullmatch(frame.locator("#hub").input_value())
    assert [frame.get_by_label(label, exact=True).input_value() for label in ("From", "To")] == DAYS


def test_the_tiles_match_athena(page: Page, url: str, environment: Environment, hub: str) -> None:
    ((kwh, cents, peak),) = environment.select(
        "SELECT sum(kwh), sum(cost), sum(CASE WHEN type = 'peak' THEN cost ELSE 0 END)"
        f" FROM usage_cost WHERE loc_id = '{hub}'"
    )
    ((saving,),) = environment.select(f"SELECT sum(saving) FROM peak_shift WHERE loc_id = '{hub}'")
    ((watts,),) = environment.select(
        f"SELECT avg(always_on_kwh * 12000 / intervals) FROM hub_day_summary WHERE loc_id = '{hub}'"
    )
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    values = {
        name: page.locator(f"#tile-{name} .value").inner_text() for name in ("kwh", "cost", "peak", "saving", "idle")
    }
    assert number(values["kwh"]) == pytest.approx(float(kwh), abs=0.006)
    assert number(values["cost"]) == pytest.approx(float(cents) / 100, abs=0.006)
    assert number(values["peak"]) == pytest.approx(100 * float(peak) / float(cents), abs=0.06)
    assert number(values["saving"]) == pytest.approx(float(saving) / 100 / 2 * 365, abs=0.006)
    assert number(values["idle"]) == pytest.approx(float(watts), abs=0.6)


def test_the_chart_of_costs_matches_athena(page: Page, url: str, environment: Environment, hub: str) -> None:
    expected = {
        (f"{device} ({room})", period): float(cents) / 100
        for device, room, period, cents in environment.select(
            "SELECT device, location, type, sum(cost) FROM usage_cost"
            f" WHERE loc_id = '{hub}' GROUP BY sensor, device, location, type"
        )
    }
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = plotted(page, "devices")
    shown = {
        (label, trace["name"]): dollars
        for trace in chart["traces"]
        for label, dollars in zip(trace["y"], trace["x"], strict=True)
    }
    assert {key: dollars for key, dollars in shown.items() if dollars} == pytest.approx(
        {key: dollars for key, dollars in expected.items() if dollars}, abs=1e-5
    )
    assert chart["bars"] == len(shown)


def test_the_load_and_rate_periods_match_athena(page: Page, url: str, environment: Environment, hub: str) -> None:
    rows = environment.select(
        "SELECT hour(ts), min(type), sum(kwh) * 12 / count(DISTINCT ts_utc) FROM usage_cost"
        f" WHERE loc_id = '{hub}' GROUP BY hour(ts) ORDER BY 1"
    )
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = plotted(page, "load")
    assert chart["traces"][0]["y"][:24] == pytest.approx([float(kw) for *_, kw in rows], abs=1e-5)
    assert (chart["lines"], chart["shades"]) == (1, 24)
    figure = page.locator("figure:has(#chart-load)")
    figure.locator("summary").click()
    assert figure.locator("tbody td:last-child").all_inner_texts() == [period for _, period, _ in rows]


def test_the_heat_map_matches_athena(page: Page, url: str, environment: Environment, hub: str) -> None:
    expected = {
        (f"{device} ({room})", int(hour)): float(kwh)
        for device, room, hour, kwh in environment.select(
            "SELECT device, location, hour(ts), sum(kwh) FROM usage_cost"
            f" WHERE loc_id = '{hub}' GROUP BY sensor, device, location, hour(ts)"
        )
    }
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = plotted(page, "heat")
    (trace,) = chart["traces"]
    shown = {
        (label, hour): kwh for label, line in zip(trace["y"], trace["z"], strict=True) for hour, kwh in enumerate(line)
    }
    assert shown == pytest.approx(expected, abs=1e-5)
    assert chart["heat"] == 1


@pytest.mark.parametrize("state", ["", "ca"])
def test_the_providers_load_matches_athena(page: Page, url: str, environment: Environment, state: str) -> None:
    where = f"WHERE state = '{state}'" if state else ""
    rows = environment.select(
        f"SELECT hour, sum(kwh), sum(shifted_kwh) FROM hourly_load {where} GROUP BY hour ORDER BY hour"
    )
    page.goto(f"{url}/smart-hub/?state={state}&{RANGE}")

    chart = plotted(page, "provider")
    for trace, column in zip(chart["traces"][:2], (1, 2), strict=True):
        assert trace["y"][:24] == pytest.approx([float(row[column]) / 2 for row in rows], abs=1e-5)
    assert chart["lines"] == 2
    assert chart["shades"] == 24


def test_the_bill_of_the_what_if(frame: FrameLocator, environment: Environment) -> None:
    hub = frame.locator("#hub").input_value()
    form = frame.locator("#what-if form")
    form.locator("select[name=sensor]").select_option("s_02")
    form.locator("select[name=hour]").select_option("3")
    form.get_by_role("button").click()
    expect(frame.locator("#bill-then")).to_be_visible()

    ((bill,),) = environment.select(
        f"""
        WITH own AS (SELECT * FROM usage_cost WHERE loc_id = '{hub}'),
        rates AS (SELECT dt, min(cents_per_kwh) AS cents FROM own WHERE hour(ts) = 3 GROUP BY dt)
        SELECT sum(CASE WHEN sensor = 's_02' THEN kwh * cents ELSE cost END) FROM own JOIN rates ON own.dt = rates.dt
        """
    )
    assert number(frame.locator("#bill-then").inner_text()) == pytest.approx(float(bill) / 100, abs=0.006)


def test_the_csv_is_downloaded_from_the_frame(
    page: Page, frame: FrameLocator, environment: Environment, tmp_path: Path
) -> None:
    hub = frame.locator("#hub").input_value()
    with page.expect_download() as download:
        frame.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "usage.csv")

    rows = list(csv.DictReader((tmp_path / "usage.csv").open(newline="")))
    ((kwh, cents),) = environment.select(f"SELECT sum(kwh), sum(cost) FROM usage_cost WHERE loc_id = '{hub}'")
    assert sum(float(row["kwh"]) for row in rows) == pytest.approx(float(kwh))
    assert sum(float(row["cost_cents"]) for row in rows) == pytest.approx(float(cents))
    assert {row["day"] for row in rows} == set(DAYS)


def test_the_data_quality_of_each_day(page: Page, url: str, environment: Environment, hub: str) -> None:
    rows = environment.select(
        "SELECT cast(dt AS varchar), count(*), count_if(violations > 0) FROM data_quality GROUP BY dt ORDER BY dt"
    )
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")
    for row, (day, rules, violated) in zip(page.locator("#days tbody tr").all(), rows, strict=True):
        expect(row.locator("th")).to_have_text(day)
        text = f"{violated} of {rules} rules violated" if violated != "0" else f"all {rules} rules passed"
        expect(row.locator("td").nth(4)).to_contain_text(text)


def test_the_runs_of_a_day_are_linked(page: Page, frame: FrameLocator, environment: Environment) -> None:
    run = next(run["dag_run_id"] for run in environment.runs() if run["partition_key"] == DAYS[0])
    cell = frame.locator(f".runs[data-day='{DAYS[0]}']")
    expect(cell).to_have_text("success")
    cell.get_by_role("link").click()
    expect(page.get_by_role("heading", name=run).or_(page.get_by_text(run)).first).to_be_visible()
    assert "/dags/smart_hub_usage/runs/" in page.url


def test_the_hubs_are_filtered_by_state(page: Page, url: str, environment: Environment) -> None:
    hubs = environment.select("SELECT DISTINCT loc_id FROM usage_cost WHERE state = 'ca' ORDER BY 1")
    page.goto(f"{url}/smart-hub/")
    page.locator("#state").select_option("ca")
    assert [option.get_attribute("value") for option in page.locator("#hub option").all()] == [hub for (hub,) in hubs]
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#hub")).to_have_value(hubs[0][0])
    expect(page.locator("#provider-title")).to_have_text("Load of CA")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_ui(browser: Browser, url: str, scheme: str) -> None:
    # given a theme of the UI that differs from the system's
    other = "dark" if scheme == "light" else "light"
    with browser.new_context(color_scheme=other) as context:  # type: ignore[arg-type]
        context.add_init_script(f"localStorage.setItem('theme', {json.dumps(scheme)})")
        page = context.new_page()
        page.goto(f"{url}/plugin/smart-hub")
        frame = page.frame_locator("iframe")
        expect(frame.locator(f"html[data-theme={scheme}]")).to_be_visible()
        back = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 384) == (scheme == "light")
        text = frame.locator("#chart-load .xtick text").first.evaluate("text => getComputedStyle(text).fill")
        assert (sum(map(int, re.findall(r"\d+", text)[:3])) < 384) == (scheme == "light")


def test_the_page_fits_a_phone(browser: Browser, url: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as context:
        monitored = open_monitored_page(context)
        monitored.page.goto(f"{url}/smart-hub/")
        for chart in CHARTS:
            plotted(monitored.page, chart)
        assert monitored.page.evaluate("document.documentElement.scrollWidth") == 390
        assert monitored.errors == []


def test_accessibility(page: Page, url: str) -> None:
    page.goto(f"{url}/smart-hub/")
    for chart in CHARTS:
        figure = page.locator(f"figure:has(#chart-{chart})")
        label = figure.get_by_role("img").first.get_attribute("aria-label") or ""
        assert figure.locator(".description").inner_text() in label
        summary = figure.locator("summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(figure.get_by_role("table")).to_be_visible()
    page.locator("#state").focus()
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
    assert order[0] == "hub"
    assert not page.locator("select, input:not([type=hidden])").evaluate_all(
        "inputs => inputs.filter(input => !input.labels.length).map(input => input.name)"
    )


def test_a_run_from_the_trigger_form(page: Page, url: str, environment: Environment) -> None:
    before = {run["dag_run_id"] for run in environment.runs()}
    page.goto(f"{url}/dags/smart_hub_usage")
    page.get_by_role("button", name="Trigger").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("#element_usage_date").fill(DAYS[1])
    dialog.get_by_role("button", name="Trigger").click()
    expect(dialog).to_be_hidden()

    (run,) = {run["dag_run_id"] for run in environment.runs()} - before
    assert environment.finished(run)["state"] == "success"
    page.goto(f"{url}/dags/smart_hub_usage")
    page.get_by_role("button", name="Show Grid").click()
    tick = page.get_by_test_id(f"grid-{run}-step_7_clean_up").locator("svg path[d^='M20 6']")
    expect(tick).to_be_visible()
    # and the page links it and the demo's run
    page.goto(f"{url}/smart-hub/")
    expect(page.locator(f".runs[data-day='{DAYS[1]}']").get_by_role("link")).to_have_count(2)


def test_the_page_after_a_login(browser: Browser, login_url: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{login_url}/plugin/smart-hub")
        page.get_by_label("Username").fill("viewer")
        page.get_by_label("Password").fill("viewer")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{login_url}/plugin/smart-hub")
        expect(page.frame_locator("iframe").locator(".tile")).to_have_count(5)
        assert context.request.get(f"{login_url}/smart-hub/assets/page.js").status == 200
