"""Baselines: scripts that users could write instead of the pipeline. They price one day into one Parquet file.

python -m benchmarks.baselines NAME --source FOLDER --day 2019-12-21 --out FILE.parquet

Each baseline is a typical script: it assumes valid input (no malformed lines, all values are numbers, all channels have
a mapping), accepts any channels, and neither validates nor publishes anything. The generator writes such data with
--clean.
All baselines write the columns of usage_cost, sorted by loc_id, ts_utc and device, with snappy compression.

Each baseline imports its own libraries, so that its time does not include the imports of the others.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

COLUMNS = [
    "loc_id",
    "device",
    "location",
    "ts",
    "ts_utc",
    "tz",
    "type",
    "kwh",
    "cents_per_kwh",
    "cost",
    "state",
    "sensor",
]
ORDER = ["loc_id", "ts_utc", "device"]
RATES = ["state", "year", "month", "hour", "type", "cents_per_kwh"]
THREADS = 2
Rate = tuple[str, int, int, int, str, float]


def rates(source: Path) -> list[Rate]:
    """The rates, one per hour that a row of the XML spans, with the columns RATES."""
    hourly: list[Rate] = []
    for file in sorted((source / "rates").glob("*.xml")):
        for row in ElementTree.parse(file).getroot().iter("row"):
            text = {field.tag: field.text or "" for field in row}
            for hour in range(int(text["from"][:2]), int(text["to"][:2]) + 1):
                when = (int(text["year"]), int(text["month"]), hour)
                hourly.append((text["state"], *when, text["type"], float(text["rate"])))
    return hourly


def one_duckdb_query(source: Path, day: str, out: Path) -> None:
    """One SQL query, in an engine that reads and writes all formats itself."""
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": "2GB"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE rates (state VARCHAR, year INT, month INT, hour INT, type VARCHAR, cents_per_kwh DOUBLE)"
    )
    connection.executemany("INSERT INTO rates VALUES (?, ?, ?, ?, ?, ?)", rates(source))
    connection.execute(f"""
        COPY (
            WITH readings AS (
                FROM read_json('{source}/usage/dt={day}/*', format = 'newline_delimited',
                               columns = {{loc_id: 'VARCHAR', ts: 'BIGINT', data: 'MAP(VARCHAR, DOUBLE)'}})
            ),
            hubs AS (
                SELECT hash AS loc_id, tz, state
                FROM read_csv('{source}/locations/*/*.csv', hive_partitioning = true, all_varchar = true)
            ),
            devices AS (
                SELECT loc_id, id AS sensor, description AS device, location
                FROM read_json('{source}/mappings/*/*.json', format = 'newline_delimited')
            ),
            local AS (
                SELECT loc_id, timezone(tz, to_timestamp(ts)) AS ts, timezone('UTC', to_timestamp(ts)) AS ts_utc,
                    tz, state, data
                FROM readings JOIN hubs USING (loc_id)
            ),
            priced AS (
                SELECT local.*, type, cents_per_kwh
                FROM local JOIN rates ON local.state = rates.state
                    AND year(ts) = year AND month(ts) = month AND hour(ts) = hour
            ),
            measured AS (
                SELECT * EXCLUDE (data), unnest(map_keys(data)) AS sensor, unnest(map_values(data)) AS kwh FROM priced
            )
            SELECT loc_id, device, location, ts, ts_utc, tz, type, kwh, cents_per_kwh, kwh * cents_per_kwh AS cost,
                state, sensor
            FROM measured JOIN devices USING (loc_id, sensor)
            ORDER BY loc_id, ts_utc, device
        ) TO '{out}' (FORMAT parquet, COMPRESSION snappy)""")


def polars_lazy(source: Path, day: str, out: Path) -> None:
    """Polars' lazy frames, with its streaming engine."""
    import polars as pl

    text = pl.String
    mapping = {"loc_id": text, "id": text, "description": text, "location": text}
    hubs = pl.scan_csv(
        sorted((source / "locations").glob("*/*.csv")), infer_schema=False, include_file_paths="file"
    ).select(pl.col("hash").alias("loc_id"), "tz", state=pl.col("file").str.extract(r"state=([^/]*)/[^/]*$"))
    devices = pl.scan_ndjson(sorted((source / "mappings").glob("*/*")), schema=mapping).select(
        "loc_id", "location", sensor="id", device="description", column=pl.lit("kwh of ") + pl.col("id")
    )
    channels = devices.select(pl.col("sensor").unique().sort()).collect()["sensor"].to_list()
    columns = [f"kwh of {channel}" for channel in channels]  # a channel can have the name of a column
    usage = {"loc_id": text, "ts": pl.Int64, "data": pl.Struct(dict.fromkeys(channels, pl.Float64))}
    prices = pl.LazyFrame(
        rates(source), orient="row", schema=dict(zip(RATES, (text, *[pl.Int32] * 3, text, pl.Float64), strict=True))
    )
    zones = hubs.select("tz").unique().collect()["tz"]  # an expression converts to one zone only
    utc = pl.from_epoch("ts", time_unit="s").cast(pl.Datetime("us"))
    local = [
        pl.when(pl.col("tz") == zone).then(
            utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        )
        for zone in zones
    ]
    (
        pl.scan_ndjson(sorted((source / "usage" / f"dt={day}").iterdir()), schema=usage)
        .join(hubs, on="loc_id")
        .with_columns(ts_utc=utc, ts=pl.coalesce(local))
        .with_columns(
            year=pl.col("ts").dt.year(),
            month=pl.col("ts").dt.month().cast(pl.Int32),
            hour=pl.col("ts").dt.hour().cast(pl.Int32),
        )
        .join(prices, on=["state", "year", "month", "hour"])
        .with_columns(pl.col("data").struct.rename_fields(columns))
        .unnest("data")
        .unpivot(
            columns,
            index=["loc_id", "ts", "ts_utc", "tz", "state", "type", "cents_per_kwh"],
            variable_name="column",
            value_name="kwh",
        )
        .drop_nulls("kwh")  # channels of other hubs
        .join(devices, on=["loc_id", "column"])
        .with_columns(cost=pl.col("kwh") * pl.col("cents_per_kwh"))
        .select(COLUMNS)
        .sort(ORDER)
        .sink_parquet(out, compression="snappy", engine="streaming")
    )


