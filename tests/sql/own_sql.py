"""Every statement of include/sql by itself, on raw data that make it matter.

Both engines get the same: what Trino made of one statement is the input of the next, for both.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

import pyarrow as pa

from conformance.compare import Finding, Verdict
from conformance.data import INF, NAN, parquet
from conformance.environment import BUCKET, ENGINES, TRINO
from conformance.judge import Judge
from localaws.testing.sql import functions_called, hive_ddl
from ops.settings import ROOT
from ops.templates import load
from smart_hub.core.quality import audit_query, read_checks
from smart_hub.shared import sql
from smart_hub.shared.layout import INSIGHT_TABLES, INSIGHT_VIEWS, content_hash_values
from tests.cfn import resolved
from tests.sql import odd_lines

STATEMENTS = ROOT / "include" / "sql"
TEMPLATE = ROOT / "include" / "infrastructure" / "smart_hub.yaml"
FUNCTIONS = Path(__file__).with_name("athena_functions.txt")
DAY = "2019-12-21"
DAYS = {"day": DAY, "next_day": "2019-12-22"}
CONTENT_HASHES = {"mappings": "c1", "locations": "c2", "rates": "c3"}
HASH_VALUES = content_hash_values(CONTENT_HASHES)
NOON = 1576951200  # of the day, 18:00 UTC

_MAPPINGS: dict[str, list[tuple[Any, ...]]] = {
    "az": [
        *(("h1", f"s_{number:02}", f"Device {number}", "Kitchen", 100 * number, 1) for number in range(1, 11)),
        ("h9", "s_01", "of a hub without readings", None, None, None),
    ],
    "ny": [("h2", "s_01", "Kühlschrank", "", 150, 2), ("h2", "s_02", None, "Bad", 0, 3)],
}
_LOCATIONS = {
    "az": '-112.07,33.45,1,"Main St, rear",,Phoenix,,AZ,85001,,h1,America/Phoenix\n,,,,,,,,,,h9,America/Phoenix\n'
    "x,,,,,,,,,,h8,America/Portland\n,,,,,,,,,,h7\n",
    "ny": '-73.9,40.7,"2 ""b""",Broadway,3,New York,Manhattan,NY,10001,x,h2,America/New_York\n',
}


def _reading(hub: Any, ts: Any, *values: Any) -> str:
    data = {f"s_{number:02}": value for number, value in enumerate(values, 1)}
    return json.dumps({"loc_id": hub, "ts": ts, "data": data}, separators=(",", ":"))


_FULL = [0.5, 0.25, 0, 1, 2.125, 0.1, 0.2, 0.3, 1e-9, 7]
_USAGE = {
    "usage-01.json": [
        _reading("h1", NOON, *_FULL),
        _reading("h1", NOON + 300, *_FULL[::-1]),
        _reading("h2", NOON, "0.5", None, NAN, INF, -INF, -1, "abc", True, 1e300, 0),
        _reading("h2", NOON + 300, 1.5),
        _reading("h3", NOON, *_FULL),  # a hub that no location knows
        _reading(None, NOON, *_FULL),
        _reading("h1", None, *_FULL),
        '{"loc_id":"h1","ts":1576951500}',
        '{"loc_id":"h1","ts":1576951500,"data":null}',
        '{"loc_id":"h1","ts":1576951800,"data":{}}',
        _reading("h1", 1576911600 - 1, *_FULL),  # the last second of the day before in Phoenix
        _reading("h1", 1576911600, *_FULL),  # its first of the day
        _reading("h1", 1576998000 - 1, *_FULL),
        _reading("h1", 1576998000, *_FULL),
        _reading("h2", 1576904400, *_FULL),  # midnight in New York
        _reading("h2", 1576990800, *_FULL),
        "not json",
        '{"loc_id":"h1","ts":1576951',
        "",
        "{}",
    ],
    "usage-02.json": [
        _reading("h1", NOON, *[2 * value for value in _FULL]),  # again, in a later file
        _reading("h1", NOON, *_FULL),
        '{"LOC_ID":"h2","Ts":"1576952100","data":[1,2,3]}',
    ],
}
# Files that are not JSON lines, each followed by a reading in a separate interval.
_ODD_FILES = {
    "utf-16.json": _reading("h1", NOON + 86400, 1).encode("utf-16"),
    "long.json": b"x" * 10_000_000 + b"\n" + _reading("h1", NOON + 600, 1).encode(),
    "cr.json": b"x\r" + _reading("h1", NOON + 900, 1).encode() + b"\r",
    "empty.json": b"",
    "_SUCCESS": b"x\n",
    ".DS_Store": b"\0\0\0\1Bud1",
    "members.json.gz": b"".join(gzip.compress(f"{_reading('h1', NOON + 1200 + n, 1)}\n".encode()) for n in range(99)),
    "readings.JSON.GZ": _reading("h1", NOON + 1500, 1).encode(),
}
# Priced usage that breaks each rule of include/sql/quality.
_BROKEN = [
    ("h1", "Fridge", "Kitchen", "2019-12-21 12:00:00", "off-peak", 0.5, 10.0, 5.0, "az", "s_01"),
    ("h1", "Fridge", "Kitchen", "2019-12-21 12:00:00", "off-peak", 0.5, 10.0, 5.0, "az", "s_01"),
    ("h1", "TV", None, "2019-12-22 00:00:00", "off-peak", -0.5, 10.0, -5.0, "az", "s_02"),
    ("h2", None, None, "2019-12-21 00:00:00", None, 0.25, None, None, "ny", "s_01"),
    (None, "Lamp", None, None, "peak", None, 10.0, None, "ny", None),
]


