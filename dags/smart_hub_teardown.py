"""
### Deletes the stack with all its data

Pause `smart_hub_usage` first: this DAG fails while runs of it are queued or running, and later runs would fail without
the stack. Then *Trigger* this DAG, and type the stack's name.

1. **preview** lists the stack's tables, functions, buckets with their objects and bytes, and the dashboard in
   QuickSight, if there is one.
2. **approve** shows that list under *Required Actions* and waits up to a day for an approval.
3. **remove** stops crawls, job runs and queries, deletes the dashboard's stack, empties the data bucket, deletes the
   stack, and waits until it is deleted.

The bootstrap stack is not deleted: it has the code and the role of this DAG. `make destroy` deletes it too. If
**remove** fails, clear it; if Airflow's own role was already deleted, use `make destroy` (`docs/aws.md`).
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
    description="Deletes the stack with all its data, after an approval",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "stack": Param(
            type="string",
            pattern=operators.exact_pattern(settings.stack),
            title="Stack",
            description="Type the stack's name: the stack and all its data will be deleted.",
        )
    },
    tags=["smart-hub", "manual"],
    default_args=default_args(settings),
):
    preview = operators.TeardownPreviewOperator(
        task_id="preview",
        settings=settings,
        doc_md="Lists the contents of the stack. Fails while runs are active.",
    )

    approve = ApprovalOperator(
        task_id="approve",
        subject="Delete the stack {{ params.stack }} with all its data?",
        body="{{ ti.xcom_pull(task_ids='preview') }}",
        fail_on_reject=True,
        response_timeout=timedelta(days=1),
        retry_policy=APPROVAL_RETRY_POLICY,
        doc_md="Waits for *Approve* or *Reject*, at most a day.",
    )

    remove = operators.TeardownOperator(
        task_id="remove",
        settings=settings,
        # A session of the teardown role lasts an hour.
        execution_timeout=timedelta(minutes=55),
        doc_md="Empties the bucket and deletes the stack. Fails while runs are active.",
    )

    preview >> approve >> remove
