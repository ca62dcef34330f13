"""The page as a person meets it: in Airflow's UI, after a demo; its figures against Athena's."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import watched
from tests.e2e.environment import DAYS, Environment

CHARTS = ["devices", "load", "heat", "provider"]
RANGE = f"from={DAYS[0]}&to={DAYS[1]}"
ID_OF_A_HUB = re.compile(r"[0-9a-f]{16}")


@pytest.fixture(scope="session")
def hub(environment: Environment) -> str:
    """A hub in Portland, whose device with the most cost is not the first one."""
    return environment.select("SELECT min(loc_id) FROM usage_cost WHERE state = 'or'")[0][0]


@pytest.fixture
def frame(page: Page, url: str) -> FrameLocator:
    """The page in the UI, come by through the navigation."""
    page.goto(url)
    page.get_by_role("link", name="Smart Hub").click()
    expect(page).to_have_url(f"{url}/plugin/smart-hub")
    return page.frame_locator("iframe")


def drawn(page: Page, chart: str) -> dict[str, Any]:
    """What plotly.js has drawn of a chart: its traces, and how many marks of each kind there are."""
    node = page.locator(f"#chart-{chart} .main-svg").first
    expect(node).to_be_visible()
    found: dict[str, Any] = page.evaluate(
        """name => {
            const node = document.getElementById(`chart-${name}`);
            const shown = selector => node.querySelectorAll(selector).length;
            return {
                traces: JSON.parse(JSON.stringify(node.data)),
                bars: shown('.bars .point path'), lines: shown('.scatterlayer .js-line'), heat: shown('.hm image'),
                shades: shown('.shapelayer path'),
            };
        }""",
        chart,
    )
    return found


def number(text: str) -> float:
    return float(re.sub(r"[^0-9.-]", "", text))


def test_at_first_look_a_hub_and_both_days_are_chosen_and_drawn(frame: FrameLocator) -> None:
    expect(frame.locator("h1")).to_have_text("Smart Hub")
    expect(frame.locator(".tile")).to_have_count(5)
    expect(frame.locator(".plot")).to_have_count(len(CHARTS))
    for chart in CHARTS:
        expect(frame.locator(f"#chart-{chart} .main-svg").first).to_be_visible()
    # a hub and the two days are chosen already
    assert ID_OF_A_HUB.fullmatch(frame.locator("#hub").input_value())
    assert [frame.get_by_label(label, exact=True).input_value() for label in ("From", "To")] == DAYS


def test_tiles_are_what_athena_has(page: Page, url: str, environment: Environment, hub: str) -> None:
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


def test_costs_are_drawn_from_the_data(page: Page, url: str, environment: Environment, hub: str) -> None:
    expected = {
        (f"{device} ({room})", period): float(cents) / 100
        for device, room, period, cents in environment.select(
            "SELECT device, location, type, sum(cost) FROM usage_cost"
            f" WHERE loc_id = '{hub}' GROUP BY sensor, device, location, type"
        )
    }
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = drawn(page, "devices")
    shown = {
        (label, trace["name"]): dollars
        for trace in chart["traces"]
        for label, dollars in zip(trace["y"], trace["x"], strict=True)
    }
    assert {key: dollars for key, dollars in shown.items() if dollars} == pytest.approx(
        {key: dollars for key, dollars in expected.items() if dollars}, abs=1e-5
    )
    assert chart["bars"] == len(shown)


def test_the_load_and_its_rate_periods(page: Page, url: str, environment: Environment, hub: str) -> None:
    rows = environment.select(
        "SELECT hour(ts), min(type), sum(kwh) * 12 / count(DISTINCT ts_utc) FROM usage_cost"
        f" WHERE loc_id = '{hub}' GROUP BY hour(ts) ORDER BY 1"
    )
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = drawn(page, "load")
    assert chart["traces"][0]["y"][:24] == pytest.approx([float(kw) for *_, kw in rows], abs=1e-5)
    assert (chart["lines"], chart["shades"]) == (1, 24)
    figure = page.locator("figure:has(#chart-load)")
    figure.locator("summary").click()
    assert figure.locator("tbody td:last-child").all_inner_texts() == [period for _, period, _ in rows]


def test_the_heat_map_has_the_kwh_of_each_device_and_hour(
    page: Page, url: str, environment: Environment, hub: str
) -> None:
    expected = {
        (f"{device} ({room})", int(hour)): float(kwh)
        for device, room, hour, kwh in environment.select(
            "SELECT device, location, hour(ts), sum(kwh) FROM usage_cost"
            f" WHERE loc_id = '{hub}' GROUP BY sensor, device, location, hour(ts)"
        )
    }
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")

    chart = drawn(page, "heat")
    (trace,) = chart["traces"]
    shown = {
        (label, hour): kwh for label, line in zip(trace["y"], trace["z"], strict=True) for hour, kwh in enumerate(line)
    }
    assert shown == pytest.approx(expected, abs=1e-5)
    assert chart["heat"] == 1


@pytest.mark.parametrize("state", ["", "ca"])
def test_the_providers_view_has_the_load_of_each_hour(
    page: Page, url: str, environment: Environment, state: str
) -> None:
    where = f"WHERE state = '{state}'" if state else ""
    rows = environment.select(
        f"SELECT hour, sum(kwh), sum(shifted_kwh) FROM hourly_load {where} GROUP BY hour ORDER BY hour"
    )
    page.goto(f"{url}/smart-hub/?state={state}&{RANGE}")

    chart = drawn(page, "provider")
    for trace, column in zip(chart["traces"][:2], (1, 2), strict=True):
        assert trace["y"][:24] == pytest.approx([float(row[column]) / 2 for row in rows], abs=1e-5)
    assert chart["lines"] == 2
    assert chart["shades"] == 24


def test_a_shift_of_a_device_changes_the_bill(frame: FrameLocator, environment: Environment) -> None:
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


def test_the_csv_comes_out_of_the_frame(
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


def test_data_quality_of_each_day(page: Page, url: str, environment: Environment, hub: str) -> None:
    rows = environment.select(
        "SELECT cast(dt AS varchar), count(*), count_if(violations > 0) FROM data_quality GROUP BY dt ORDER BY dt"
    )
    page.goto(f"{url}/smart-hub/?hub={hub}&{RANGE}")
    for line, (day, rules, broken) in zip(page.locator("#days tbody tr").all(), rows, strict=True):
        expect(line.locator("th")).to_have_text(day)
        text = f"{broken} of {rules} rules broken" if broken != "0" else f"all {rules} rules hold"
        expect(line.locator("td").nth(4)).to_contain_text(text)


def test_a_days_run_is_a_click_away(page: Page, frame: FrameLocator, environment: Environment) -> None:
    run = next(run["dag_run_id"] for run in environment.runs() if run["partition_key"] == DAYS[0])
    cell = frame.locator(f".runs[data-day='{DAYS[0]}']")
    expect(cell).to_have_text("success")
    cell.get_by_role("link").click()
    expect(page.get_by_role("heading", name=run).or_(page.get_by_text(run)).first).to_be_visible()
    assert "/dags/smart_hub_usage/runs/" in page.url


def test_the_hubs_follow_the_state(page: Page, url: str, environment: Environment) -> None:
    hubs = environment.select("SELECT DISTINCT loc_id FROM usage_cost WHERE state = 'ca' ORDER BY 1")
    page.goto(f"{url}/smart-hub/")
    page.locator("#state").select_option("ca")
    assert [option.get_attribute("value") for option in page.locator("#hub option").all()] == [one for (one,) in hubs]
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#hub")).to_have_value(hubs[0][0])
    expect(page.locator("#provider-title")).to_have_text("Load of CA")


def test_an_unknown_hub_and_an_empty_range_say_so(browser: Browser, url: str) -> None:
    # apart from `page`: Chromium reports the status 404 as an error
    with browser.new_context() as context:
        page = context.new_page()
        answer = page.goto(f"{url}/smart-hub/?hub=0123456789abcdef")
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("alert")).to_contain_text("Hub 0123456789abcdef has no published usage")
        page.goto(f"{url}/smart-hub/?from=2020-01-01&to=2020-01-07")
        expect(page.get_by_role("alert")).to_contain_text("Nothing is published from 2020-01-01 to 2020-01-07.")
        answer = page.goto(f"{url}/smart-hub/?hub=%27%3B--")
        assert answer is not None
        assert answer.status == 400
        expect(page.get_by_role("alert")).to_have_text("“hub” is not the id of a hub.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_uis(browser: Browser, url: str, scheme: str) -> None:
    # given a reader who has set the UI against the system
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


def test_it_fits_a_phone(browser: Browser, url: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as context:
        found = watched(context)
        found.page.goto(f"{url}/smart-hub/")
        for chart in CHARTS:
            drawn(found.page, chart)
        assert found.page.evaluate("document.documentElement.scrollWidth") == 390
        assert found.wrongs == []


def test_by_keyboard_and_without_eyes(page: Page, url: str) -> None:
    page.goto(f"{url}/smart-hub/")
    for chart in CHARTS:
        figure = page.locator(f"figure:has(#chart-{chart})")
        label = figure.get_by_role("img").first.get_attribute("aria-label") or ""
        assert figure.locator(".words").inner_text() in label
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
        "all => all.filter(one => !one.labels.length).map(one => one.name)"
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
    # and the page has it beside the demo's run
    page.goto(f"{url}/smart-hub/")
    expect(page.locator(f".runs[data-day='{DAYS[1]}']").get_by_role("link")).to_have_count(2)


def test_nobody_sees_it_without_a_login(browser: Browser, guarded: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        for path in ("", "usage.csv", "assets/page.js", "assets/plotly.js"):
            answer = context.request.get(f"{guarded}/smart-hub/{path}")
            assert answer.status == 401, path
            assert "Smart Hub" not in answer.text()

        page.goto(f"{guarded}/plugin/smart-hub")
        page.get_by_label("Username").fill("viewer")
        page.get_by_label("Password").fill("viewer")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{guarded}/plugin/smart-hub")
        expect(page.frame_locator("iframe").locator(".tile")).to_have_count(5)
        assert context.request.get(f"{guarded}/smart-hub/assets/page.js").status == 200
