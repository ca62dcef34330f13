"""A function's error has the name of its class, as Lambda's runtime reports it."""

import base64
import io
import json
import zipfile
from typing import Any

import pytest

from localaws.testing import LocalAws

FUNCTION = """
import json

class TooLate(RuntimeError):
    pass

def handler(event, context):
    print("called")
    match event:
        case {"raise": "own"}:
            raise TooLate("the day is over (twice)\\nand so is the night")
        case {"raise": "builtin"}:
            return {}["missing"]
        case {"raise": "caused"}:
            try:
                json.loads("{")
            except ValueError as error:
                raise TooLate(str(error)) from error
    return {"errorType": "none", "errorMessage": "no error"}
"""


@pytest.fixture(scope="module")
def function(aws: LocalAws) -> Any:
    """Invokes a function that raises a given exception."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    client = aws.client("lambda")
    client.create_function(
        FunctionName="raising",
        Runtime="python3.11",
        Handler="index.handler",
        Role=aws.role("function"),
        Code={"ZipFile": file.getvalue()},
    )
    return lambda event, **more: client.invoke(FunctionName="raising", Payload=json.dumps(event), **more)


@pytest.mark.parametrize(
    ("kind", "error_type", "message"),
    [
        ("own", "TooLate", "the day is over (twice)\nand so is the night"),
        ("builtin", "KeyError", "'missing'"),
        ("caused", "TooLate", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_an_error_has_its_class(function: Any, kind: str, error_type: str, message: str) -> None:
    answer = function({"raise": kind})

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert "LogResult" not in answer
    assert json.load(answer["Payload"]) == {"errorType": error_type, "errorMessage": message}


def test_the_result_is_returned_unchanged(function: Any) -> None:
    answer = function({})

    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"errorType": "none", "errorMessage": "no error"}


def test_the_log_is_returned_on_request(function: Any) -> None:
    answer = function({"raise": "own"}, LogType="Tail")

    assert "TooLate: the day is over" in base64.b64decode(answer["LogResult"]).decode()
