"""The Jinja macros of the DAGs: a run's usage day and names, and the results of its earlier steps.

The functions take Airflow's context of a task or, as macros in a template, Jinja's view of it. A missing result of an
earlier task raises AirflowFailException, which names the task to clear.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped
from airflow.sdk.timezone import utcnow
from jinja2 import pass_context

from smart_hub.core.settings import Settings
from smart_hub.shared.layout import (
    FIRST_DAY,
    INSIGHTS,
    content_hash_values,
    day_prefix,
    next_day,
    run_name,
    staging_table,
    version_name,
)
from smart_hub.shared.sql import statement

STEP_1 = "step_1_copy_raw_data"
INSIGHTS_GROUP = "insights"  # the task group of the insights

# A day has ended everywhere when it has ended in UTC-12.
_OVER_AFTER = timedelta(hours=36)


@pass_context
def usage_day(context: Any) -> str:
    """Returns the usage day of a run, YYYY-MM-DD: parameter usage_date, else partition key, else logical date.

    Raises AirflowFailException if there is none, if it is before layout.FIRST_DAY, or if the day is not over yet
    everywhere on earth (at 12:00 UTC on the day after), because its data are not complete until then.
    """
    sources = {
        "parameter usage_date": context["params"].get("usage_date"),
        "partition key": context.get("partition_key"),
        "logical date": context.get("ds"),
    }
    source, day = next(((source, day) for source, day in sources.items() if day), ("", ""))
    if not day:
        raise AirflowFailException("this run has no usage day: start one with the parameter usage_date")
    try:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    except ValueError:
        raise AirflowFailException(f"{source}: expected a usage day as YYYY-MM-DD, got {day!r}") from None
    if start.date().isoformat() < FIRST_DAY:
        raise AirflowFailException(f"{source}: {day} is too early; the first usage day is {FIRST_DAY}")
    if utcnow() < start + _OVER_AFTER:
        over = f"{start + _OVER_AFTER:%Y-%m-%d %H:%M} UTC"
        raise AirflowFailException(f"{source}: {day} is not over everywhere before {over}; run it then")
    return start.date().isoformat()


@pass_context
def run(context: Any) -> str:
    """Returns the run's name in S3 (see layout.run_name)."""
    return run_name(usage_day(context), context["run_id"])


@pass_context
def version(context: Any) -> str:
    """Returns the name of the version that this attempt of this task writes (see layout.version_name)."""
    return version_name(run(context), str(context["ti"].id))


@pass_context
def step_1_result(context: Any) -> dict[str, Any]:
    """Returns the result of CopyRawDataOperator: content_hashes, new, crawl, damaged."""
    return dict(_result(context, STEP_1))


@pass_context
def function_result(context: Any, task_id: str) -> dict[str, Any]:
    """Returns the result of the function that a task invoked."""
    return dict(json.loads(_result(context, task_id)))


@pass_context
def event(context: Any, *data_sets: str, **fields: Any) -> str:
    """Returns a function's event as JSON: day, run, version, content_hashes (of ``data_sets``) and ``fields``."""
    hashes = {data_set: step_1_result(context)["content_hashes"][data_set] for data_set in data_sets}
    names = {"day": usage_day(context), "run": run(context), "version": version(context)}
    return json.dumps({**names, "content_hashes": hashes, **fields})


@pass_context
def checked_counts(context: Any) -> dict[str, int]:
    """Returns how many things each rule of the audit has checked."""
    return {result["rule"]: result["checked"] for result in _result(context, "audit")}


def compacted_table(context: Any) -> str:
    """Returns the table that step 6 made of the day; it is not published yet."""
    return str(function_result(context, "step_6_compact")["compacted_table"])


def insight_target(context: Any, settings: Settings, table: str) -> dict[str, str]:
    """Returns table and location of this attempt's version of an insight."""
    day, own = usage_day(context), version(context)
    return {"table": staging_table(table, own), "location": settings.location(day_prefix(table, day, own))}


@pass_context
def insight_result(context: Any, table: str) -> dict[str, str]:
    """Returns table and location of the run's version of an insight (see InsightOperator)."""
    return dict(_result(context, f"{INSIGHTS_GROUP}.{table}"))


@pass_context
def insight_statement(context: Any, table: str) -> str:
    """Returns the CREATE TABLE AS of this attempt's version of an insight. The DAG's macro ``settings`` is needed."""
    settings, day = context["settings"], usage_day(context)
    return statement(
        settings.sql / "insights",
        table,
        **insight_target(context, settings, table),
        compacted_table=compacted_table(context),
        day=day,
        next_day=next_day(day),
        **content_hash_values(step_1_result(context)["content_hashes"]),
        min_coverage=settings.min_coverage,
        **{f"{upstream}_table": insight_result(context, upstream)["table"] for upstream in INSIGHTS[table]},
    )


def _result(context: Any, task_id: str) -> Any:
    result = context["ti"].xcom_pull(task_ids=task_id)
    if result is None:
        raise AirflowFailException(f"{task_id} has no result: clear the run from there")
    return result


def skip_unneeded(tasks: Mapping[str, tuple[str, str]]) -> Callable[[Any, Any], None]:
    """Returns a ``post_execute`` for step 1 that skips tasks without work, so that Airflow does not start them.

    tasks: task id -> (list in step 1's result, ``crawl`` or ``new``; data set). The task runs if its data set is in the
    list.
    """

    def skip(context: Any, result: Mapping[str, Any]) -> None:
        unneeded = [task_id for task_id, (name, data_set) in tasks.items() if data_set not in result[name]]
        if unneeded:
            # The exception marks the task as successful, but Airflow does not store its result then.
            context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=result)
            raise DownstreamTasksSkipped(tasks=unneeded)  # type: ignore[no-untyped-call]

    return skip


MACROS = {
    one.__name__: one
    for one in (usage_day, run, version, step_1_result, function_result, event, insight_statement, insight_result)
}
