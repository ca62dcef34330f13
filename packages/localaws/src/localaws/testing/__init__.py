"""Tests against a local AWS: start one, deploy to it, query its Athena, inject faults.

    from localaws.testing import AthenaClient, LocalAws

    with LocalAws(folder / "state") as aws:
        athena = AthenaClient.create(aws, "shop")
        assert athena.rows("SELECT 1") == [("1",)]

This package needs boto3 and, for the pytest plugin, pytest; it also runs on Python 3.9. The server can run in another
environment (``LocalAws(…, python=…)``), whose versions of boto3 and botocore are those that ministack pins.
``localaws.testing.sql`` alone, which runs statements without a server, needs all that localaws depends on.
"""

from localaws.testing.athena import PARQUET, TEXT, AthenaClient, StatementFailed
from localaws.testing.environment import isolate
from localaws.testing.server import Endpoint, LocalAws, StackFailed, StartFailed, function_zip
from localaws.testing.trino import Trino, local_aws_on_trino

__all__ = [
    "PARQUET",
    "TEXT",
    "AthenaClient",
    "Endpoint",
    "LocalAws",
    "StackFailed",
    "StartFailed",
    "StatementFailed",
    "Trino",
    "function_zip",
    "isolate",
    "local_aws_on_trino",
]
