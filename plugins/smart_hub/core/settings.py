"""What a deployment sets: environment variables ``SMART_HUB_…``, read once, while a DAG is parsed.

Each setting is declared once, as a field of ``Settings``; docs/settings.md has the same as a table.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from smart_hub.shared.layout import DEFAULT_STACK, MAX_FILES_PER_DAY, database_name

PREFIX = "SMART_HUB_"
# As in bootstrap.yaml: the longest name of a bucket has to fit into 63 characters.
STACK_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,23}[a-z0-9]")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET_PATTERN = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_TOPIC_PATTERN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_QUICKSIGHT_DATA_SETS = ("usage_cost", "daily_device_cost", "hourly_load", "peak_shift", "locations", "rates")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# What the DAGs' tasks read in the include folder.
_INCLUDED = ("sql/insights", "sql/publish", "sql/quality")
# Of the commands on a laptop, not of a deployment; see ops/settings.py.
_LAPTOP = "SMART_HUB_LOCAL"
# Kubernetes gives each pod such variables of every service beside it, so of one that is called smart-hub-something:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES_PATTERN = re.compile(r"SMART_HUB_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)")


class SettingsError(ValueError):
    """Settings that are missing or wrong; the message names every one of them."""


@dataclass(frozen=True)
class Kind:
    """What a value has to be, in words, and how its text is read: None is what no text of this kind gives."""

    expected: str
    read: Callable[[str], Any]


def _text(expected: str, pattern: re.Pattern[str]) -> Kind:
    return Kind(expected, lambda text: text if pattern.fullmatch(text) else None)


def _number(most: int) -> Kind:
    def read(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= most else None

    return Kind(f"a number from 1 to {most}", read)


def _decimal(most: int) -> Kind:
    """Kept as text, for it goes into SQL as it is."""

    def read(text: str) -> str | None:
        return text if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) and float(text) <= most else None

    return Kind(f"a decimal number from 0 to {most}", read)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # below a folder that may not be entered
        return False


def _read_source(text: str) -> str | None:
    bucket = text.removeprefix("s3://").partition("/")[0]
    fits = _BUCKET_PATTERN.fullmatch(bucket) if text.startswith("s3://") else _is_folder(Path(text))
    return text.rstrip("/") if fits else None


def _read_include(text: str) -> Path | None:
    return Path(text) if all(_is_folder(Path(text, name)) for name in _INCLUDED) else None


_STACK = _text("2 to 25 lower-case letters, digits and hyphens, beginning with a letter", STACK_PATTERN)
_BUCKET = _text("the name of a bucket alone", _BUCKET_PATTERN)
_SOURCE = Kind("a folder that exists, or s3://bucket/prefix", _read_source)
_CONNECTION = _text("the id of a connection", re.compile(r"[\w#!()\-.:/\\]{1,250}"))  # as Airflow has it
_TOPIC = _text("the ARN of an SNS topic", _TOPIC_PATTERN)
_SWITCH = Kind("true or false", lambda text: _TRUTH.get(text.lower()))
_INCLUDE = Kind(f"a folder with {', '.join(_INCLUDED)}", _read_include)


@dataclass(frozen=True)
class Setting:
    """One setting: the text of its default (None: it has to be set; empty: there is none), and who goes by it."""

    default: str | None
    kind: Kind
    meaning: str
    readers: tuple[str, ...]


def _setting(default: str | None, kind: Kind, meaning: str, *readers: str) -> Any:
    return field(metadata={"setting": Setting(default, kind, meaning, readers)})


@dataclass(frozen=True)
class Settings:
    """Settings of one deployment; every AWS name derives from ``stack``.

    The variable of a field is ``SMART_HUB_`` and its name in capitals.

    ``problems`` says what is wrong, each beginning with the variable's name. It is reported when a run starts
    (``check``), for a DAG that fails to parse vanishes from the UI.
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
        "Airflow's connection to AWS; where there is no aws_default, boto3's own credentials are used",
        "all tasks",
        "page",
    )
    source: str = _setting("<include>/data", _SOURCE, "where the raw data come from", "step 1")
    mirror: bool = _setting("false", _SWITCH, "true deletes raw objects that the source no longer has", "step 1")
    skip_empty_days: bool = _setting(
        "false", _SWITCH, "true skips a day for which the source has no usage, instead of failing", "step 1"
    )
    files_per_day: int = _setting(
        "1", _number(MAX_FILES_PER_DAY), "Parquet files that a published day has", "step 6", "audit"
    )
    retention_hours: int = _setting(
        "24", _number(24 * 366), "age in hours from which superseded versions are deleted", "step 7"
    )
    max_reject_ratio: str = _setting(
        "0.5", _decimal(1), "largest share of hubs for which over half of the values can be rejected", "audit"
    )
    watts_margin: str = _setting("1.25", _decimal(100), "how many times its watts a device may seem to draw", "audit")
    min_coverage: str = _setting(
        "0.9",
        _decimal(1),
        "share of a day's intervals below which a hub's savings and always-on use are not shown",
        "insights",
    )
    sns_topic_arn: str = _setting(
        "",
        _TOPIC,
        "topic that is told of failed tasks and late runs",
        "all DAGs, when a task fails; smart_hub_usage, when a run is late",
    )
    quicksight: bool = _setting(
        "false", _SWITCH, "true refreshes the data sets of the dashboard after a publish", "refresh_quicksight"
    )
    include: Path = _setting(  # noqa: RUF009 - it gives a field
        "<dags>/include, else <dags>/../include", _INCLUDE, "the package's include folder", "all tasks"
    )
    problems: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, dags: Path, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Settings of a deployment whose DAGs lie in the folder ``dags``. An empty variable is one that is not set.

        A value that is wrong stands as it is where it is a text, so that nothing works on another deployment's
        resources by mistake; else the default stands for it.
        """
        include = environ.get("SMART_HUB_INCLUDE") or str(_include_folder(dags))
        places = {"SMART_HUB_INCLUDE": include, "SMART_HUB_SOURCE": f"{include}/data"}
        values: dict[str, Any] = {}
        problems = []
        for own in fields(cls):
            if "setting" not in own.metadata:
                continue
            name, setting = variable(own.name), own.metadata["setting"]
            default = places.get(name, setting.default)
            text = environ.get(name) or default
            if text is None:
                problems.append(f"{name}: not set; it is {setting.meaning}")
            value = setting.kind.read(text) if text else ""
            if value is None:
                unset = "" if environ.get(name) else ", its default"
                problems.append(f"{name}: expected {setting.kind.expected}, got {text!r}{unset}")
                value = own.type(text) if own.type in (str, Path) else setting.kind.read(default)
            values[own.name] = value
        return cls(**values, problems=(*problems, *_unknown(environ)))

    def check(self) -> None:
        """Raises SettingsError naming every setting that is missing, wrong or unknown."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))

    @property
    def page_problems(self) -> list[str]:
        """The problems that concern the page: a web server may have neither include folder nor source."""
        needed = [name for name, setting in SETTINGS.items() if "page" in setting.readers]
        return [problem for problem in self.problems if any(name in problem for name in needed)]

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
        """Ids of the data sets of the dashboard, as include/quicksight has them; none where there is no dashboard."""
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


def _unknown(environ: Mapping[str, str]) -> list[str]:
    """A problem for each variable that looks like a setting and is none, as a mistyped one does."""
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in {*SETTINGS, _LAPTOP})
    return [
        f"{name}: there is no such setting; the closest is {difflib.get_close_matches(name, SETTINGS, 1, cutoff=0)[0]}"
        for name in unknown
        if not _KUBERNETES_PATTERN.fullmatch(name)
    ]


def _include_folder(dags: Path) -> Path:
    # MWAA syncs dags/ only, Astro and a checkout have include/ beside it.
    return next(
        (folder for folder in (dags / "include", dags.parent / "include") if _is_folder(folder)),
        dags / "include",
    )
