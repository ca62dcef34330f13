"""The server, its functions and its jobs get an allow-list of the user's variables; errors on a full disk name it."""

import asyncio
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from localaws.asgi import Message
from localaws.disk import DiskGuard
from localaws.environment import isolated
from localaws.testing.user_settings import variables

pytestmark = pytest.mark.unit
Usage = namedtuple("Usage", "total used free")


def test_no_variable_that_redirects_a_client_is_passed_on() -> None:
    users = {"PATH": "/bin", "LANG": "C.UTF-8", "SOURCE": "elsewhere", **dict.fromkeys(variables(), "nonsense")}

    left = isolated(Path("/home"), users)

    assert {name: left.pop(name) for name in ("PATH", "LANG", "HOME", "TMPDIR")} == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "HOME": "/home",
        "TMPDIR": "/home",
    }
    assert set(left.values()) == {"/dev/null", "true", "*"}


def test_an_error_on_a_full_disk_names_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(2**30, 2**30 - 2**20, 2**20))
    sent: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise OSError("No space left on device")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/bucket/key", "headers": [], "query_string": b""}
    asyncio.run(DiskGuard(app, tmp_path)(scope, app, send))

    assert sent[0]["status"] == 507
    assert f"state folder {tmp_path} is full (1 MB are free)".encode() in sent[1]["body"]