def run(judge: Judge) -> list[Finding]:
    """All statements; raises AssertionError when one of the folder has no place here."""
    _declare_tables(judge)
    _write_raw_files(judge)
    asked: set[str] = set()
    parts = (_converted, _insights, _published, _audited)
    findings = [finding for part in parts for finding in part(judge, asked)]
    left = {_name(path) for path in STATEMENTS.rglob("*.sql")} - asked
    assert not left, f"no data for {sorted(left)}: give them a place in {__file__}"
    return [_answered(finding) for finding in findings] + _functions()


def _answered(finding: Finding) -> Finding:
    """A refusal of our own SQL is wrong."""
    if finding.verdict in (Verdict.UNSUPPORTED, Verdict.BOTH_REFUSE):
        return replace(finding, verdict=Verdict.WRONG, difference="a refusal of our own SQL")
    return finding


def _name(path: Path) -> str:
    return path.relative_to(STATEMENTS).with_suffix("").as_posix()


# The statements, in the order of the pipeline


def _converted(judge: Judge, asked: set[str]) -> Iterator[Finding]:
    for data_set in ("mappings", "locations"):
        yield from _making(judge, asked, f"convert/{data_set}", f"staging_{data_set}")
        location = judge.table(TRINO, f"staging_{data_set}").location
        _register(judge, f"{data_set.removesuffix('s')}_versions", CONTENT_HASHES[data_set], location)
    values = {**DAYS, **HASH_VALUES, "interval_seconds": "300"}
    yield from _making(judge, asked, "convert/readings", "first_readings", with_lines="false", **values)
    name = "convert/repeated_readings"
    asked.add(name)
    question = sql.statement(STATEMENTS, name, readings_table="first_readings")
    yield replace(judge.compare("convert", question), statement=name)
    yield from _making(judge, asked, "convert/readings", "all_readings", with_lines="true", **values)
    yield from _making(judge, asked, "convert/distinct_readings", "staging_readings", readings_table="all_readings")
    tables = {"readings_table": "staging_readings", **HASH_VALUES}
    yield from _making(judge, asked, "transform/usage_cost", "staging_usage_cost", **tables)
    tables = {"readings_table": "staging_readings", "cost_table": "staging_usage_cost"}
    yield from _making(judge, asked, "transform/usage_rejects", "staging_usage_rejects", **tables)
    damaged = sql.StringLiteral("s3://b/raw/damaged/usage/O'Hara.json.gz")
    yield from _making(judge, asked, "transform/damaged_file", "staging_usage_rejects", file=damaged)
    for files in (1, 3):
        values = {"cost_table": "staging_usage_cost", "files": files}
        yield from _making(judge, asked, "compact/usage_cost", f"compact_{files}", **values)


def _insights(judge: Judge, asked: set[str]) -> Iterator[Finding]:
    """The insights of the odd day, then of one with savings and an always-on hour."""
    _rich(judge)
    for kind, published, coverage in (("odd", "compact_1", "0"), ("rich", "rich_cost", "0.5")):
        values: dict[str, str | int] = {
            "compacted_table": published,
            "daily_device_cost_table": f"{kind}_daily_device_cost",
            "peak_shift_table": f"{kind}_peak_shift",
            "min_coverage": coverage,
            **HASH_VALUES,
            **DAYS,
        }
        for table in INSIGHT_TABLES:
            name = f"insights/{table}"
            yield from _making(judge, asked, name, f"{kind}_{table}", **values)
    for table in INSIGHT_TABLES:
        location = judge.table(TRINO, f"rich_{table}").location
        _register(judge, table, DAY, location)


