"""Small sample tables for the statements: Parquet, JSON, CSV and text on S3, the same in both databases."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conformance.environment import BUCKET, ENGINES
from localaws.service import AwsClients

INF, NAN = float("inf"), float("nan")

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
TEXT = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

_HIVE = "org.apache.hadoop.hive.ql.io"
_FORMATS = {
    PARQUET: (f"{_HIVE}.parquet.MapredParquetInputFormat", f"{_HIVE}.parquet.MapredParquetOutputFormat"),
}
_TEXT_FORMATS = ("org.apache.hadoop.mapred.TextInputFormat", f"{_HIVE}.HiveIgnoreKeyTextOutputFormat")


@dataclass(frozen=True)
class SampleTable:
    """columns, keys: names with Hive types; folders: partition values and the content of the partition's file."""

    name: str
    columns: dict[str, str]
    folders: dict[tuple[str, ...], bytes]
    keys: dict[str, str] | None = None
    serde: str = PARQUET
    serde_parameters: dict[str, str] | None = None
    parameters: dict[str, str] | None = None


def create(clients: AwsClients, tables: Sequence[SampleTable]) -> set[str]:
    """Write the files and declare the tables in the database of each engine; returns their names."""
    s3, glue = clients.client("s3"), clients.client("glue")
    s3.create_bucket(Bucket=BUCKET)
    for engine in ENGINES:
        glue.create_database(DatabaseInput={"Name": engine})
    for table in tables:
        declare(clients, table)
    return {table.name for table in tables}


def declare(clients: AwsClients, table: SampleTable) -> None:
    s3, glue = clients.client("s3"), clients.client("glue")
    location = f"s3://{BUCKET}/samples/{table.name}/"
    input_format, output_format = _FORMATS.get(table.serde, _TEXT_FORMATS)
    storage = {
        "Columns": _columns(table.columns),
        "Location": location,
        "InputFormat": input_format,
        "OutputFormat": output_format,
        "SerdeInfo": {"SerializationLibrary": table.serde, "Parameters": table.serde_parameters or {}},
    }
    folders = {values: "/".join(values) + "/" if values else "" for values in table.folders}
    for values, content in table.folders.items():
        s3.put_object(Bucket=BUCKET, Key=f"samples/{table.name}/{folders[values]}file", Body=content)
    partitions = [
        {"Values": list(values), "StorageDescriptor": {**storage, "Location": f"{location}{folder}"}}
        for values, folder in folders.items()
    ]
    for engine in ENGINES:
        glue.create_table(
            DatabaseName=engine,
            TableInput={
                "Name": table.name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", **(table.parameters or {})},
                "PartitionKeys": _columns(table.keys or {}),
                "StorageDescriptor": storage,
            },
        )
        for start in range(0, len(partitions) if table.keys else 0, 100):  # the maximum of one request
            glue.batch_create_partition(
                DatabaseName=engine, TableName=table.name, PartitionInputList=partitions[start : start + 100]
            )


def _columns(columns: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": type_} for name, type_ in columns.items()]


def parquet(schema: pa.Schema, columns: dict[str, list[Any]]) -> bytes:
    output = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), output, coerce_timestamps="us")
    return output.getvalue()


