"""What Airflow imports at its start: https://airflow.apache.org/docs/apache-airflow/stable/howto/set-config.html

The LocalExecutor's workers are forks of the scheduler. What the scheduler has imported, no task has to import.
"""

import sys

if "scheduler" in sys.argv:
    import airflow.providers.amazon.aws.operators.lambda_function
    import airflow.providers.amazon.aws.operators.quicksight  # noqa: F401

    import smart_hub.operators  # noqa: F401
