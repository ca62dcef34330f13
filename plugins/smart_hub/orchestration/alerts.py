"""Alerts about failed tasks and late runs, sent to the SNS topic of the settings."""

from datetime import timedelta

from airflow.providers.amazon.aws.notifications.sns import SnsNotifier
from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]  # lazily

from smart_hub.core.settings import Settings

# Much longer than a run takes.
LATE_AFTER = timedelta(hours=3)


def failure_alerts(settings: Settings) -> list[SnsNotifier]:
    """For ``on_failure_callback``: reports a task that failed after its last try, and why. Empty without a topic."""
    if not settings.sns_topic_arn:
        return []
    return [
        SnsNotifier(
            aws_conn_id=settings.aws_conn_id,
            target_arn=settings.sns_topic_arn,
            subject="Smart Hub: {{ ti.task_id }} has failed",
            message="{{ dag.dag_id }} {{ run_id }}, task {{ ti.task_id }}: {{ exception }}\n{{ ti.log_url }}",
        )
    ]


def late_run_alert(settings: Settings) -> DeadlineAlert | None:
    """For ``deadline``: reports a run that is still running LATE_AFTER its start. None without a topic."""
    if not settings.sns_topic_arn:
        return None
    callback = AsyncCallback(
        SnsNotifier,
        kwargs={
            "aws_conn_id": settings.aws_conn_id,
            "target_arn": settings.sns_topic_arn,
            "subject": "Smart Hub: a run is late",
            "message": f"{{{{ dag_run.dag_id }}}} {{{{ dag_run.dag_run_id }}}} has not ended within {LATE_AFTER}",
        },
    )
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, LATE_AFTER, callback)
