"""The documents that are made from the code are those that it makes now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.service
ROOT = Path(__file__).resolve().parents[2]


def documents(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on a checkout, as make does, with settings that the documents must not show."""
    return subprocess.run(
        [sys.executable, "-m", "ops.documents", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": "plugins", "SMART_HUB_STACK": "another", "SMART_HUB_INCLUDE": "/nowhere"},
        capture_output=True,
        text=True,
    )


def test_no_document_is_stale() -> None:
    done = documents(ROOT, "--check")

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_what_is_changed_in_dags_or_template_makes_a_document_stale_until_it_is_written(tmp_path: Path) -> None:
    # given a checkout in which a task, a column and a view's statement say something else
    for folder in ("dags", "docs", "include", "ops", "plugins"):
        ignored = shutil.ignore_patterns("__pycache__", "images", "data")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "DAGS.md", tmp_path)
    dag, template = tmp_path / "dags" / "smart_hub_usage.py", tmp_path / "include" / "infrastructure" / "smart_hub.yaml"
    view = tmp_path / "include" / "sql" / "publish" / "rates.sql"
    for file, before, after in (
        (dag, "XML to Parquet.", "Rates to Parquet."),
        (template, "Comment: Flat or suite", "Comment: Flat"),
        (view, "-- The rates", "-- All rates"),
    ):
        text = file.read_text(encoding="utf-8")
        assert before in text
        file.write_text(text.replace(before, after), encoding="utf-8")

    # expect both to be named, with the command, and left alone
    checked = documents(tmp_path, "--check")
    stale = "DAGS.md is stale: make docs\ndocs/data-dictionary.md is stale: make docs\n"
    assert checked.stdout == stale, checked.stderr
    assert checked.returncode == 1
    assert (tmp_path / "DAGS.md").read_bytes() == (ROOT / "DAGS.md").read_bytes()

    # when the command runs, expect what is new, and nothing else
    documents(tmp_path)
    for name, before, after in (
        ("DAGS.md", "| XML to Parquet.", "| Rates to Parquet."),
        ("docs/data-dictionary.md", "| Flat or suite |", "| Flat |"),
        ("docs/data-dictionary.md", "\nThe rates that", "\nAll rates that"),
    ):
        old, new = ((root / name).read_text(encoding="utf-8").splitlines() for root in (ROOT, tmp_path))
        assert after.strip() in "\n".join(new)
        assert before.strip() not in "\n".join(new)
        assert len(old) == len(new)
