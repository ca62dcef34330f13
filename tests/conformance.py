"""Compares the local Athena with a real Trino, with the project's own SQL and a day of its pipeline as further parts.

In the environment of the local AWS, as `make conformance` runs it. Writes docs/conformance.md.
"""

import sys

from conformance.__main__ import main, run_tests
from conformance.report import Check, Part
from ops.settings import ROOT
from tests.sql import own_sql
from tests.trino import TRINO_COMMAND

PIPELINE = "tests/pipeline/test_trino.py"
OWN_SQL = Part(
    "own-sql",
    "every statement of `include/sql`, on data that exercise it; the tables that they create are read back by Trino."
    " *functions*: each is on a page that Athena's documentation refers to",
    own_sql.run,
)
DAY = Check(
    "pipeline",
    f"a day of the sample data, run by the DAG on either engine (`{PIPELINE}`); no row below",
    lambda command: run_tests(ROOT / PIPELINE, trino_command=command, python=ROOT / ".venv" / "bin" / "python"),
)

if __name__ == "__main__":
    sys.exit(
        main(
            program="python -m tests.conformance",
            more=[OWN_SQL, DAY],
            trino_command=TRINO_COMMAND,
            output=ROOT / "docs" / "conformance.md",
        )
    )
