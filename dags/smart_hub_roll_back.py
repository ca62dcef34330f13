"""
### A day back to what was published before

    airflow dags trigger smart_hub_roll_back --conf '{"usage_date": "2019-12-21"}'

or *Trigger* in the UI. Points the day's partitions of all published tables, the insights included, at the version
that was published before the one that is published now. Rolled back a second time, the day is at the newer version
again.
A day with an active run of `smart_hub_usage` is refused: that run would publish anew.
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
        doc_md="Points the day's partitions at the version before the published one.",
    )
