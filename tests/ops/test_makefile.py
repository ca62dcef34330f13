"""The Makefile: what it lists, what it would run, and how it finds a Python that will do."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.settings import ROOT

TOO_OLD = """#!/bin/sh
[ "$1" = --version ] && { echo Python 3.9.18; exit; }
exit 1
"""
# Passes the check of the version; as `python -m venv <folder>` it leaves a pip that leaves its arguments.
GOOD = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" > pip-arguments\\n' > "$3/bin/pip"
chmod +x "$3/bin/pip"
"""


def make(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout without environments, and its own bin folder."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "requirements" / "uv.lock", tmp_path / "requirements")
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_help_is_the_default_and_lists_every_command() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text().replace("\\\n", ""), re.MULTILINE)
    assert phony

    listed = re.findall(r"^  make ([a-z-]+) +\S", make().stdout, re.MULTILINE)

    assert sorted(listed) == sorted(phony[1].split())


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo"], ".venv/bin/python -m ops.demo"),
        (
            ["demo", "FROM=2019-12-21", "TO=2019-12-21"],
            ".venv/bin/python -m ops.demo --from '2019-12-21' --to '2019-12-21'",
        ),
        (["airflow", "ARGS=dags list"], ".venv/bin/python -m ops.services airflow dags list"),
        (["up"], ".venv/bin/python -m ops.services up"),
        (["data", "ARGS=--hubs 3 --clean"], "--hubs 3 --clean"),
        (["data", "CHANNELS=54"], "--channels '54' \\"),
        (["data", "CHANNEL_NAMES=my file"], "--channel-names 'my file' \\"),
        (["deploy-quicksight", "ARGS=--delete"], ".venv/bin/python -m ops.quicksight  --delete"),
        (
            ["deploy-quicksight", "OWNER=arn:aws:quicksight:us-east-1:111122223333:group/default/analysts"],
            ".venv/bin/python -m ops.quicksight --parameter"
            " OwnerPrincipal='arn:aws:quicksight:us-east-1:111122223333:group/default/analysts'",
        ),
        (
            ["mwaa", "STACK=hub-two", "REGION=eu-west-1", "SETTINGS=my file"],
            ".venv/bin/python -m ops.mwaa build --stack 'hub-two' --region 'eu-west-1' \\",
        ),
        (
            ["mwaa-sync", "BUCKET=my-bucket", "ENVIRONMENT=mine"],
            ".venv/bin/python -m ops.mwaa sync --bucket 'my-bucket' --environment 'mine' \\",
        ),
        (["down"], ".venv/bin/python -m ops.services down"),
    ],
)
def test_what_a_command_would_run(arguments: list[str], command: str) -> None:
    lines = make("-n", *arguments).stdout.splitlines()

    assert command in [line.strip() for line in lines]


@pytest.mark.parametrize("out", ["", "my homes"])
def test_data_asked_for_never_go_to_the_sample(tmp_path: Path, out: str) -> None:
    # given
    sample = sorted((path, path.stat().st_mtime_ns) for path in (ROOT / "include" / "data").rglob("*"))
    expected = tmp_path / (out or "data/hubs-2-days-1-from-2020-03-07-files-1-gzip")
    where = [f"OUT={expected}"] if out else []

    # when
    asked = ["HUBS=2", "DAYS=1", "FROM=2020-03-07", "FILES=1", "GZIP=1", *where]
    done = make("data", *asked, SMART_HUB_LOCAL=str(tmp_path))

    # expect
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (expected / "usage").rglob("*")] == ["dt=2020-03-07", "usage-01.json.gz"]
    assert f"Next: make demo SOURCE={shlex.quote(str(expected))} FROM=2020-03-07 TO=2020-03-07\n" in done.stdout
    assert sample == sorted((path, path.stat().st_mtime_ns) for path in (ROOT / "include" / "data").rglob("*"))


def test_settings_reach_the_command_by_its_environment(bare: Path) -> None:
    # given a checkout whose Python prints what it is told
    for stamp in (".venv-uv", ".venv", ".venv-localaws"):
        (bare / stamp / "bin").mkdir(parents=True)
    (bare / "packages" / "localaws").mkdir(parents=True)
    for source in ("requirements/airflow.lock", "requirements/localaws.lock", "packages/localaws/pyproject.toml"):
        (bare / source).touch()
    for stamp in (".venv-uv", ".venv", ".venv-localaws"):
        (bare / stamp / "synced").touch()
    program(bare / ".venv" / "bin" / "python", '#!/bin/sh\necho "$SOURCE $AIRFLOW_PORT $AWS_PORT"\n')

    done = make("up", "SOURCE=my data", "AIRFLOW_PORT=9000", cwd=bare, AWS_PORT="9001")

    assert done.stdout == "my data 9000 9001\n"


def test_a_python_too_old_is_an_error_that_says_so(bare: Path) -> None:
    old = program(bare / "bin" / "python3", TOO_OLD)

    done = make(".venv-uv/synced", f"PYTHON={old}", cwd=bare)

    assert done.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stderr
    assert f"{old} is Python 3.9.18" in done.stderr
    assert not (bare / ".venv-uv").exists()


def test_a_newer_python_beside_one_too_old_is_taken(bare: Path) -> None:
    program(bare / "bin" / "python3", TOO_OLD)
    for name in ("python3.11", "python3.13"):
        program(bare / "bin" / name, TOO_OLD)
    program(bare / "bin" / "python3.12", GOOD)

    done = make(".venv-uv/synced", cwd=bare, PATH=f"{bare / 'bin'}:/usr/bin:/bin")

    assert done.returncode == 0, done.stderr
    assert "--require-hashes -r requirements/uv.lock" in (bare / "pip-arguments").read_text()
    assert (bare / ".venv-uv" / "synced").exists()


def test_clean_removes_what_the_services_made_and_nothing_else(bare: Path) -> None:
    for folder in (".venv-uv/bin", ".venv/bin", "state/airflow", "state/aws", "state/logs", "state/run"):
        (bare / folder).mkdir(parents=True)
    (bare / "requirements" / "airflow.lock").touch()
    for stamp in (".venv-uv", ".venv"):
        (bare / stamp / "synced").touch()
    program(bare / ".venv" / "bin" / "python", "#!/bin/sh\n")
    (bare / "state" / "notes.txt").touch()

    done = make("clean", cwd=bare, SMART_HUB_LOCAL=str(bare / "state"))

    assert done.returncode == 0, done.stderr
    assert [path.name for path in (bare / "state").iterdir()] == ["notes.txt"]
