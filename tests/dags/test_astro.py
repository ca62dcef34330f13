"""The repository as an Astro project: what its image holds, and the checks that Astro's own tests make there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "airflow_settings.example.yaml"

# In a process of its own, in an image's layout: the questions of the tests that `astro dev init` lays into a project
# (tests/dags/test_dag_example.py) and of the one that `astro dev parse` and `astro deploy` run
# (.astro/test_dag_integrity_default.py). The latter answers for every variable of the environment that is not set,
# and for Variables and Connections, so that no DAG fails for want of one.
QUESTIONS = """
import json, os, sys

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Connection, Variable

asked = []
environment = os.getenv

def getenv(key, default=None):
    return environment(key) or default or f"MOCKED_{key.upper()}_VALUE"

if sys.argv[1] == "mocked":
    os.getenv = getenv
Variable.get = lambda key, *args, **kwargs: asked.append(key) or "MOCKED"
Connection.get = lambda key, *args, **kwargs: asked.append(key) or Connection(conn_id=key)

bag = DagBag(dag_folder=os.path.join(os.environ["AIRFLOW_HOME"], "dags"))
json.dump(
    {
        "errors": bag.import_errors,
        "asked": asked,
        "dags": {d.dag_id: {"tags": sorted(d.tags), "retries": d.default_args.get("retries")} for d in bag.dags.values()},
    },
    open(sys.argv[2], "w"),
)
"""


def context() -> list[str]:
    """The files that Docker sends for the image: those of the checkout that .dockerignore lets through."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")
    return sorted(path for path in tracked if path and not ignored().match_file(path))


def ignored() -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
