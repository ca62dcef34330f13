"""The page "Smart Hub" of Airflow's UI, and the report that shows the same.

parquet, store: from the deployment's Airflow connection to the published rows.
choice, figures, charts, view: from the reader's choice to what is shown.
access, routes: who may see it, and where.
"""
