"""The insight tables of the demo's days, where the pipeline has not published them itself.

By Athena and the catalog, as the pipeline publishes: a CTAS to where the day's version lies, then the partition.
The figures are plain, not the pipeline's: what matters here is that the page shows what the tables hold.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.environment import DAYS, Environment

BUCKET = "smart-hub-data-000000000000-us-east-1"
VERSION = "v00000000000000ff"

SELECTS = {
    "hub_day_summary": """
        SELECT loc_id, state, count(DISTINCT ts_utc) AS readings, CAST(288 AS bigint) AS intervals,
            CAST(count(DISTINCT ts_utc) AS double) / 288 AS coverage, sum(kwh) / 4 AS always_on_kwh,
            sum(cost) / 4 AS always_on_cost
        FROM usage_cost WHERE dt = DATE '{day}' GROUP BY loc_id, state""",
    "peak_shift": """
        SELECT loc_id, sensor, min(device) AS device, min(location) AS location,
            sum(CASE WHEN type = 'peak' THEN kwh ELSE 0 END) AS peak_kwh,
            sum(CASE WHEN type = 'partial-peak' THEN kwh ELSE 0 END) AS partial_peak_kwh,
            sum(cost) AS cost, sum(cost) / 2 AS shifted_cost, sum(cost) / 2 AS saving
        FROM usage_cost WHERE dt = DATE '{day}' AND sensor IN ('s_02', 's_05') GROUP BY loc_id, sensor""",
    "hourly_load": """
        SELECT state, CAST(hour(ts) AS integer) AS hour, type, sum(kwh) AS kwh, sum(cost) AS cost,
            sum(kwh) * 0.75 AS shifted_kwh, sum(cost) / 2 AS shifted_cost
        FROM usage_cost WHERE dt = DATE '{day}' GROUP BY state, hour(ts), type""",
}


def publish(environment: Environment) -> None:
    """Publishes what is missing of the insight tables."""
    glue = environment.client("glue")
    there = {table["Name"] for table in glue.get_tables(DatabaseName="smart_hub")["TableList"]}
    for table, select in SELECTS.items():
        if table in there and glue.get_partitions(DatabaseName="smart_hub", TableName=table)["Partitions"]:
            continue
        for day in DAYS:
            _publish(environment, glue, table, day, select.format(day=day))


def _publish(environment: Environment, glue: Any, table: str, day: str, select: str) -> None:
    location = f"s3://{BUCKET}/warehouse/{table}/dt={day}/version={VERSION}/"
    made = f"staging_{table}_{day.replace('-', '')}"
    environment.select(f"CREATE TABLE {made} WITH (format = 'PARQUET', external_location = '{location}') AS {select}")
    storage = glue.get_table(DatabaseName="smart_hub", Name=made)["Table"]["StorageDescriptor"]
    glue.delete_table(DatabaseName="smart_hub", Name=made)
    if day == DAYS[0]:
        whole = {**storage, "Location": f"s3://{BUCKET}/warehouse/{table}/"}
        keys = [{"Name": "dt", "Type": "date"}]
        described = {"Name": table, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": whole, "PartitionKeys": keys}
        glue.create_table(DatabaseName="smart_hub", TableInput=described)
    partition = {"Values": [day], "StorageDescriptor": {**storage, "Location": location}}
    glue.create_partition(DatabaseName="smart_hub", TableName=table, PartitionInput=partition)
