"""
### Computes the cost of every appliance of every hub, per five minutes

Each run turns the raw readings of one local day into the day's partition of the table `usage_cost`.

| step | purpose |
|---|---|
| 1 copy raw data | copies the day's usage, and mappings, locations and rates, to `raw/`, except unchanged files |
| 2 crawl | registers partitions that are missing in the catalog, with Glue crawlers |
| 3 convert | converts the day's usage, and new mappings and locations, to Parquet, with the function *convert* |
| 4 convert rates | converts new rates from XML to Parquet, with the Glue job *rates* |
| 5 transform | joins usage, mappings, locations and rates of all hubs, with the function *transform* |
| 6 compact | writes the day as one Parquet file, with the function *compact* |
| audit, insights | checks the rules of `include/sql/quality`; in parallel, computes the insights (`docs/insights.md`) |
| publish | switches the day's partitions to the new version |
| refresh QuickSight | refreshes the data sets of the dashboard, if there is one (`docs/quicksight.md`) |
| 7 clean up | deletes intermediate tables and objects, query results, and superseded versions |

The run of a day starts at 12:00 UTC on the next day, when the day is over everywhere. To run another day, trigger the
DAG with the parameter **usage_date**; to run a range of days, again if they have succeeded before:

    airflow backfill create --dag-id smart_hub_usage --from-date 2019-12-21 --to-date 2019-12-22 \\
        --reprocess-behavior completed

Readers see either a day's old or its new version. If a run fails, clear the failed task, or start another run.
"""

from datetime import timedelta
from pathlib import Path

from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
from airflow.providers.amazon.aws.operators.quicksight import QuickSightCreateIngestionOperator
from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param, TaskGroup

from smart_hub import operators
from smart_hub.core.settings import Settings
from smart_hub.orchestration.alerts import late_run_alert
from smart_hub.orchestration.default_args import LAMBDA_INVOCATION_ARGS, default_args
from smart_hub.orchestration.macros import MACROS, skip_unneeded
from smart_hub.orchestration.retries import JobRetryPolicy
from smart_hub.shared.layout import INSIGHTS, REFERENCE_TABLES

settings = Settings.from_environment(dags=Path(__file__).parent)

