"""The settings of a deployment: environment variables ``SMART_HUB_…``, read when a DAG is parsed.

Each setting is declared once, as a field of ``Settings``; docs/settings.md has the same as a table.
"""

import difflib
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from smart_hub.shared.layout import DEFAULT_STACK, MAX_FILES_PER_DAY, database_name

PREFIX = "SMART_HUB_"
# Names of version 1.0, which work until version 3.0.
RENAMED = {
    "SMART_HUB_KEEP_HOURS": "SMART_HUB_RETENTION_HOURS",
    "SMART_HUB_LEAST_COVERAGE": "SMART_HUB_MIN_COVERAGE",
    "SMART_HUB_MOST_REJECTED": "SMART_HUB_MAX_REJECT_RATIO",
}
# Renamed settings whose meaning has changed.
NEW_MEANINGS = {
    "SMART_HUB_MOST_REJECTED": ", which limits the share of hubs with mostly rejected values, not the share of rejected"
    " lines (docs/upgrade.md)"
}
# As in bootstrap.yaml: the longest name of a bucket has to fit into 63 characters.
STACK_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,23}[a-z0-9]")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET_PATTERN = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_TOPIC_PATTERN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_QUICKSIGHT_DATA_SETS = ("usage_cost", "daily_device_cost", "hourly_load", "peak_shift", "locations", "rates")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# The DAGs' tasks read these folders of the include folder.
_INCLUDED = ("sql/insights", "sql/publish", "sql/quality")
# A setting of the commands on a laptop, not of a deployment; see ops/settings.py.
_LAPTOP = "SMART_HUB_LOCAL"
# Kubernetes sets these in each pod for every service, for example for a service called smart-hub-api:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES_PATTERN = re.compile(r"SMART_HUB_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")


class Problem(NamedTuple):
    """Why a run cannot start. setting: the variable at fault; similar: the setting that is meant if there is none."""

    setting: str
    message: str
    similar: str = ""

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}"


@dataclass(frozen=True)
class Kind:
    """A kind of value. expected: describes it; parse: returns None for invalid text."""

    expected: str
    parse: Callable[[str], Any]


def _text(expected: str, pattern: re.Pattern[str]) -> Kind:
    return Kind(expected, lambda text: text if pattern.fullmatch(text) else None)


