"""Airflow in a folder of its own, before anything imports it."""

import os
import tempfile

_HOME = tempfile.TemporaryDirectory(prefix="smart-hub-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
