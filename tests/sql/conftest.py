"""The stack on a local AWS, with the raw files of one unusual day in its bucket.

Needs the environment of the local AWS. The day is 2019-11-03, on which clocks in New York went back from 02:00 to 01:00
at 06:00 UTC; in Phoenix they never change. There are two hubs, one in each city, and 14 lines in two files; one line is
empty.
"""

import io
import json
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet
import pytest

from localaws.testing import AthenaClient, LocalAws
from ops.deploy import deploy
from ops.settings import ROOT
from smart_hub.shared import sql
from smart_hub.shared.layout import next_day

DAY, NEXT_DAY = "2019-11-03", "2019-11-04"
NEW_YORK, PHOENIX = "ny1", "az1"
CONTENT_HASHES = {"locations_content_hash": "L", "mappings_content_hash": "M", "rates_content_hash": "R"}
SENSORS = tuple(f"s_{number:02}" for number in range(1, 11))

# 04:00, 05:00 and 06:00 UTC are 00:00, 01:00 and again 01:00 in New York; 07:00 and 08:00 UTC are 00:00 and 01:00 in
# Phoenix.
AT_04, AT_05, AT_06, AT_07, AT_08 = (1572753600 + 3600 * hour for hour in range(5))
PHOENIX_ENDS = AT_07 + 24 * 3600


def reading(loc_id: str | None, ts: int | None, **values: float | None) -> str:
    """One line; sensors that are not given have the value 0."""
    data = {sensor: values.get(sensor, 0) for sensor in SENSORS}
    members = {"loc_id": loc_id, "ts": ts, "data": data}
    return json.dumps({name: value for name, value in members.items() if value is not None})


FIRST_FILE = [
    reading(NEW_YORK, AT_04, s_01=9),  # the last file has another one
    reading(NEW_YORK, AT_05, s_01=1),
    reading(NEW_YORK, AT_06, s_01=2),
    reading(PHOENIX, AT_07, s_02=0.25),
    reading(NEW_YORK, AT_04 - 300, s_01=1),
    reading(PHOENIX, PHOENIX_ENDS, s_01=1),
    reading("ghost", AT_04),
    "not json",
    "",
    reading(None, AT_04),
    reading(NEW_YORK, None),
    json.dumps({"loc_id": NEW_YORK, "ts": AT_05 + 300}),
]
LAST_FILE = [
    reading(NEW_YORK, AT_04, s_01=0.5),
    reading(PHOENIX, AT_08, s_03=None, s_04=float("inf"), s_05=3, s_06=-1).replace("Infinity", "1e999"),
]

LOCATIONS = {
    "ny": f'-73.9,40.7,1,"Main St, Rear",,New York,,NY,,n-1,{NEW_YORK},America/New_York',
    "az": f",33.4,7,Elm,Apt 2,Phoenix,,AZ,85001,,{PHOENIX},America/Phoenix",
}
HEADER = "lon,lat,number,street,unit,city,district,region,postcode,id,hash,tz"

# State, year, month, hour, type, cents. Phoenix has no rate for 01:00.
RATES = [
    ("ny", 2019, 11, 0, "off-peak", 10.0),
    ("ny", 2019, 11, 1, "peak", 20.0),
    ("ny", 2019, 12, 0, "peak", 99.0),
    ("ny", 2018, 11, 0, "peak", 99.0),
    ("az", 2019, 11, 0, "off-peak", 8.0),
    ("az", 2019, 12, 1, "peak", 99.0),
]


def mapping(loc_id: str, sensor: str) -> str:
    number = int(sensor[2:])
    record: dict[str, Any] = {"loc_id": loc_id, "id": sensor, "description": f"Device {number}", "location": "House"}
    return json.dumps(record | {"watts": 100 * number, "last_modified": 1568314800})


