"""Steps 2 and 4: the provider's Glue operators, which here report AWS's error messages and never ignore a failure."""

from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerRunOperator
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import WaiterError

# The provider treats STOPPED as success, and continues to wait in the other two states. List of the states:
# https://docs.aws.amazon.com/glue/latest/webapi/API_JobRun.html
_FAILED = ("STOPPED", "ERROR", "EXPIRED")


class CrawlHook(GlueCrawlerHook):
    """The provider's hook, with the crawl's error message in its exception."""

    def wait_for_crawler_completion(self, crawler_name: str, poll_interval: int = 5) -> str:
        try:
            return super().wait_for_crawler_completion(crawler_name, poll_interval)
        except WaiterError as error:
            last = self.get_crawler(crawler_name).get("LastCrawl", {})
            raise AirflowException(f"crawler {crawler_name}: {last.get('ErrorMessage', error)}") from error


class CrawlOperator(GlueCrawlerRunOperator):
    """Runs an existing crawler."""

    aws_hook_class = CrawlHook


class StrictGlueJobHook(GlueJobHook):
    """The provider's hook. Every final state except success is a failure, with the job run's error message."""

    def get_job_state(self, job_name: str, run_id: str) -> str:
        return _strict(super().get_job_state(job_name, run_id))

    async def async_get_job_state(self, job_name: str, run_id: str) -> str:
        return _strict(await super().async_get_job_state(job_name, run_id))

    def job_completion(
        self, job_name: str, run_id: str, verbose: bool = False, sleep_before_return: int = 0
    ) -> dict[str, str]:
        try:
            return super().job_completion(job_name, run_id, verbose, sleep_before_return)
        except AirflowException as error:
            client: Any = self.conn
            run = client.get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
            raise AirflowException(f"{error}: {run.get('ErrorMessage', 'no reason given')}") from error


def _strict(state: str) -> str:
    return "FAILED" if state in _FAILED else state


class StrictGlueJobOperator(GlueJobOperator):
    """Runs an existing job, and fails unless its run succeeds."""

    aws_hook_class = StrictGlueJobHook