def _published(judge: Judge, asked: set[str]) -> Iterator[Finding]:
    for data_set, value in CONTENT_HASHES.items():
        yield from _making(judge, asked, f"publish/{data_set}", data_set, content_hash=value)
        yield judge.compare("publish", f"SELECT * FROM {data_set}")
    for view in INSIGHT_VIEWS:
        yield from _making(judge, asked, f"publish/{view}", view)
        yield judge.compare("publish", f"SELECT * FROM {view}")
    for name in ("add_partition", "set_location"):
        asked.add(f"publish/{name}")
        location = judge.table(TRINO, "compact_3" if name == "add_partition" else "compact_1").location
        text = sql.statement(STATEMENTS / "publish", name, table="usage_cost", day=DAY, location=location)
        assert hive_ddl(text), f"{name} is no longer Hive's DDL"
        texts = dict.fromkeys(ENGINES, text)
        yield judge.compare_created("publish", f"publish/{name}", texts, "usage_cost")
        yield judge.compare("publish", "SELECT * FROM usage_cost")


def _audited(judge: Judge, asked: set[str]) -> Iterator[Finding]:
    good: dict[str, str | int] = {
        "readings_table": "staging_readings",
        "rejects_table": "staging_usage_rejects",
        "compacted_table": "compact_1",
        "cost_table": "staging_usage_cost",
        "files": 1,
        "max_reject_ratio": "0.9",
        "watts_margin": "1.25",
        **DAYS,
        **HASH_VALUES,
    }
    bad = {**good, "compacted_table": "broken_cost", "rejects_table": "broken_rejects", "max_reject_ratio": "0.05"}
    checks = read_checks(STATEMENTS)
    asked |= {f"quality/{check.name}" for check in checks}
    for kind, values in (("good", good), ("bad", bad)):
        for check in checks:
            finding = judge.compare("quality", check.results_query(values))
            yield replace(finding, statement=f"quality/{check.name}, {kind} data")
        yield replace(judge.compare("quality", audit_query(checks, values)), statement=f"all rules in one, {kind} data")


def _making(judge: Judge, asked: set[str], name: str, table: str, **values: str | int) -> Iterator[Finding]:
    """A CREATE; what Trino made is both engines' from here on."""
    asked.add(name)
    texts = {}
    for engine in ENGINES:
        location = f"s3://{BUCKET}/own/{table}/{engine}/"
        texts[engine] = sql.statement(STATEMENTS, name, **{"table": table, "location": location, **values})
    yield judge.compare_created(name.partition("/")[0], name, texts, table)
    judge.adopt(table)


def _functions() -> list[Finding]:
    """Whether Athena documents every function that the statements call."""
    lines = FUNCTIONS.read_text(encoding="utf-8").splitlines()
    documented = {line.partition("\t")[0] for line in lines if not line.startswith("#")}
    used: dict[str, str] = {}
    for path in sorted(STATEMENTS.rglob("*.sql")):
        text = path.read_text(encoding="utf-8")
        rendered = sql.render(text, dict.fromkeys(Template(text).get_identifiers(), "x1"))
        if not rendered.startswith("ALTER"):  # Hive's DDL calls none
            used |= dict.fromkeys(functions_called(rendered), _name(path))
    missing = f"is not in {FUNCTIONS.name}: see whether Athena documents it"
    return [
        Finding("functions", f"{name}, of {where}", Verdict.SAME)
        if name in documented
        else Finding("functions", f"{name}, of {where}", Verdict.WRONG, difference=missing)
        for name, where in sorted(used.items())
    ]


# Tables and files


def _declare_tables(judge: Judge) -> None:
    """The tables of the deployment, in the database of each engine."""
    glue = judge.environment.clients.client("glue")
    template = load(TEMPLATE.read_text(encoding="utf-8"))
    known = {name: name for name in template["Parameters"]} | {"AWS::StackName": "smart-hub", "DataBucket": BUCKET}
    for resource in resolved(template, **known).values():
        table = resource["Properties"].get("TableInput", {})
        # No statement reads the table readings, and a sample has the same name.
        if table.get("TableType") == "EXTERNAL_TABLE" and table["Name"] != "readings":
            for engine in ENGINES:
                glue.create_table(DatabaseName=engine, TableInput=table)


def _write_raw_files(judge: Judge) -> None:
    put: Callable[..., Any] = judge.environment.clients.client("s3").put_object
    names = ("loc_id", "id", "description", "location", "watts", "last_modified")
    header = "lon,lat,number,street,unit,city,district,region,postcode,id,hash,tz\n"
    for state, rows in _MAPPINGS.items():
        text = "".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
        put(Bucket=BUCKET, Key=f"raw/mappings/state={state}/mappings.json", Body=text.encode())
    for state, text in _LOCATIONS.items():
        put(Bucket=BUCKET, Key=f"raw/locations/state={state}/locations.csv", Body=(header + text).encode())
    for number, case in enumerate(odd_lines.CASES):
        body = case.body(number, NOON + 3600, "h1")
        put(Bucket=BUCKET, Key=f"raw/usage/dt={DAY}/odd/{number:03}.json", Body=body)
    for name, body in _ODD_FILES.items():
        put(Bucket=BUCKET, Key=f"raw/usage/dt={DAY}/odd/{name}", Body=body)
    for name, lines in _USAGE.items():
        body = "".join(f"{line}\n" for line in lines).encode()
        put(Bucket=BUCKET, Key=f"raw/usage/dt={DAY}/{name}", Body=body)
    put(Bucket=BUCKET, Key="own/rates/rates.parquet", Body=_rates())
    _register(judge, "rate_versions", CONTENT_HASHES["rates"], f"s3://{BUCKET}/own/rates/")
    _broken(judge)