def _number(maximum: int) -> Kind:
    def parse(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= maximum else None

    return Kind(f"a number from 1 to {maximum}", parse)


def _decimal(maximum: int) -> Kind:
    """The value remains text because statements contain it as it is."""

    def parse(text: str) -> str | None:
        return text if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and float(text) <= maximum else None

    return Kind(f"a decimal number from 0 to {maximum}", parse)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a folder above it cannot be entered
        return False


def _parse_source(text: str) -> str | None:
    bucket = text.removeprefix("s3://").partition("/")[0]
    valid = _BUCKET_PATTERN.fullmatch(bucket) if text.startswith("s3://") else _is_folder(Path(text))
    return text.rstrip("/") if valid else None


def _parse_include(text: str) -> Path | None:
    return Path(text) if all(_is_folder(Path(text, name)) for name in _INCLUDED) else None


_STACK = _text("2 to 25 lower-case letters, digits and hyphens, beginning with a letter", STACK_PATTERN)
_BUCKET = _text("the name of a bucket alone", _BUCKET_PATTERN)
_SOURCE = Kind("a folder that exists, or s3://bucket/prefix", _parse_source)
_CONNECTION = _text("the id of a connection", re.compile(r"[\w#!()\-.:/\\]{1,250}"))  # as in Airflow
_TOPIC = _text("the ARN of an SNS topic", _TOPIC_PATTERN)
_SWITCH = Kind("true or false", lambda text: _TRUTH.get(text.lower()))
_INCLUDE = Kind(f"a folder with {', '.join(_INCLUDED)}", _parse_include)


@dataclass(frozen=True)
class Setting:
    """One setting. default: as text; None if the variable has to be set, "" if there is none."""

    default: str | None
    kind: Kind
    description: str
    used_by: tuple[str, ...]


def _setting(default: str | None, kind: Kind, description: str, *used_by: str) -> Any:
    return field(metadata={"setting": Setting(default, kind, description, used_by)})


@dataclass(frozen=True)
class Settings:
    """Settings of one deployment; every AWS name derives from ``stack``.

    The variable of a field is ``SMART_HUB_`` and its name in capitals.

    A DAG that fails to parse vanishes from the UI. Therefore reading does not fail: the first task of each run fails
    if there are ``problems``, and logs the ``deprecations``.
    """

    stack: str = _setting(
        DEFAULT_STACK,
        _STACK,
        "name of the CloudFormation stack, from which all other names derive",
        "all tasks",
        "page",
    )
    data_bucket: str = _setting(
        None, _BUCKET, "the data bucket, which is the stack's output DataBucket", "all tasks", "page"
    )
    aws_conn_id: str = _setting(
        "aws_default",
        _CONNECTION,
        "Airflow's connection to AWS; if there is no aws_default, boto3's own credentials are used",
        "all tasks",
        "page",
    )
    source: str = _setting("<include>/data", _SOURCE, "folder or prefix of the raw data", "step 1")
    mirror: bool = _setting("false", _SWITCH, "true deletes raw objects that the source no longer has", "step 1")
    skip_empty_days: bool = _setting(
        "false", _SWITCH, "true skips a day for which the source has no usage, instead of failing", "step 1"
    )
    files_per_day: int = _setting(
        "1", _number(MAX_FILES_PER_DAY), "number of Parquet files of a published day", "step 6", "audit"
    )
    retention_hours: int = _setting(
        "24", _number(24 * 366), "age in hours from which superseded versions are deleted", "step 7"
    )
    max_reject_ratio: str = _setting(
        "0.5", _decimal(1), "largest share of hubs for which over half of the values can be rejected", "audit"
    )
    watts_margin: str = _setting(
        "1.25", _decimal(100), "factor by which a device can appear to exceed its watts", "audit"
    )
    min_coverage: str = _setting(
        "0.9",
        _decimal(1),
        "share of a day's intervals below which a hub's savings and always-on use are not shown",
        "insights",
    )
    sns_topic_arn: str = _setting(
        "",
        _TOPIC,
        "topic to which failed tasks and late runs are reported",
        "all DAGs, when a task fails; smart_hub_usage, when a run is late",
    )
    quicksight: bool = _setting(
        "false", _SWITCH, "true refreshes the data sets of the dashboard after a publish", "refresh_quicksight"
    )
    include: Path = _setting(  # noqa: RUF009 - it returns a field
        "<dags>/include, else <dags>/../include", _INCLUDE, "the package's include folder", "all tasks"
    )
    problems: tuple[Problem, ...] = ()
    deprecations: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, dags: Path, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Settings of a deployment whose DAGs are in the folder ``dags``. An empty variable counts as unset.

        If a value is invalid, text is used as it is, so that nothing works on another deployment's resources by
        mistake; a setting of another type gets its default.
        """
        given = {name: (text, "") for name in SETTINGS if (text := environ.get(name))}
        conflicts, deprecations = [], []
        for old, new in RENAMED.items():
            if text := environ.get(old):
                meaning = NEW_MEANINGS.get(old, "")
                deprecations.append(f"{old} is now called {new}{meaning}; version 3.0 will not accept the old name")
                if given.setdefault(new, (text, f" from {old}"))[0] != text:
                    conflicts.append(Problem(old, f"is the old name of {new}, which has another value: remove it", new))
        for message in deprecations:
            warnings.warn(message, FutureWarning, stacklevel=2)
        include = given["SMART_HUB_INCLUDE"][0] if "SMART_HUB_INCLUDE" in given else str(_include_folder(dags))
        defaults = {"SMART_HUB_INCLUDE": include, "SMART_HUB_SOURCE": f"{include}/data"}
        values: dict[str, Any] = {}
        problems = []
        for own in fields(cls):
            if "setting" not in own.metadata:
                continue
            name, setting = variable(own.name), own.metadata["setting"]
            default = defaults.get(name, setting.default)
            text, origin = given.get(name, (default, ", its default"))
            if text is None:
                problems.append(Problem(name, f"not set; it is {setting.description}"))
            value = setting.kind.parse(text) if text else ""
            if value is None:
                problems.append(Problem(name, f"expected {setting.kind.expected}, got {text!r}{origin}"))
                value = own.type(text) if own.type in (str, Path) else setting.kind.parse(default)
            values[own.name] = value
        problems += [*_unknown(environ), *conflicts]
        return cls(**values, problems=tuple(problems), deprecations=tuple(deprecations))

    @property
    def page_problems(self) -> list[Problem]:
        """The problems that concern the page: a web server can lack the include folder and the source."""
        used = {name for name, setting in SETTINGS.items() if "page" in setting.used_by}
        return [problem for problem in self.problems if used & {problem.setting, problem.similar}]

    @property
    def database(self) -> str:
        """Name of the Glue database."""
        return database_name(self.stack)

    @property
    def workgroup(self) -> str:
        return self.stack

    def resource(self, name: str) -> str:
        """Full name of a crawler (usage, …), function (convert, …), job (rates) or data set (usage_cost, …)."""
        return f"{self.stack}-{name}"

    @property
    def quicksight_data_sets(self) -> list[str]:
        """Ids of the dashboard's data sets, as in include/quicksight; empty without a dashboard."""
        return [self.resource(name) for name in _QUICKSIGHT_DATA_SETS] if self.quicksight else []

    @property
    def sql(self) -> Path:
        return self.include / "sql"

    def location(self, prefix: str) -> str:
        """URL of a key prefix of the data bucket."""
        return f"s3://{self.data_bucket}/{prefix}"


def variable(name: str) -> str:
    """The environment variable of a field of ``Settings``."""
    return f"{PREFIX}{name.upper()}"


# Every setting by its variable.
SETTINGS: dict[str, Setting] = {
    variable(own.name): own.metadata["setting"] for own in fields(Settings) if "setting" in own.metadata
}


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    """A problem for each variable with the prefix that is not a setting, for example because it is misspelled."""
    known = {*SETTINGS, *RENAMED, _LAPTOP}
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not _KUBERNETES_PATTERN.fullmatch(name):
            (closest,) = difflib.get_close_matches(name, SETTINGS, 1, cutoff=0)
            problems.append(Problem(name, f"there is no such setting; the closest is {closest}", closest))
    return problems


def _include_folder(dags: Path) -> Path:
    # MWAA syncs dags/ only, Astro and a checkout have include/ beside it.
    return next(
        (folder for folder in (dags / "include", dags.parent / "include") if _is_folder(folder)),
        dags / "include",
    )
