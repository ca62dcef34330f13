"""The usage day of a run, and the events of the functions."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped
from jinja2 import Environment, StrictUndefined

from smart_hub.orchestration import macros
from tests.fake_aws import RUN

ContextOf = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 2nd of March 2026, 11:59:59 UTC: in UTC-12 it is still the 1st."""
    monkeypatch.setattr(macros, "utcnow", lambda: datetime(2026, 3, 2, 11, 59, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("parameter", "partition_key", "ds", "day"),
    [
        ("2019-12-21", None, None, "2019-12-21"),
        (None, "2019-12-22", None, "2019-12-22"),
        (None, None, "2019-12-23", "2019-12-23"),
        ("2019-12-21", "2019-12-22", "2019-12-23", "2019-12-21"),
        (None, "2019-12-22", "2019-12-23", "2019-12-22"),
        (None, "2026-02-28", None, "2026-02-28"),
    ],
)
def test_the_parameter_takes_precedence_over_partition_key_and_logical_date(
    context_of: ContextOf, parameter: str | None, partition_key: str | None, ds: str | None, day: str
) -> None:
    context = context_of(params={"usage_date": parameter}, partition_key=partition_key)
    if ds:
        context["ds"] = ds
    assert macros.usage_day(context) == day
    # and in a template
    template = Environment(undefined=StrictUndefined).from_string("{{ usage_day() }}")
    assert template.render(**context, **macros.MACROS) == day


def test_a_run_without_a_day_is_an_error_that_names_the_parameter(context_of: ContextOf) -> None:
    with pytest.raises(AirflowFailException, match="parameter usage_date"):
        macros.usage_day(context_of(partition_key=None))


def test_a_partition_key_must_be_a_day(context_of: ContextOf) -> None:
    with pytest.raises(AirflowFailException, match=r"partition key: expected .* got 'us-west'"):
        macros.usage_day(context_of(partition_key="us-west"))


def test_a_day_that_is_not_over_in_the_last_time_zone_is_refused(context_of: ContextOf) -> None:
    with pytest.raises(AirflowFailException, match=r"2026-03-01 is not over .* 2026-03-02 12:00 UTC"):
        macros.usage_day(context_of(partition_key="2026-03-01"))


def test_a_day_is_over_at_noon_utc_of_the_next(context_of: ContextOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macros, "utcnow", lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert macros.usage_day(context_of(partition_key="2026-03-01")) == "2026-03-01"


def test_a_day_before_the_first_is_refused_by_name(context_of: ContextOf) -> None:
    assert macros.usage_day(context_of(partition_key="2000-01-01")) == "2000-01-01"
    with pytest.raises(AirflowFailException, match="1999-12-31 is too early; the first usage day is 2000-01-01"):
        macros.usage_day(context_of(partition_key="1999-12-31"))


def test_the_event_of_a_function(context_of: ContextOf) -> None:
    # Given results of steps 1 and 3
    content = {"mappings": "a" * 64, "locations": "b" * 64, "rates": "c" * 64}
    results = {
        macros.STEP_1: {"content_hashes": content},
        "step_3_convert": json.dumps({"readings_table": "staging_usage_v1"}),
    }
    context = context_of(results)
    # When the DAG's template is rendered
    text = (
        "{{ event('mappings', 'locations', readings_table=function_result('step_3_convert').readings_table, files=2) }}"
    )
    event = json.loads(Environment(undefined=StrictUndefined).from_string(text).render(**context, **macros.MACROS))
    # Expect the fields of the functions' events
    assert event == {
        "day": "2019-12-21",
        "run": RUN,
        "version": macros.version(context),
        "content_hashes": {"mappings": "a" * 64, "locations": "b" * 64},
        "readings_table": "staging_usage_v1",
        "files": 2,
    }


def test_a_missing_result_names_the_task_to_clear(context_of: ContextOf) -> None:
    with pytest.raises(AirflowFailException, match="step_3_convert has no result: clear the run from there"):
        macros.function_result(context_of(), "step_3_convert")


def test_tasks_without_work_are_skipped_and_the_result_is_pushed() -> None:
    # given a result of step 1 in which only rates are new and only usage must be crawled
    result = {"new": ["rates"], "crawl": ["usage"], "damaged": []}
    pushed: dict[str, Any] = {}
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))}
    tasks = {"crawl.usage": ("crawl", "usage"), "crawl.rates": ("crawl", "rates"), "job": ("new", "rates")}

    with pytest.raises(DownstreamTasksSkipped) as skipped:
        macros.skip_unneeded(tasks)(context, result)

    assert skipped.value.tasks == ["crawl.rates"]
    assert pushed == {"return_value": result}


def test_if_all_tasks_have_work_none_is_skipped() -> None:
    macros.skip_unneeded({"job": ("new", "rates")})({}, {"new": ["rates"]})
