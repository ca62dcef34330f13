"""
### Deletes the stack with all its data

*Trigger*, and type the stack's name. Pause `smart_hub_usage` first: while its runs are queued or running, this is
refused, and once the stack is gone, they fail.

1. **what_would_go** lists what the stack holds: tables, functions, buckets with their objects and bytes, and the
   dashboard in QuickSight, where there is one.
2. **approve** shows that list under *Required Actions* and waits a day for an answer.
3. **remove** stops crawls, job runs and queries, deletes the dashboard's stack, empties the data bucket, deletes the
   stack, and waits for it.

The bootstrap stack stays, with the code and the role that this works under; `make destroy` removes it too. A failed
**remove** is cleared to try again; if Airflow's own role is gone by then, `make destroy` does the rest (`docs/aws.md`).
"""

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param

from smart_hub import operators
from smart_hub.core.settings import Settings
from smart_hub.orchestration.default_args import default_args
from smart_hub.orchestration.retries import APPROVAL_RETRY_POLICY

settings = Settings.from_environment(dags=Path(__file__).parent)

with DAG(
    dag_id="smart_hub_teardown",
    description="Deletes the stack with all its data, once that is approved",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "stack": Param(
            type="string",
            pattern=operators.exact_pattern(settings.stack),
            title="Stack",
            description="The stack's name, typed in: all of it will be deleted.",
        )
    },
    tags=["smart-hub", "manual"],
    default_args=default_args(settings),
):
    what_would_go = operators.TeardownPreviewOperator(
        task_id="what_would_go",
        settings=settings,
        doc_md="What the stack holds. Fails while runs are active.",
    )

    approve = ApprovalOperator(
        task_id="approve",
        subject="Delete the stack {{ params.stack }} with all its data?",
        body="{{ ti.xcom_pull(task_ids='what_would_go') }}",
        fail_on_reject=True,
        response_timeout=timedelta(days=1),
        retry_policy=APPROVAL_RETRY_POLICY,
        doc_md="Waits for *Approve* or *Reject*, a day at most.",
    )

    remove = operators.TeardownOperator(
        task_id="remove",
        settings=settings,
        # A session of the role that this works under lasts an hour.
        execution_timeout=timedelta(minutes=55),
        doc_md="Empties the bucket, deletes the stack, waits. Fails while runs are active.",
    )

    what_would_go >> approve >> remove
