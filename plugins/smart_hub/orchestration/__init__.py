"""What every DAG needs and what needs Airflow: macros, the connection, retries, alerts, default arguments."""
