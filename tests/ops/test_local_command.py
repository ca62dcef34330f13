"""If the disk is full, the error says so and names the folder."""

from collections import namedtuple
from pathlib import Path

import pytest

from ops import local_command
from ops.settings import UserError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(2**30, 2**30 - 2**20, 2**20))


def test_a_full_disk_is_an_error_that_names_the_folder(full: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"the disk of {tmp_path}/local is full: 1 MB are free, 64 MB are needed"):
        local_command.check_disk(tmp_path / "local")


def test_what_fails_on_a_full_disk_fails_for_that_reason(full: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is full"), local_command.naming_a_full_disk(tmp_path):
        raise RuntimeError("500 Internal Server Error")


def test_what_fails_with_space_left_keeps_its_reason(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="500"), local_command.naming_a_full_disk(tmp_path):
        raise RuntimeError("500 Internal Server Error")
