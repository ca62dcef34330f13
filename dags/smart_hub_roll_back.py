"""
### Rolls a day back to its previously published version

    airflow dags trigger smart_hub_roll_back --conf '{"usage_date": "2019-12-21"}'

or *Trigger* in the UI. Switches the day's partitions of all published tables, including the insights, to the previously
published version. A second roll back undoes the first. Fails while a run of `smart_hub_usage` for the day is active,
because that run would publish the day again.
"""

from pathlib import Path

from airflow.sdk import DAG, Asset, Param

from smart_hub.core.settings import Settings
from smart_hub.operators import RollBackOperator
from smart_hub.orchestration.default_args import default_args

settings = Settings.from_environment(dags=Path(__file__).parent)

with DAG(
    dag_id="smart_hub_roll_back",
    description="Publishes the previous version of a day again",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={"usage_date": Param(type="string", format="date", title="Usage day", description="YYYY-MM-DD")},
    tags=["smart-hub", "usage", "manual"],
    default_args=default_args(settings),
):
    RollBackOperator(
        task_id="roll_back",
        settings=settings,
        outlets=[Asset(name="usage_cost")],
        doc_md="Switches the day's partitions to the previously published version.",
    )
