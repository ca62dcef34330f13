"""Whether Parquet files hold the same rows of usage_cost, whatever their order and layout.

python -m benchmarks.rows FILE … prints the rows' number and checksum as JSON.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from benchmarks.contestants import COLUMNS

_TYPES = {"ts": "TIMESTAMP", "ts_utc": "TIMESTAMP", "kwh": "DOUBLE", "cents_per_kwh": "DOUBLE", "cost": "DOUBLE"}


@dataclass(frozen=True)
class Digest:
    """checksum: the sum of a 64-bit hash of each row, exact: a row lost, doubled or changed in one bit changes it.

    Comparable between runs of the same DuckDB alone.
    """

    rows: int
    checksum: str


def digest(files: Sequence[str | Path]) -> Digest:
    """The rows of one table's files; a column that is in none of them is one of a folder, ``loc_id=…``."""
    with duckdb.connect() as connection:
        # An hour is the same in microseconds and nanoseconds, a text the same with and without a dictionary.
        texts = ", ".join(f"CAST({column} AS {_TYPES.get(column, 'VARCHAR')})" for column in COLUMNS)
        found = connection.execute(
            f"SELECT count(*), coalesce(sum(CAST(hash({texts}) AS HUGEINT)), 0)"
            " FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false)",
            {"files": [str(file) for file in files]},
        ).fetchone()
    assert found is not None
    return Digest(found[0], str(found[1]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rows", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="one table's Parquet files")
    print(json.dumps(asdict(digest(parser.parse_args(arguments).files))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
