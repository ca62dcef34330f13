"""The AWS CLI."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import DATABASE, ROWS, WORKGROUP

pytest.importorskip("awscli", reason="the clients are installed by make test-clients")
pytestmark = pytest.mark.usefixtures("athena")

AWS = Path(sys.executable).with_name("aws")


def aws(*arguments: str) -> Any:
    answer = subprocess.run([AWS, "athena", *arguments, "--output", "json"], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def ended(sql: str, *arguments: str) -> dict[str, Any]:
    context = ("--query-execution-context", f"Database={DATABASE}", "--work-group", WORKGROUP)
    execution_id = aws("start-query-execution", "--query-string", sql, *context, *arguments)["QueryExecutionId"]
    deadline = time.monotonic() + 60
    while True:
        execution: dict[str, Any] = aws("get-query-execution", "--query-execution-id", execution_id)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        assert time.monotonic() < deadline, f"{sql} takes longer than 60 s"


def test_a_query_with_parameters_and_all_pages_of_its_result() -> None:
    execution = ended("SELECT id FROM sales WHERE name <> ? ORDER BY id", "--execution-parameters", "'it''s 3'")
    answer = aws("get-query-results", "--query-execution-id", execution["QueryExecutionId"])
    cells = [row["Data"][0]["VarCharValue"] for row in answer["ResultSet"]["Rows"]]
    assert cells == ["id", *(str(row[0]) for row in ROWS if row[0] != 3)]
