"""Where things lie in the data bucket, and what they are called.

Standard library only: the Lambda functions carry this module too.
"""

import hashlib
import re
from datetime import date, timedelta

RUN_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")
VERSION_PATTERN = re.compile(r"v[0-9a-f]{16}")
CONTENT_PATTERN = re.compile(r"[0-9a-f]{64}")

# Verdict of a reading or value that is used; every other verdict is the reason why it is not.
USED = "used"

# What a hub measures, an appliance or circuit each.
SENSORS = tuple(f"s_{number:02}" for number in range(1, 11))
# Raw prefix of a reference data set -> table of its versions.
REFERENCE_TABLES = {
    "mappings": "mapping_versions",
    "locations": "location_versions",
    "rates": "rate_versions",
}
# What is computed from one day of usage_cost, in the order in which it can be made, and the views of it.
INSIGHT_TABLES = ("daily_device_cost", "hourly_load", "peak_shift", "hub_day_summary")
INSIGHT_VIEWS = ("always_on", "provider_load")
# Tables whose day the publish switches, in its order.
PUBLISHED_TABLES = ("usage_rejects", "usage", "usage_cost", *INSIGHT_TABLES)
# Of a day on which all is usable, or no hub is covered, there may be none.
MAY_BE_EMPTY = {"usage_rejects", "peak_shift"}
# The DAG that makes a run a day.
DAILY_DAG = "smart_hub_usage"
# DAGs whose runs write to the stack.
WRITING_DAGS = (DAILY_DAG, "smart_hub_roll_back")
# What each audit found.
QUALITY_TABLE = "data_quality"


def run_name(day: str, run_id: str) -> str:
    """Name of a run in S3: its usage day and a hash of its run id, e.g. ``2019-12-21-0a1b2c3d4e5f``."""
    date.fromisoformat(day)
    return f"{day}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def version_name(run: str, task_instance_id: str) -> str:
    """Name of what one attempt of one task writes, ``v`` and 16 hex digits: another one every try and Clear.

    The first eight digits are the run's, so that what an attempt left behind can be told to belong to it.
    """
    return f"v{_eight_digits(run)}{_eight_digits(task_instance_id)}"


def is_version_of(run: str, version: str) -> bool:
    """Whether an attempt of a task of this run wrote the version."""
    return version[1:9] == _eight_digits(run)


def _eight_digits(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def raw_prefix(data_set: str) -> str:
    return f"raw/{data_set}/"


def day_prefix(table: str, day: str, version: str) -> str:
    """Key prefix of one version of one day of a table."""
    return f"warehouse/{table}/dt={day}/version={version}/"


def quality_prefix(day: str) -> str:
    """Key prefix of what the audits of a day found, an object each."""
    return f"warehouse/{QUALITY_TABLE}/dt={day}/"


def publications_prefix(day: str) -> str:
    """Key prefix of the notes on where a day was published, an object each."""
    return f"publications/dt={day}/"


def reference_prefix(data_set: str, content: str, version: str) -> str:
    """Key prefix of one conversion of one content of a reference data set."""
    return f"warehouse/{REFERENCE_TABLES[data_set]}/content={content}/version={version}/"


def staging_prefix(run: str, version: str = "") -> str:
    """Key prefix of a run's intermediate objects, or of one attempt's within it."""
    return f"staging/{run}/{version}/" if version else f"staging/{run}/"


def run_id_key(run: str) -> str:
    """Key of the object that holds the run's id, from which Airflow tells whether it has ended."""
    return f"{staging_prefix(run)}run_id"


def results_prefix(run: str) -> str:
    """Key prefix of the result files of a run's queries."""
    return f"athena-results/{run}/"


def staging_table(kind: str, version: str) -> str:
    """Name of an intermediate table of one attempt, e.g. ``staging_usage_v0123456789abcdef``."""
    return f"staging_{kind}_{version}"
