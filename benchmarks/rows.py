"""Compares the rows of usage_cost in Parquet files, independent of their order and layout.

python -m benchmarks.rows FILE … prints the number of rows and their checksum as JSON.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from benchmarks.baselines import COLUMNS

_TYPES = {"ts": "TIMESTAMP", "ts_utc": "TIMESTAMP", "kwh": "DOUBLE", "cents_per_kwh": "DOUBLE", "cost": "DOUBLE"}


@dataclass(frozen=True)
class Digest:
    """checksum: the exact sum of a 64-bit hash of each row; a missing, duplicate or changed row changes it.

    Comparable only between runs of the same DuckDB version.
    """

    rows: int
    checksum: str


def digest(files: Sequence[str | Path]) -> Digest:
    """The digest of one table's files; columns that are missing in the files come from folders, ``loc_id=…``."""
    with duckdb.connect() as connection:
        # The casts make timestamps in microseconds and nanoseconds equal, and texts with and without a dictionary.
        texts = ", ".join(f"CAST({column} AS {_TYPES.get(column, 'VARCHAR')})" for column in COLUMNS)
        row = connection.execute(
            f"SELECT count(*), coalesce(sum(CAST(hash({texts}) AS HUGEINT)), 0)"
            " FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false)",
            {"files": [str(file) for file in files]},
        ).fetchone()
    assert row is not None
    return Digest(row[0], str(row[1]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rows", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="one table's Parquet files")
    print(json.dumps(asdict(digest(parser.parse_args(arguments).files))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
