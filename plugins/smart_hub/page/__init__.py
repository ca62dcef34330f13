"""The Smart Hub page in Airflow's UI, and the customer report with the same figures.

parquet, published_data: read the published rows from S3, with the credentials of the Airflow connection.
filters, figures, charts, view: turn the user's filters into figures and charts.
document: renders them as HTML or CSV.
access, routes: authorize requests and serve the page.
"""