class RawDay:
    """The raw files of the day in a bucket, and the statements of include/sql on them."""

    def __init__(self, athena: AthenaClient) -> None:
        self.athena = athena

    def location(self, name: str) -> str:
        return f"s3://{self.athena.bucket}/staging/{name}/"

    def statement(self, name: str, **values: str | int) -> str:
        return sql.statement(ROOT / "include" / "sql", name, **values)

    def run(self, name: str, **values: str | int) -> None:
        self.athena.run(self.statement(name, **values))

    def make(self, name: str, table: str, **values: str | int) -> str:
        """Runs a statement that creates a table; returns the table's name."""
        self.run(name, table=table, location=self.location(table), **values)
        return table

    def readings(self, table: str, day: str = DAY) -> str:
        """Converts a day's usage as the function of step 3 does; returns the table's name."""
        values = {"day": day, "next_day": next_day(day), "locations_content_hash": "L", "interval_seconds": 300}
        self.make("convert/readings", table, with_lines="false", **values)
        if self.rows("convert/repeated_readings", readings_table=table) == [("0",)]:
            return table
        everything = self.make("convert/readings", f"{table}_all", with_lines="true", **values)
        return self.make("convert/distinct_readings", f"{table}_distinct", readings_table=everything)

    def rows(self, name: str, **values: str | int) -> list[tuple[str | None, ...]]:
        return self.athena.rows(self.statement(name, **values))

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Names and types of a table's columns in the catalog, without partition keys."""
        entry = self.athena.glue.get_table(DatabaseName=self.athena.database, Name=table)["Table"]
        return [(one["Name"], one["Type"]) for one in entry["StorageDescriptor"]["Columns"]]

    def read_raw(self) -> None:
        """The raw files."""
        self.athena.put(f"raw/usage/dt={DAY}/a.json", "".join(f"{line}\n" for line in FIRST_FILE))
        self.athena.put(f"raw/usage/dt={DAY}/b.json", "\n".join(LAST_FILE))
        sensors = {"ny": [one for one in SENSORS if one != "s_09"], "az": SENSORS}
        for state, loc_id in (("ny", NEW_YORK), ("az", PHOENIX)):
            lines = [mapping(loc_id, sensor) for sensor in sensors[state]]
            self.athena.put(f"raw/mappings/state={state}/m.json", "\n".join(lines))
            self.athena.put(f"raw/locations/state={state}/l.csv", f"{HEADER}\n{LOCATIONS[state]}\n")

    def convert_references(self) -> None:
        """Registers locations as content L, mappings as M, rates as R, and another content of each."""
        for name, content in (("locations", "L"), ("mappings", "M")):
            table = self.make(f"convert/{name}", f"staging_{name}")
            self._add(f"{name.removesuffix('s')}_versions", "content", content, f"staging/{table}/")
        for content, rates in (("R", RATES), ("older", [("ny", 2019, 11, 0, "peak", 55.0)])):
            names = ("state", "year", "month", "hour", "type", "cents_per_kwh")
            types = (pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.string(), pa.float64())
            columns = [pa.array(column, of) for column, of in zip(zip(*rates, strict=True), types, strict=True)]
            file = io.BytesIO()
            pyarrow.parquet.write_table(pa.table(columns, names), file)
            key = f"warehouse/rate_versions/content={content}/rates.parquet"
            self.athena.s3.put_object(Bucket=self.athena.bucket, Key=key, Body=file.getvalue())
            self._add("rate_versions", "content", content, key.rpartition("/")[0] + "/")

    def _add(self, table: str, key: str, value: str, prefix: str) -> None:
        location = f"s3://{self.athena.bucket}/{prefix}"
        self.athena.run(f"ALTER TABLE {table} ADD PARTITION ({key} = '{value}') LOCATION '{location}'")


def typed(text: str | None) -> Any:
    """A cell of a result as a boolean or number, if it is one."""
    if text is None or text in ("true", "false"):
        return text and text == "true"
    try:
        return float(text)
    except ValueError:
        return text


@pytest.fixture(scope="session")
def day(local_aws: LocalAws) -> RawDay:
    session = boto3.Session("test", "test", region_name="us-east-1")
    outputs = deploy(session, endpoint_url=local_aws.endpoint, log=lambda text: None)
    day = RawDay(AthenaClient(local_aws, outputs["DataBucket"], outputs["Database"]))
    day.read_raw()
    day.convert_references()
    return day
