"""What DAGs, page and the commands in ops/ use without Airflow: settings, data quality, sources, stacks."""