def _numbers() -> tuple[pa.Schema, dict[str, list[Any]], dict[str, str]]:
    """Extremes, halves, NULLs; NaN and the infinities; decimals of several sizes."""
    integers = [None, 0, 1, -1, 2, 7, -7, 100, 127, -128, 3, 5]
    smalls = [None, 0, 1, -1, 2, 7, -7, 300, 32767, -32768, 3, 5]
    ints = [None, 0, 1, -1, 2, 7, -7, 100000, 2**31 - 1, -(2**31), 3, 5]
    bigs = [None, 0, 1, -1, 2, 7, -7, 10**12, 2**63 - 1, -(2**63), 3, 5]
    doubles = [None, 0.0, -0.0, 1.5, -2.5, 0.1, 1e308, 5e-324, INF, -INF, NAN, 2.5]
    prices = [None, "0.00", "0.01", "-0.01", "1.50", "2.50", "-2.50", "9.99", "999.99", "-999.99", "0.05", "12.35"]
    exact = [None, "0", "0.000000001", "-1.5", "2.25", "3.333333333", "-7.123456789", "1", "123456789.123456789"]
    exact += ["-123456789.987654321", "0.5", "10"]
    wide = [None, "0", "1", "-1", "9" * 38, "-" + "9" * 38, "12", "7", "100", "-100", "3", "5"]
    columns: dict[str, list[Any]] = {
        "n": list(range(1, 13)),
        "ti": integers,
        "si": smalls,
        "i": ints,
        "b": bigs,
        "d": doubles,
        "price": [one if one is None else Decimal(one) for one in prices],
        "exact": [one if one is None else Decimal(one) for one in exact],
        "wide": [one if one is None else Decimal(one) for one in wide],
        "flag": [None, True, False, True, False, None, True, True, False, False, True, None],
    }
    schema = pa.schema(
        [
            ("n", pa.int64()),
            ("ti", pa.int8()),
            ("si", pa.int16()),
            ("i", pa.int32()),
            ("b", pa.int64()),
            ("d", pa.float64()),
            ("price", pa.decimal128(5, 2)),
            ("exact", pa.decimal128(18, 9)),
            ("wide", pa.decimal128(38, 0)),
            ("flag", pa.bool_()),
        ]
    )
    hive = {"n": "bigint", "ti": "tinyint", "si": "smallint", "i": "int", "b": "bigint", "d": "double"}
    hive |= {"price": "decimal(5,2)", "exact": "decimal(18,9)", "wide": "decimal(38,0)", "flag": "boolean"}
    return schema, columns, hive


TEXTS = [
    *(None, "", " ", "a", "A", "abc", "ABC", "aBc", "b", "ab", "a%b", "a_b", "a\\b", "it's", 'say "hi"'),
    *("Ärger", "ärger", "straße", "日本語", "e\u0301", "😀 smile", "\u00a0nbsp", "tab\there", "line\nbreak"),
    *("12", "-7", "+3", "007", " 12 ", "1.5", "1e3", ".5", "5.", "NaN", "Infinity", "-inf", "1e999", "0x10"),
    *("9223372036854775807", "9223372036854775808", "true", "TRUE", "t", "yes", "2019-12-21", "2019-2-1"),
    *("2019-02-29", "2019-12-21 10:00:00", "2019-12-21 10:00:00.123", "2019-12-21T10:00:00", "10:00", "null"),
    *("a,b,c", ",a,", "x=1&y=2", '{"a": 1}', "[1, 2]", "abcabc", "aaa", "trailing  ", "  leading"),
]


def _texts() -> tuple[pa.Schema, dict[str, list[Any]], dict[str, str]]:
    schema = pa.schema([("n", pa.int64()), ("s", pa.string()), ("c", pa.string())])
    columns: dict[str, list[Any]] = {
        "n": list(range(1, len(TEXTS) + 1)),
        "s": TEXTS,
        "c": [None if text is None else text[:5] for text in TEXTS],
    }
    return schema, columns, {"n": "bigint", "s": "string", "c": "varchar(5)"}


def _table(name: str, *parts: tuple[pa.Schema, dict[str, list[Any]], dict[str, str]]) -> SampleTable:
    """A table with the columns of all parts, and as many rows as the shortest part."""
    columns = {column: values for _, part, _ in reversed(parts) for column, values in part.items()}
    height = min(len(values) for values in columns.values())
    fields = {field.name: field for schema, _, _ in parts for field in schema}
    hive = {column: type_ for _, _, part in parts for column, type_ in part.items()}
    cut = {column: columns[column][:height] for column in fields}
    return SampleTable(name, hive, {(): parquet(pa.schema(list(fields.values())), cut)})


