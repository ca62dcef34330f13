"""The insights: tables computed from the day's costs, in parallel with the audit, and published with the day."""

from typing import Any

from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException

from smart_hub.core.settings import Settings
from smart_hub.operators.base import SmartHubOperator
from smart_hub.orchestration import macros
from smart_hub.shared.athena import request_token
from smart_hub.shared.layout import results_prefix


class InsightOperator(SmartHubOperator, AthenaOperator):
    """Runs ``include/sql/insights/<insight>.sql``, a CREATE TABLE AS, for the day that is about to be published.

    The provider's operator, with a folder for the run's query results and a request token for the attempt. Returns
    table and location of the new version.
    """

    def __init__(self, *, settings: Settings, insight: str, **kwargs: Any) -> None:
        super().__init__(
            settings=settings,
            query=f"{{{{ insight_statement('{insight}') }}}}",
            database=settings.database,
            workgroup=settings.workgroup,
            output_location=settings.location(results_prefix("{{ run() }}")),
            aws_conn_id=settings.aws_conn_id,
            sleep_time=1,
            doc_md=f"Computes the day's `{insight}` (`docs/insights.md`).",
            **kwargs,
        )
        self.insight = insight

    def execute(self, context: Context) -> dict[str, str]:  # type: ignore[override]
        self.client_request_token = request_token(macros.version(context), self.query)
        try:
            AthenaOperator.execute(self, context)
        except AirflowException:
            self.require_table(macros.compacted_table(context))
            raise
        return macros.insight_target(context, self.settings, self.insight)

    def execute_complete(  # type: ignore[override]
        self, context: Context, event: dict[str, Any] | None = None
    ) -> dict[str, str]:
        """Resumes a deferred query: a deployment can defer all operators."""
        AthenaOperator.execute_complete(self, context, event)
        return macros.insight_target(context, self.settings, self.insight)

    def on_kill(self) -> None:
        AthenaOperator.on_kill(self)
