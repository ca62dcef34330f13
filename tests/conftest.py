"""The environment and the layers of all tests. A test has the layer of its folder, unless its file sets another one in
``pytestmark``. See README.md.
"""

from __future__ import annotations

import functools
import gc
import os
from pathlib import Path

import botocore.session
import pytest

from localaws.testing import isolate

pytest_plugins = ["localaws.testing.plugin"]

# Airflow's and botocore's modules are a million objects that stay: to look through them for garbage as often as Python
# does by itself, and at the end, takes a third of the unit tests' time.
gc.set_threshold(100_000, 50, 100)

# All sessions share one loader, because reading the models of a service takes longer than most tests.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Tests start make, other commands and AWS clients. None of these must get the arguments of the make that runs the
# tests, the settings of the user's own demo, or access to the user's AWS account.
_USERS = ("MAKE", "MFLAGS", "SMART_HUB_", "AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AIRFLOW_HOME")
_SETTINGS = {
    *("AIRFLOW_PORT", "ARGS", "AWS_PORT", "BUCKET", "CHANNELS", "CHANNEL_NAMES", "DAYS", "DRY_RUN", "ENGINE"),
    *("ENVIRONMENT", "FILES", "FROM", "GZIP", "HUB", "HUBS", "KMS_KEY", "OUT", "OWNER", "QUERY_MEMORY", "REGION"),
    *("SETTINGS", "SOURCE", "STACK", "TO", "TRINO_PORT", "TRINO_URL", "YES"),
}
for _name in [name for name in os.environ if name.startswith(_USERS) or name in _SETTINGS]:
    del os.environ[_name]
isolate()

LAYERS = {
    "unit": "compose dags docs generator glue infrastructure lambdas ops plugins properties quicksight requirements",
    "service": "benchmarks clients pipeline sql",
    "end_to_end": "access browser e2e fab mwaa",
}
_OF_FOLDER = {folder: layer for layer, folders in LAYERS.items() for folder in folders.split()}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(layer) for layer in LAYERS):
            folder = item.path.relative_to(Path(__file__).parent).parts[0]
            item.add_marker(_OF_FOLDER[folder])


def pytest_unconfigure() -> None:
    gc.freeze()
