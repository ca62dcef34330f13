"""Random keys for Docker Compose: made once, private, never replaced."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ops import keys
from ops.settings import ROOT

EXAMPLE = ROOT / ".env.example"


def values(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", file.read_text(), re.MULTILINE))


def test_a_missing_file_is_made_of_the_example_with_every_key(tmp_path: Path) -> None:
    # given no file
    file = tmp_path / ".env"

    # when it is completed, expect all keys, the example's comments, and no one else able to read it
    assert keys.complete(file, EXAMPLE) == list(keys.compose())
    made = values(file)
    assert made.keys() == keys.compose().keys()
    assert all(len(value) >= 32 for value in made.values())
    assert "#AIRFLOW_PORT=8080" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_there_stays_and_what_is_missing_is_added(tmp_path: Path) -> None:
    # given a file of the user's with one key, one that is empty and one setting of Astro's
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=mine\nAIRFLOW__CORE__FERNET_KEY=\nSMART_HUB_DATA_BUCKET=a-bucket")

    made = keys.complete(file, EXAMPLE)

    assert made == ["AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"]
    assert values(file)["POSTGRES_PASSWORD"] == "mine"
    assert values(file)["SMART_HUB_DATA_BUCKET"] == "a-bucket"
    assert all(values(file)[name] for name in made)


def test_keys_are_random_and_fit_for_what_they_are_for() -> None:
    first, second = keys.compose(), keys.compose()

    assert not set(first.values()) & set(second.values())
    assert len(base64.urlsafe_b64decode(first["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert re.fullmatch(r"[\w-]+", first["POSTGRES_PASSWORD"])  # it stands in a URL


def test_the_example_has_no_value() -> None:
    assert set(values(EXAMPLE).values()) == {""}


@pytest.mark.parametrize("isolated", [["-I", str(ROOT / "ops" / "keys.py")], ["-m", "ops.keys"]])
def test_the_command_needs_nothing_but_python(tmp_path: Path, isolated: list[str]) -> None:
    # given a Python that sees no installed package
    command = [sys.executable, "-S", *isolated, "--file", str(tmp_path / ".env")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "generated POSTGRES_PASSWORD" in done.stdout
    assert not set(values(tmp_path / ".env").values()) & set(done.stdout.split())  # no key is shown