def pandas_script(source: Path, day: str, out: Path) -> None:
    """pandas on local files. With awswrangler the same script would read and write S3 through the same pandas."""
    import pandas as pd

    text = {"loc_id": str}  # otherwise a hub id with digits only becomes a number
    usage = pd.concat(
        # precise_float: otherwise the last digits of a value are lost
        pd.read_json(file, lines=True, dtype=text, precise_float=True)
        for file in sorted((source / "usage" / f"dt={day}").iterdir())
    ).reset_index(drop=True)
    hubs = pd.concat(
        pd.read_csv(file, dtype=str).assign(state=file.parent.name.removeprefix("state="))
        for file in sorted((source / "locations").glob("*/*.csv"))
    ).rename(columns={"hash": "loc_id"})[["loc_id", "tz", "state"]]
    devices = pd.concat(
        pd.read_json(file, lines=True, dtype=text) for file in sorted((source / "mappings").glob("*/*.json"))
    ).rename(columns={"id": "sensor", "description": "device"})[["loc_id", "sensor", "device", "location"]]
    prices = pd.DataFrame(rates(source), columns=RATES)

    values = pd.DataFrame(usage.pop("data").tolist(), dtype="float64").stack().dropna()  # without other hubs' channels
    values = values.rename("kwh").rename_axis(["reading", "sensor"]).reset_index()
    readings = usage.reset_index(names="reading").merge(hubs, on="loc_id")
    instants = pd.to_datetime(readings["ts"], unit="s", utc=True)
    readings["ts_utc"] = instants.dt.tz_localize(None)
    readings["ts"] = pd.concat(
        instants[of_zone.index].dt.tz_convert(zone).dt.tz_localize(None) for zone, of_zone in readings.groupby("tz")
    )
    readings["year"], readings["month"] = readings["ts"].dt.year, readings["ts"].dt.month
    readings["hour"] = readings["ts"].dt.hour
    priced = readings.merge(prices, on=["state", "year", "month", "hour"])
    measured = priced.merge(values, on="reading").merge(devices, on=["loc_id", "sensor"])
    measured["cost"] = measured["kwh"] * measured["cents_per_kwh"]
    measured[COLUMNS].sort_values(ORDER).to_parquet(out, index=False, compression="snappy")


BASELINES: dict[str, Callable[[Path, str, Path], None]] = {
    "duckdb": one_duckdb_query,
    "polars": polars_lazy,
    "pandas": pandas_script,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.baselines", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", choices=BASELINES)
    parser.add_argument("--source", type=Path, required=True, help="folder with usage, mappings, locations, rates")
    parser.add_argument("--day", required=True, help="such as 2019-12-21")
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    options = parser.parse_args(arguments)
    if not any((options.source / "usage").glob(f"dt={options.day}/*")):
        parser.error(f"{options.source / 'usage'} has no file of dt={options.day}")
    BASELINES[options.name](options.source, options.day, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
