"""Step 4: the provider's operator of Glue jobs, but for states in which a job's run has ended without success."""

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator

# The provider takes STOPPED for success and goes on waiting at the others:
# https://docs.aws.amazon.com/glue/latest/webapi/API_JobRun.html lists the states.
_FAILED = ("STOPPED", "ERROR", "EXPIRED")


class StrictGlueJobHook(GlueJobHook):
    """The provider's hook, to which every end without success is a failure."""

    def get_job_state(self, job_name: str, run_id: str) -> str:
        return _strict(super().get_job_state(job_name, run_id))

    async def async_get_job_state(self, job_name: str, run_id: str) -> str:
        return _strict(await super().async_get_job_state(job_name, run_id))


def _strict(state: str) -> str:
    return "FAILED" if state in _FAILED else state


class StrictGlueJobOperator(GlueJobOperator):
    """Runs a job that exists, and fails unless its run has succeeded."""

    aws_hook_class = StrictGlueJobHook
