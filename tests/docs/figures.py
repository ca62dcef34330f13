"""Figures in the sentences of the pages beside what they are of, and what both tables of them take from the code."""

import re
from typing import Any

from airflow.dag_processing.dagbag import DagBag

from ops.templates import load
from tests.docs.pages import PAGES, ROOT

# Page -> what it says there, and for each group of that what it is: an int is that number, a float is rounded as there.
Figures = dict[str, list[tuple[str, list[int | float]]]]

SQL = ROOT / "include" / "sql"
MAIN, QUICKSIGHT = (
    load((ROOT / "include" / name).read_text("utf-8"))
    for name in ("infrastructure/smart_hub.yaml", "quicksight/quicksight.yaml")
)
DAG: Any = DagBag(dag_folder=ROOT / "dags" / "smart_hub_usage.py").dags["smart_hub_usage"]
SECONDS = {
    name: task.execution_timeout.total_seconds() for name, task in DAG.task_dict.items() if task.execution_timeout
}
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


# What a function has for its queries; the rest is for ending well.
(_TIMEOUT,) = {one["Timeout"] for one in of_type(MAIN, "AWS::Lambda::Function")}
_RESERVE = re.search(
    r"^RESERVE_SECONDS = ([\d.]+)", (ROOT / "include/lambdas/event.py").read_text("utf-8"), re.MULTILINE
)
assert _RESERVE
FUNCTION_SECONDS = _TIMEOUT - int(float(_RESERVE[1]))
CUTOFF = MAIN["Parameters"]["BytesScannedCutoff"]["Default"]


def differing(page: str, pattern: str, values: list[int | float]) -> list[tuple[str, int | float]]:
    """The figures that a page tells and what they are in truth, where that differs."""
    found = re.search(pattern, " ".join(PAGES[page].split()))
    assert found, f"{page} does not say: {pattern}"
    return [(told, value) for told, value in zip(found.groups(), values, strict=True) if not _agrees(told, value)]


def rows(figures: Figures) -> list[tuple[str, str, list[int | float]]]:
    return [(page, *figure) for page, of_page in figures.items() for figure in of_page]


def _number(text: str) -> float:
    text = text.lower().replace("twelf", "twelve")
    return float(WORDS.index(text)) if text in WORDS else float(text.replace(",", ""))


def _agrees(text: str, value: int | float) -> bool:
    """For a float as far as the text goes: to its last decimal, or to its last digit that is no 0."""
    if isinstance(value, int):
        return _number(text) == value
    digits = text.replace(",", "")
    unit = 10.0 ** -len(digits.partition(".")[2])
    if "." not in digits and len(digits) > 2:
        unit = 10.0 ** (len(digits) - len(digits.rstrip("0")))
    return abs(_number(text) - value) <= unit / 2 * (1 + 1e-9)