def _times() -> tuple[pa.Schema, dict[str, list[Any]], dict[str, str]]:
    """Days of clock changes, leap days, days before 1970, bounds of the calendar."""
    stamps = [
        *(None, "1970-01-01 00:00:00", "1969-12-31 23:59:59.999", "2019-12-21 10:15:30.123"),
        *("2020-02-29 12:00:00", "2019-03-10 02:30:00", "2019-11-03 01:30:00", "2019-11-03 06:30:00"),
        *("2019-03-31 01:00:00", "2019-10-27 00:30:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999"),
        *("1582-10-15 00:00:00", "2000-01-01 00:00:00.001", "2019-01-31 00:00:00", "2018-12-31 23:00:00"),
    ]
    zones = [
        *(None, "UTC", "America/New_York", "America/Los_Angeles", "America/Denver", "America/New_York"),
        *("America/New_York", "America/New_York", "Europe/Berlin", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo"),
        *("America/Phoenix", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia"),
    ]
    parsed = [one if one is None else datetime.fromisoformat(one) for one in stamps]
    columns: dict[str, list[Any]] = {
        "n": list(range(1, len(stamps) + 1)),
        "day": [one if one is None else one.date() for one in parsed],
        "ts": parsed,
        "tz": zones,
        "epoch": [one if one is None else int((one - datetime(1970, 1, 1)).total_seconds() // 1) for one in parsed],
    }
    schema = pa.schema(
        [
            ("n", pa.int64()),
            ("day", pa.date32()),
            ("ts", pa.timestamp("us")),
            ("tz", pa.string()),
            ("epoch", pa.int64()),
        ]
    )
    hive = {"n": "bigint", "day": "date", "ts": "timestamp", "tz": "string", "epoch": "bigint"}
    return schema, columns, hive


def _lists() -> SampleTable:
    schema = pa.schema(
        [
            ("n", pa.int64()),
            ("a", pa.list_(pa.int64())),
            ("s", pa.list_(pa.string())),
            ("d", pa.list_(pa.float64())),
            ("p", pa.struct([("x", pa.int64()), ("y", pa.string()), ("z", pa.float64())])),
        ]
    )
    columns: dict[str, list[Any]] = {
        "n": [1, 2, 3, 4, 5],
        "a": [None, [], [1, 2, 3], [None, 7], [5, 5, -1]],
        "s": [None, [], ["a", "b"], [None, ""], ["ä", "a", "a"]],
        "d": [None, [], [1.5, NAN], [None, INF], [0.0, -0.0, 2.5]],
        "p": [
            None,
            {"x": 1, "y": "a", "z": 1.5},
            {"x": None, "y": None, "z": None},
            {"x": -1, "y": "", "z": NAN},
            {"x": 2, "y": "ä", "z": INF},
        ],
    }
    hive = {"n": "bigint", "a": "array<bigint>", "s": "array<string>", "d": "array<double>"}
    hive |= {"p": "struct<x:bigint,y:string,z:double>"}
    return SampleTable("lists", hive, {(): parquet(schema, columns)})


def _maps() -> SampleTable:
    schema = pa.schema(
        [("n", pa.int64()), ("m", pa.map_(pa.string(), pa.float64())), ("j", pa.map_(pa.string(), pa.string()))]
    )
    columns: dict[str, list[Any]] = {
        "n": [1, 2, 3, 4],
        "m": [{"b": 1.5, "a": None}, {}, None, {"ä": NAN, "Z": INF, "a": -0.0}],
        "j": [{"x": "y"}, {"x": None, "1": "2.5"}, {}, None],
    }
    hive = {"n": "bigint", "m": "map<string,double>", "j": "map<string,string>"}
    return SampleTable("maps", hive, {(): parquet(schema, columns)})


RAWS = (
    '{"loc_id":"91c1114f1e2b4b8d","ts":1576915200,"data":{"s_02":0,"s_01":0.247}}',
    '{"loc_id":"h","ts":1.5769152e9,"data":{"a":1e-5,"b":"2.5","c":null,"d":true,"e":[1],"f":-1,"g":1e400,"h":0.10}}',
    '{"loc_id": "ä😀\\u0041", "ts": "12", "data": {"s_01": 1, "s_01": 2}}',
    '{"ts":null,"data":null}',
    '{"a":1}{"b":{"c":2}} {"d":3}',
    "no json",
    "",
    '{"loc_id":7,"ts":12345678901234567890,"data":{}} ',
)


def _raws() -> SampleTable:
    schema = pa.schema([("n", pa.int64()), ("line", pa.string())])
    columns: dict[str, list[Any]] = {"n": list(range(1, len(RAWS) + 1)), "line": list(RAWS)}
    return SampleTable("raws", {"n": "bigint", "line": "string"}, {(): parquet(schema, columns)})


def _readings() -> SampleTable:
    """Readings of some hubs, a partition a day; duplicates, NULLs, a day without any."""
    schema = pa.schema([("hub", pa.string()), ("sensor", pa.string()), ("ts", pa.int64()), ("kwh", pa.float64())])

    def records(*rows: tuple[Any, ...]) -> bytes:
        return parquet(schema, dict(zip(schema.names, map(list, zip(*rows, strict=True)), strict=True)))

    first = records(
        ("h1", "s1", 1576904400, 0.5),
        ("h1", "s2", 1576904400, 0.25),
        ("h1", "s1", 1576904700, 0.75),
        ("h2", "s1", 1576904400, None),
        ("h2", "s2", 1576904400, 1.0),
        (None, "s1", 1576904400, 2.0),
        ("h3", None, None, 0.125),
    )
    second = records(
        ("h1", "s1", 1576990800, 1.5),
        ("h1", "s1", 1576990800, 1.5),
        ("h2", "s1", 1576990800, NAN),
        ("h4", "s9", 1576990800, INF),
        ("ä", "s1", 1576990800, 0.0),
    )
    empty = parquet(schema, {name: [] for name in schema.names})
    folders: dict[tuple[str, ...], bytes] = {("2019-12-21",): first, ("2019-12-22",): second, ("2019-12-23",): empty}
    return SampleTable(
        "readings",
        {"hub": "string", "sensor": "string", "ts": "bigint", "kwh": "double"},
        folders,
        keys={"dt": "date"},
    )


def _devices() -> SampleTable:
    text = (
        "hub,sensor,device,watts\n"
        'h1,s1,Fridge,150\nh1,s2,"TV, large",90\nh2,s1,"say ""hi""",\nh2,s3,,40\nh5,s1,Ärger,1.5\n,s1,nobody,7\n'
    )
    return SampleTable(
        "devices",
        dict.fromkeys(("hub", "sensor", "device", "watts"), "string"),
        {("az",): text.encode(), ("ny",): b"hub,sensor,device,watts\nh4,s9,Heater,2000\n"},
        keys={"state": "string"},
        serde=OPEN_CSV,
        serde_parameters={"separatorChar": ",", "quoteChar": '"', "escapeChar": "\\"},
        parameters={"skip.header.line.count": "1"},
    )


def _hubs() -> SampleTable:
    lines = (
        '{"hub":"h1","tz":"America/New_York","area":85,"data":{"x":1.5,"y":2}}',
        '{"hub":"h2","tz":"Europe/Berlin","area":null,"data":null}',
        '{"hub":"h3","tz":"Asia/Kolkata","data":{"x":null}}',
        '{"hub":"ä","tz":null,"area":7,"data":{"y":-1}}',
        "not json",
    )
    return SampleTable(
        "hubs",
        {"hub": "string", "tz": "string", "area": "bigint", "data": "struct<x:double,y:bigint>"},
        {(): "".join(f"{line}\n" for line in lines).encode()},
        serde=OPENX_JSON,
        serde_parameters={"ignore.malformed.json": "true"},
    )


def _lines() -> SampleTable:
    content = 'first\n\n  {"a": 1}  \n"quoted", with comma\nÄrger\nlast without end'
    return SampleTable(
        "lines", {"line": "string"}, {(): content.encode()}, serde=TEXT, serde_parameters={"field.delim": "\x01"}
    )


def _nothing() -> SampleTable:
    schema = pa.schema([("k", pa.string()), ("v", pa.int64()), ("x", pa.float64()), ("day", pa.date32())])
    hive = {"k": "string", "v": "bigint", "x": "double", "day": "date"}
    return SampleTable("nothing", hive, {(): parquet(schema, {name: [] for name in schema.names})})


def _calendar() -> SampleTable:
    """One row a day over the end of a year and a leap day, for grouping by parts of dates."""
    days = [date.fromordinal(date(2019, 12, 20).toordinal() + number) for number in range(75)]
    schema = pa.schema([("day", pa.date32()), ("k", pa.string()), ("v", pa.int64())])
    columns: dict[str, list[Any]] = {
        "day": days,
        "k": [["a", "b", "c", None][number % 4] for number in range(75)],
        "v": [None if number % 11 == 0 else number * number % 17 for number in range(75)],
    }
    return SampleTable("calendar", {"day": "date", "k": "string", "v": "bigint"}, {(): parquet(schema, columns)})


SAMPLES = (
    *(_table("numbers", _numbers()), _table("texts", _texts()), _table("times", _times())),
    *(_lists(), _readings(), _devices(), _hubs(), _lines(), _nothing(), _calendar(), _maps(), _raws()),
)
MIXED = _table("mixed", _numbers(), _texts(), _times())
