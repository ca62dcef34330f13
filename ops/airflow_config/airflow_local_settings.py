"""Airflow imports this at startup: https://airflow.apache.org/docs/apache-airflow/stable/howto/set-config.html

The LocalExecutor's workers are forks of the scheduler, so tasks need not load again what the scheduler has loaded.
"""

import gc
import sys

# Airflow's modules have hundreds of thousands of objects, which the garbage collector checks often by default.
gc.set_threshold(50_000, 20, 100)


def load_for_tasks() -> None:
    """Loads what all tasks need, before the processes of the tasks are started."""
    import functools

    import airflow.providers.amazon.aws.operators.lambda_function
    import airflow.providers.amazon.aws.operators.quicksight  # noqa: F401
    import boto3
    import botocore.session

    import smart_hub.operators  # noqa: F401

    # The provider makes a session for each hook, and each session reads the models of its services. With one loader
    # for all sessions they are read once: that was a quarter of the CPU time of a task.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    for service in ("athena", "glue", "lambda", "s3", "sts"):
        boto3.client(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
    boto3.DEFAULT_SESSION = None


if "scheduler" in sys.argv:
    load_for_tasks()