with DAG(
    dag_id="smart_hub_usage",
    description="Computes the cost of every appliance of every hub, day by day",
    doc_md=__doc__,
    # A local day has ended everywhere when it has ended in UTC-12.
    schedule=CronPartitionTimetable("@daily", timezone="Etc/GMT+12", run_offset=-1, key_format="%Y-%m-%d"),
    catchup=False,
    max_active_runs=4,
    params={
        "usage_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Usage day",
            description="The hubs' local day, YYYY-MM-DD. If empty, the run's partition key or logical date.",
        )
    },
    user_defined_macros={**MACROS, "settings": settings},
    tags=["smart-hub", "usage", "daily"],
    default_args=default_args(settings),
    deadline=late_run_alert(settings),
):
    step_1_copy_raw_data = operators.CopyRawDataOperator(
        task_id="step_1_copy_raw_data",
        settings=settings,
        execution_timeout=timedelta(hours=2),
        post_execute=skip_unneeded(
            {f"step_2_crawl.{data_set}": ("crawl", data_set) for data_set in ("usage", *REFERENCE_TABLES)}
            | {"step_4_convert_rates": ("new", "rates")}
        ),
        doc_md="Copies new source files to `raw/`, except damaged ones. Returns the data sets to crawl and convert.",
    )

    # Only people query the crawled tables. The steps below read the raw files as text, so they do not wait for crawls.
    with TaskGroup("step_2_crawl", tooltip="Registers partitions that are missing in the catalog") as step_2_crawl:
        for data_set in ("usage", *REFERENCE_TABLES):
            operators.CrawlOperator(
                task_id=data_set,
                crawler_name=settings.resource(data_set),
                poll_interval=1,
                max_active_tis_per_dag=1,
                # If a worker dies, its crawl continues; the retries wait until it has ended.
                retries=4,
                doc_md=f"Crawls `raw/{data_set}/`. Skipped if the catalog has all its partitions.",
            )

    step_3_convert = LambdaInvokeFunctionOperator(
        task_id="step_3_convert",
        function_name=settings.resource("convert"),
        payload="{{ event('mappings', 'locations') }}",
        doc_md="Converts raw text to Parquet, line by line. Each reading is used, or rejected with a reason.",
        **LAMBDA_INVOCATION_ARGS,
    )

    step_4_convert_rates = operators.StrictGlueJobOperator(
        task_id="step_4_convert_rates",
        job_name=settings.resource("rates"),
        script_args={"--content-hash": "{{ step_1_result().content_hashes.rates }}", "--version": "{{ version() }}"},
        job_poll_interval=1,
        stop_job_run_on_kill=True,
        max_active_tis_per_dag=1,
        retry_policy=JobRetryPolicy(),
        doc_md="XML to Parquet. Skipped if rates with this content hash were converted before.",
    )

    step_5_transform = LambdaInvokeFunctionOperator(
        task_id="step_5_transform",
        function_name=settings.resource("transform"),
        payload="""{{ event('mappings', 'locations', 'rates',
                            readings_table=function_result('step_3_convert').readings_table,
                            damaged=step_1_result().damaged) }}""",
        trigger_rule="none_failed_min_one_success",
        doc_md="Prices each value by the hub's local hour. Collects the rejected records and values.",
        **LAMBDA_INVOCATION_ARGS,
    )

    step_6_compact = LambdaInvokeFunctionOperator(
        task_id="step_6_compact",
        function_name=settings.resource("compact"),
        payload="{{ event(cost_table=function_result('step_5_transform').cost_table, files=settings.files_per_day) }}",
        doc_md="Writes the day as one Parquet file (or `SMART_HUB_FILES_PER_DAY` files).",
        **LAMBDA_INVOCATION_ARGS,
    )

    audit = operators.AuditOperator(
        task_id="audit",
        settings=settings,
        tables={
            "readings_table": "{{ function_result('step_3_convert').readings_table }}",
            "cost_table": "{{ function_result('step_5_transform').cost_table }}",
            "rejects_table": "{{ function_result('step_5_transform').rejects_table }}",
            "compacted_table": "{{ function_result('step_6_compact').compacted_table }}",
        },
        doc_md="Runs all rules of `include/sql/quality` in one query. Fails if a fatal rule is violated.",
    )

    with TaskGroup("insights", tooltip="Tables computed from the day's costs") as insights:
        insight_tasks = {
            name: operators.InsightOperator(task_id=name, insight=name, settings=settings) for name in INSIGHTS
        }
        for name, upstream_insights in INSIGHTS.items():
            [insight_tasks[upstream] for upstream in upstream_insights] >> insight_tasks[name]

    publish = operators.PublishOperator(
        task_id="publish",
        settings=settings,
        locations={
            "usage_rejects": "{{ function_result('step_5_transform').rejects_location }}",
            "readings": "{{ function_result('step_3_convert').readings_location }}",
            "usage_cost": "{{ function_result('step_6_compact').compacted_location }}",
            **{table: f"{{{{ insight_result('{table}').location }}}}" for table in INSIGHTS},
        },
        outlets=[Asset(name="usage_cost")],
        max_active_tis_per_dag=1,
        doc_md="Switches the day's partitions to the new version, which readers see from then on.",
    )

    # A full refresh, because any day can be published again. No task waits for it, so its failure delays nothing.
    refresh_quicksight = QuickSightCreateIngestionOperator.partial(
        task_id="refresh_quicksight",
        ingestion_id="{{ version() }}",
        # As with a crawl, a refresh continues when its worker dies, and two runs can request one at the same time.
        retries=4,
        doc_md="Refreshes each data set of the dashboard. Skipped unless `SMART_HUB_QUICKSIGHT` is true.",
    ).expand(data_set_id=settings.quicksight_data_sets)

    step_7_clean_up = operators.CleanUpOperator(
        task_id="step_7_clean_up",
        settings=settings,
        doc_md="Deletes intermediate tables and objects, query results, and superseded versions.",
    )

    step_1_copy_raw_data >> [step_2_crawl, step_3_convert, step_4_convert_rates]
    step_3_convert >> step_5_transform
    step_4_convert_rates >> step_5_transform >> step_6_compact >> [audit, insights] >> publish
    publish >> [refresh_quicksight, step_7_clean_up]
