"""The DuckDB engine by itself: limits, cancellation, errors."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.athena.catalog import Catalog
from localaws.athena.duck.engine import DuckEngine, connect
from localaws.athena.duck.scan import TableSource
from localaws.athena.errors import Cancelled, QueryError
from localaws.athena.text import java_double
from localaws.service import AwsClients
from localaws.testing import PARQUET, TEXT, AthenaClient, LocalAws

NUMBERS = f"UNNEST(ARRAY[{', '.join(map(str, range(100)))}])"


@pytest.fixture
def clients(athena: AthenaClient) -> AwsClients:
    return AwsClients(athena.aws.endpoint)


def test_a_query_spills_if_it_exceeds_the_memory_and_leaves_no_files(clients: AwsClients, tmp_path: Path) -> None:
    # given a million rows of some hundred bytes to sort, and little memory
    engine = DuckEngine(tmp_path / "spill", threads=2, memory=60 * 10**6)
    text = "CAST(a AS varchar) || CAST(b AS varchar) || CAST(c AS varchar) || '" + "x" * 100 + "'"
    sql = (
        f"SELECT max(n), count(*) FROM (SELECT row_number() OVER (ORDER BY {text}) AS n FROM {NUMBERS} AS t (a)"
        f" CROSS JOIN {NUMBERS} AS u (b) CROSS JOIN {NUMBERS} AS v (c))"
    )

    outcome = engine.statement(sql, "any", clients).run()

    assert outcome.rows == [("1000000", "1000000")]
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_query_that_exceeds_the_memory_is_an_error(clients: AwsClients, tmp_path: Path) -> None:
    engine = DuckEngine(tmp_path / "spill", memory=10**6)

    with pytest.raises(QueryError, match=r"^EXCEEDED_LOCAL_MEMORY_LIMIT: "):
        engine.statement(
            f"SELECT DISTINCT a * b FROM {NUMBERS} AS t (a), {NUMBERS} AS u (b)".replace(
                ", UNNEST", " CROSS JOIN UNNEST"
            ),
            "any",
            clients,
        ).run()


@pytest.mark.parametrize(("part", "whole"), [(0, True), (1, False)])
def test_objects_are_read_whole_if_they_fit_an_eighth_of_the_memory(
    athena: AthenaClient, clients: AwsClients, tmp_path: Path, part: int, whole: bool
) -> None:
    # given: an object of more than a million bytes, in a statement that names its table twice, and a text
    name, file = f"million_{part}", io.BytesIO()
    pq.write_table(pa.table({"n": range(200_000)}), file, use_dictionary=False, compression="none")
    size = len(file.getvalue())
    assert size > 1_000_000
    memory = 8 * size - part
    for of, body in ((PARQUET, file.getvalue()), (TEXT, b"text")):
        athena.table(f"{name}_{len(body)}", of, "n bigint" if of == PARQUET else "line string")
        athena.s3.put_object(Bucket=athena.bucket, Key=f"{name}_{len(body)}/file", Body=body)
    catalog = Catalog(clients.client("glue"))
    tables = [catalog.find(athena.database, f"{name}_{of}") for of in (size, size, 4)]
    with connect(DuckEngine(tmp_path), clients, str(tmp_path)) as connection:
        source = TableSource(connection, catalog, clients.client("s3"))
        for alias, table in zip("abc", tables, strict=True):
            assert table is not None
            source.scan(table, alias, [], hidden_path=False)

        source.read_whole(memory)

        settings = "SELECT current_setting('force_download'), current_setting('memory_limit')"
        left = memory - size if whole else memory
        assert connection.execute(settings).fetchone() == (whole, f"{int(left / 2**20 * 10) / 10} MiB")


def test_a_statement_cancelled_before_it_runs_does_not_run(clients: AwsClients, tmp_path: Path) -> None:
    statement = DuckEngine(tmp_path / "spill").statement("SELECT 1", "any", clients)
    stopping = threading.Thread(target=statement.cancel)
    stopping.start()
    statement.cancelled.wait()

    with pytest.raises(Cancelled):
        statement.run()
    stopping.join()


def test_a_query_over_the_scan_limit_is_cancelled(athena: AthenaClient, clients: AwsClients, tmp_path: Path) -> None:
    athena.table("ten_bytes", TEXT, "line string")
    athena.put("ten_bytes/file", "123456789\n")
    engine = DuckEngine(tmp_path / "spill")

    def scan(max_bytes: int) -> Any:
        return engine.statement("SELECT line FROM ten_bytes", athena.database, clients, max_bytes).run()

    assert scan(10).rows == [("123456789",)]
    with pytest.raises(Cancelled, match=r"^Bytes scanned limit was exceeded$"):
        scan(9)


def test_no_message_contains_a_secret(aws: LocalAws, athena: AthenaClient, tmp_path: Path) -> None:
    # given an object that is deleted between the listing and the read
    class Vanishing(AwsClients):
        def client(self, service: str) -> Any:
            client = super().client(service)
            if service == "s3":
                client.meta.events.register("after-call.s3.ListObjectsV2", self.forget)
            return client

        def forget(self, **_: Any) -> None:
            athena.s3.delete_object(Bucket=athena.bucket, Key="vanishing/file")

    athena.table("vanishing", TEXT, "line string")
    athena.put("vanishing/file", "x\n")
    key = user_key(aws, "vanishing")
    clients = Vanishing(aws.endpoint, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])

    with pytest.raises(QueryError) as raised:
        DuckEngine(tmp_path / "spill").statement("SELECT line FROM vanishing", athena.database, clients).run()

    assert raised.value.code == "HIVE_CANNOT_OPEN_SPLIT"
    assert "vanishing/file" in str(raised.value)
    assert key["AccessKeyId"] not in str(raised.value)
    assert key["SecretAccessKey"] not in str(raised.value)


def user_key(aws: LocalAws, name: str) -> dict[str, str]:
    """An access key of a user who can do everything."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    permissions = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="permissions", PolicyDocument=json.dumps(permissions))
    return dict(iam.create_access_key(UserName=name)["AccessKey"])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.25e-10, "1.25E-10"),
        (1e300, "1.0E300"),
        (5e-324, "4.9E-324"),
        (2e-323, "2.0E-323"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_are_written_as_in_java(number: float, text: str) -> None:
    assert java_double(number) == text
