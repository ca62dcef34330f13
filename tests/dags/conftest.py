"""Airflow in a folder of its own, before anything imports it."""

import os
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

_HOME = tempfile.TemporaryDirectory(prefix="smart-hub-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(REPOSITORY / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(REPOSITORY / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