def _rates() -> bytes:
    """No rate for New York's midnight: an hour without one must show."""
    rows = [("az", 2019, 12, hour, "off-peak" if hour < 8 else "peak", 7.25 + hour / 10) for hour in range(24)]
    rows += [("ny", 2019, 12, hour, "flat", 11.0) for hour in range(1, 24)]
    names = ("state", "year", "month", "hour", "type", "cents_per_kwh")
    types = (pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.string(), pa.float64())
    return parquet(pa.schema(list(zip(names, types, strict=True))), _columns(names, rows))


def _broken(judge: Judge) -> None:
    names = ("loc_id", "device", "location", "ts", "type", "kwh", "cents_per_kwh", "cost", "state", "sensor")
    rows = [dict(zip(names, row, strict=True)) for row in _BROKEN]
    for row in rows:
        row["ts"] = row["ts_utc"] = row["ts"] and datetime.fromisoformat(row["ts"])
    _table_like(judge, "broken_cost", "usage_cost", _priced(judge, rows))
    _table_like(judge, "broken_rejects", "usage_rejects")


def _rich(judge: Judge) -> None:
    """A day of two hubs with three devices: one has all readings, the other half of them."""
    devices = {"s_01": "Dishwasher", "s_02": "Electric Vehicle Charger", "s_03": "Kühlschrank"}
    rows = []
    for hub, state, tz, offset, step in (
        ("h1", "az", "America/Phoenix", 7, 1),
        ("h2", "ny", "America/New_York", 5, 2),
    ):
        for interval in range(0, 288, step):
            local = datetime(2019, 12, 21) + timedelta(minutes=5 * interval)
            for place, (sensor, device) in enumerate(devices.items()):
                # thirds, nine decimals, and equal costs of two devices in New York
                kwh = (interval * (7 if state == "az" else 1) * (place + 1) % 100) / (3, 1e9, 1e3)[place]
                cents = (7.25 if local.hour < 8 else 9.125) if state == "az" else (8.5, 11.0)[local.hour > 15]
                kind = ("off-peak", "peak", "partial-peak")[local.hour // 8]
                row = {"loc_id": hub, "state": state, "tz": tz, "ts": local, "ts_utc": local + timedelta(hours=offset)}
                row |= {"sensor": sensor, "device": device, "location": "Kitchen", "type": kind}
                rows.append(row | {"kwh": kwh, "cents_per_kwh": cents, "cost": kwh * cents})
    _table_like(judge, "rich_cost", "usage_cost", _priced(judge, rows))


def _priced(judge: Judge, rows: list[dict[str, Any]]) -> bytes:
    """A Parquet file of priced usage; what a row does not name is NULL."""
    columns = judge.table(TRINO, "usage_cost").columns
    arrow = {"timestamp": pa.timestamp("us"), "double": pa.float64(), "varchar": pa.string()}
    schema = pa.schema([(column.name, arrow[column.type.name]) for column in columns])
    return parquet(schema, {column.name: [row.get(column.name) for row in rows] for column in columns})


def _table_like(judge: Judge, name: str, template: str, content: bytes | None = None) -> None:
    """A table of the template's columns in both databases, with this file."""
    clients = judge.environment.clients
    if content:
        clients.client("s3").put_object(Bucket=BUCKET, Key=f"own/{name}/file.parquet", Body=content)
    for engine in ENGINES:
        found = clients.client("glue").get_table(DatabaseName=engine, Name=template)["Table"]
        entry = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": found["Parameters"],
            "StorageDescriptor": {**found["StorageDescriptor"], "Location": f"s3://{BUCKET}/own/{name}/"},
        }
        clients.client("glue").create_table(DatabaseName=engine, TableInput=entry)


def _columns(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _register(judge: Judge, table: str, value: str, location: str) -> None:
    glue = judge.environment.clients.client("glue")
    for engine in ENGINES:
        storage = glue.get_table(DatabaseName=engine, Name=table)["Table"]["StorageDescriptor"]
        entry = {"Values": [value], "StorageDescriptor": {**storage, "Location": location}}
        glue.create_partition(DatabaseName=engine, TableName=table, PartitionInput=entry)
