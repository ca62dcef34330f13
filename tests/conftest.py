"""The layers of the tests: each folder's, unless a file says otherwise of itself by ``pytestmark``. See README.md."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

# Airflow's and botocore's modules are a million objects that stay: to look through them for garbage as often as Python
# does by itself, and at the end, takes a third of the unit tests' time.
gc.set_threshold(100_000, 50, 100)

LAYERS = {
    "unit": "compose dags docs generator glue infrastructure lambdas ops plugins properties quicksight requirements",
    "service": "benchmarks clients conformance localaws sql",
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
