"""What templates and operators ask about a run: its usage day, its names, what earlier steps found.

The functions take Airflow's context of a task or, as macros in a template, Jinja's view of it.
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
    INSIGHT_TABLES,
    day_prefix,
    next_day,
    run_name,
    staging_table,
    version_name,
)
from smart_hub.shared.sql import placeholders, render_from

STEP_1 = "step_1_copy_raw_data"
INSIGHTS = "insights"  # the group of the tasks that make them

# A day has ended everywhere when it has in UTC-12.
_OVER_AFTER = timedelta(hours=36)


@pass_context
def usage_day(context: Any) -> str:
    """The usage day of a run, YYYY-MM-DD: parameter usage_date, else partition key, else logical date.

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
    """The run's name in S3 (see layout.run_name)."""
    return run_name(usage_day(context), context["run_id"])


@pass_context
def version(context: Any) -> str:
    """Name of what this attempt of this task writes (see layout.version_name)."""
    return version_name(run(context), str(context["ti"].id))


@pass_context
def found(context: Any) -> dict[str, Any]:
    """What step 1 found (see CopyRawDataOperator). Raises AirflowFailException when it left no result."""
    return dict(_result(context, STEP_1))


@pass_context
def answer(context: Any, task_id: str) -> dict[str, Any]:
    """What the function that a task invoked answered. Raises AirflowFailException when there is no answer."""
    return dict(json.loads(_result(context, task_id)))


@pass_context
def event(context: Any, *contents: str, **fields: Any) -> str:
    """The event of a function, JSON: day, run, version, content (hashes of ``contents``) and ``fields``."""
    content = {data_set: found(context)["content"][data_set] for data_set in contents}
    names = {"day": usage_day(context), "run": run(context), "version": version(context)}
    return json.dumps({**names, "content": content, **fields})


@pass_context
def audited(context: Any) -> dict[str, int]:
    """How many things each rule of the audit has checked."""
    return {result["rule"]: result["checked"] for result in _result(context, "audit")}


def compacted(context: Any) -> str:
    """The table that step 6 made of the day, before it is published."""
    return str(answer(context, "step_6_compact")["published_table"])


def to_make(context: Any, settings: Settings, table: str) -> dict[str, str]:
    """Table and location of this attempt's version of an insight."""
    day, own = usage_day(context), version(context)
    return {"table": staging_table(table, own), "location": settings.location(day_prefix(table, day, own))}


@pass_context
def made(context: Any, table: str) -> dict[str, str]:
    """Table and location of the run's version of an insight (see InsightOperator)."""
    return dict(_result(context, f"{INSIGHTS}.{table}"))


@pass_context
def insight(context: Any, table: str) -> str:
    """The statement that makes this attempt's version of an insight; the DAG's macro ``settings`` says the rest."""
    settings, day = context["settings"], usage_day(context)
    text = (settings.sql / "insights" / f"{table}.sql").read_text(encoding="utf-8")
    known = {
        **to_make(context, settings, table),
        "published_table": compacted(context),
        "day": day,
        "next_day": next_day(day),
        "rates": found(context)["content"]["rates"],
        "least_coverage": settings.least_coverage,
    }
    earlier = {f"{name}_table": name for name in INSIGHT_TABLES if f"{name}_table" in placeholders(text)}
    return render_from(text, {**known, **{name: made(context, other)["table"] for name, other in earlier.items()}})


def _result(context: Any, task_id: str) -> Any:
    result = context["ti"].xcom_pull(task_ids=task_id)
    if result is None:
        raise AirflowFailException(f"{task_id} has left no result: clear the run from there")
    return result


def skip_idle(tasks: Mapping[str, tuple[str, str]]) -> Callable[[Any, Any], None]:
    """Returns a ``post_execute`` for step 1 that skips tasks without work, so that Airflow does not start them.

    tasks: task id -> (list in step 1's result, ``crawl`` or ``new``; data set). The task runs if its data set is in the
    list.
    """

    def skip(context: Any, result: Mapping[str, Any]) -> None:
        idle = [task_id for task_id, (name, data_set) in tasks.items() if data_set not in result[name]]
        if idle:
            # The exception marks the task as successful, but Airflow does not store its result then.
            context["ti"].xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=result)
            raise DownstreamTasksSkipped(tasks=idle)  # type: ignore[no-untyped-call]

    return skip


MACROS = {
    "usage_day": usage_day,
    "run": run,
    "version": version,
    "found": found,
    "answer": answer,
    "event": event,
    "insight": insight,
    "made": made,
}
