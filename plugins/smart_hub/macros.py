"""What templates and operators ask about a run: its usage day, its names, what earlier steps found and answered."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.timezone import utcnow
from jinja2 import pass_context

from smart_hub.layout import run_name, version_name

STEP_1 = "step_1_copy_raw_data"

# A day has ended everywhere when it has in UTC-12.
_DAY_IS_OVER_AFTER = timedelta(hours=36)



@pass_context
def usage_day(context: Any) -> str:
    """The usage day of a run, YYYY-MM-DD: its parameter usage_date, else its partition key, else its logical date.

    Raises AirflowFailException when there is none, or the day is not over yet everywhere on earth (12:00 UTC on the
    day after): its data are not complete.
    """
    sources = {
        "parameter usage_date": context["params"].get("usage_date"),
        "partition key": context.get("partition_key"),
        "logical date": context.get("ds"),
    }
    source, day = next(((source, day) for source, day in sources.items() if day), (None, None))
    if day is None:
        raise AirflowFailException("this run has no usage day: start one with the parameter usage_date, a YYYY-MM-DD")
    try:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    except ValueError:
        raise AirflowFailException(f"{source}: expected a usage day as YYYY-MM-DD, got {day!r}") from None
    if utcnow() < (end := start + _DAY_IS_OVER_AFTER):
        raise AirflowFailException(f"{source}: {day} is over everywhere at {end:%Y-%m-%d %H:%M} UTC only, run it then")
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
    """What step 1 found (see CopyRawDataOperator)."""
    answer: dict[str, Any] | None = context["ti"].xcom_pull(task_ids=STEP_1)
    if answer is None:
        raise AirflowFailException(f"{STEP_1} has left no result: clear the run from there")
    return answer


@pass_context
def answer(context: Any, task_id: str) -> dict[str, Any]:
    """What the Lambda function that a task invoked has answered."""
    text = context["ti"].xcom_pull(task_ids=task_id)
    if text is None:
        raise AirflowFailException(f"{task_id} has left no result: clear the run from there")
    result: dict[str, Any] = json.loads(text)
    return result


@pass_context
def event(context: Any, contents: Iterable[str] = (), **fields: Any) -> str:
    """The event of a Lambda function, JSON: day, run, version, content (hashes of ``contents``) and fields of its own."""
    hashes = {data_set: found(context)["content"][data_set] for data_set in contents}
    run_fields = {"day": usage_day(context), "run": run(context), "version": version(context), "content": hashes}
    return json.dumps({**run_fields, **fields})


MACROS = {"usage_day": usage_day, "run": run, "version": version, "found": found, "answer": answer, "event": event}
