"""Names of tables, DAGs and versions, S3 prefixes, and limits that several modules share.

Standard library only, because the Lambda functions use this module too.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import date, timedelta

RUN_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")
VERSION_PATTERN = re.compile(r"v[0-9a-f]{16}")
CONTENT_HASH_PATTERN = re.compile(r"[0-9a-f]{64}")
# See staging_table; its group is the version.
STAGING_TABLE_PATTERN = re.compile(rf"staging_[a-z_]+_({VERSION_PATTERN.pattern})")
_VERSION_IN_LOCATION = re.compile(rf"/version=({VERSION_PATTERN.pattern})/")

DEFAULT_STACK = "smart-hub"
# Contract number of the tables and of the functions' events: raise it if an event's field or a table changes. DAGs and
# stack must have the same one; the stack's is a parameter of its Glue database.
CONTRACT, CONTRACT_PARAMETER = "2", "smart_hub_contract"
# Below these prefixes, each run has a folder of its name, which begins with its day.
STAGING_PREFIX = "staging/"
RESULTS_PREFIX = "athena-results/"
# Key prefix of damaged usage files. Below it, they have their names in the source.
DAMAGED_PREFIX = "raw/damaged/"
# Suffixes of compressed files that step 1 checks. Athena supports others, such as .bz2, which are copied unchecked.
COMPRESSED_SUFFIXES = (".gz", ".zst")

# The header of a file of locations. More columns can follow.
LOCATION_COLUMNS = (
    "lon", "lat", "number", "street", "unit", "city", "district", "region", "postcode", "id", "hash", "tz",
)  # fmt: skip

# Verdict of a reading or value that is used; every other verdict is the reason of a rejection.
USED = "used"

# Raw prefix of a reference data set -> table of its versions.
REFERENCE_TABLES = {
    "mappings": "mapping_versions",
    "locations": "location_versions",
    "rates": "rate_versions",
}
# Insight -> other insights that its statement reads, as ``${<insight>_table}``. All read one day of usage_cost.
INSIGHTS = {
    "daily_device_cost": (),
    "hourly_load": ("daily_device_cost",),
    "peak_shift": ("daily_device_cost",),
    "hub_day_summary": ("daily_device_cost", "peak_shift"),
}
INSIGHT_TABLES = tuple(INSIGHTS)
INSIGHT_VIEWS = ("always_on", "provider_load")
# Tables whose partitions the publish switches, in this order.
PUBLISHED_TABLES = ("usage_rejects", "readings", "usage_cost", *INSIGHT_TABLES)
# usage_rejects is empty on a day without rejects, peak_shift on a day without a hub with enough coverage.
TABLES_THAT_CAN_BE_EMPTY = {"usage_rejects", "peak_shift"}
# The first day of the partition projection of raw_usage_lines, in the template.
FIRST_DAY = "2000-01-01"
# The DAG with one run for each day.
DAILY_DAG = "smart_hub_usage"
# For the errors of functions and operators about missing intermediate data.
STALE_RUN_REMEDY = (
    "a run deletes its intermediate data when it finishes; clear the run from step_3_convert, with its downstream tasks"
)
# DAGs whose runs write to the stack.
WRITING_DAGS = (DAILY_DAG, "smart_hub_roll_back")
# The table of the audits' results.
QUALITY_TABLE = "data_quality"
# Maximum number of files of a published day: Athena's limit of buckets in a CREATE TABLE AS.
MAX_FILES_PER_DAY = 100


def database_name(stack: str) -> str:
    """Name of a stack's Glue database, which takes no hyphens."""
    return stack.replace("-", "_")


def run_name(day: str, run_id: str) -> str:
    """Name of a run in S3: its usage day and a hash of its run id, e.g. ``2019-12-21-0a1b2c3d4e5f``."""
    date.fromisoformat(day)
    return f"{day}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def version_name(run: str, task_instance_id: str) -> str:
    """Name of the version that one attempt of one task writes, ``v`` and 16 hex digits; each try and Clear has its own.

    The first eight digits are the run's, so that the leftovers of an attempt can be attributed to their run.
    """
    return f"v{_short_hash(run)}{_short_hash(task_instance_id)}"


def second_version(version: str) -> str:
    """Name of a second version of an attempt, for readings that step 3 has to convert again."""
    return f"{version[:9]}{_short_hash(version)}"  # of the same run


def is_version_of(run: str, version: str) -> bool:
    """Whether an attempt of a task of this run wrote the version."""
    return version[1:9] == _short_hash(run)


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def version_in_location(location: str | None) -> str | None:
    """The version in a location of the warehouse, or None."""
    match = _VERSION_IN_LOCATION.search(location or "")
    return match.group(1) if match else None


def is_compressed(name: str) -> bool:
    """Whether the name of a raw file ends in .gz or .zst, in any case."""
    return name.lower().endswith(COMPRESSED_SUFFIXES)


def raw_key(name: str) -> str:
    """Key of a raw file, by its name in a source: ``usage/dt=2019-12-21/portland.json``.

    The suffix of a compressed file is lower-cased, because Athena would read ``portland.json.GZ`` as plain text.
    """
    stem, dot, suffix = name.rpartition(".")
    return f"raw/{stem}{dot}{suffix.lower()}" if is_compressed(name) else f"raw/{name}"


def damaged_key(name: str) -> str:
    """Key of a damaged raw file, by its name in a source. No table contains this key."""
    return f"{DAMAGED_PREFIX}{name}"


def raw_prefix(data_set: str) -> str:
    return raw_key(f"{data_set}/")


def table_prefix(table: str) -> str:
    return f"warehouse/{table}/"


def day_prefix(table: str, day: str, version: str = "") -> str:
    """Key prefix of one day of a table, or of one version of it."""
    return f"{table_prefix(table)}dt={day}/" + (f"version={version}/" if version else "")


def publications_prefix(day: str) -> str:
    """Key prefix of a day's publications, one object each."""
    return f"publications/dt={day}/"


def content_hash_values(content_hashes: Mapping[str, str]) -> dict[str, str]:
    """Values of the placeholders ``${<data set>_content_hash}`` of statements, by the hashes of data sets."""
    return {f"{data_set}_content_hash": content_hash for data_set, content_hash in content_hashes.items()}


def reference_prefix(data_set: str, content_hash: str, version: str) -> str:
    """Key prefix of one conversion of a reference data set with this content hash."""
    return f"{table_prefix(REFERENCE_TABLES[data_set])}content={content_hash}/version={version}/"


def staging_prefix(run: str, version: str = "") -> str:
    """Key prefix of a run's intermediate objects, or of one attempt's within it."""
    return f"{STAGING_PREFIX}{run}/{version}/" if version else f"{STAGING_PREFIX}{run}/"


def run_id_key(run: str) -> str:
    """Key of the object with the run's id, with which clean up asks Airflow whether the run has ended."""
    return f"{staging_prefix(run)}run_id"


def results_prefix(run: str) -> str:
    """Key prefix of the result files of a run's queries."""
    return f"{RESULTS_PREFIX}{run}/"


def staging_table(kind: str, version: str) -> str:
    """Name of an intermediate table of one attempt, e.g. ``staging_readings_v0123456789abcdef``."""
    return f"staging_{kind}_{version}"
