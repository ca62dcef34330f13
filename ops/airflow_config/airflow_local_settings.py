"""Airflow imports this at startup: https://airflow.apache.org/docs/apache-airflow/stable/howto/set-config.html

The LocalExecutor's workers are forks of the scheduler. Modules that the scheduler has imported need no import in tasks.
"""

import sys

if "scheduler" in sys.argv:
    import airflow.providers.amazon.aws.operators.lambda_function
    import airflow.providers.amazon.aws.operators.quicksight  # noqa: F401

    import smart_hub.operators  # noqa: F401
