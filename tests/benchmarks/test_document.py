"""BENCHMARKS.md says what the run that it is of has found."""

import json
from pathlib import Path

from benchmarks.__main__ import BEGIN, END, markdown

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_are_those_of_the_results() -> None:
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == markdown(results).strip()


def test_the_promised_ratios_are_those_of_the_results() -> None:
    # given the medians of the run that is published
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))

    def cpu(hubs: int, name: str) -> float:
        values = sorted(one["cpu"] for one in results["data plane"][str(hubs)][name])
        return float(values[len(values) // 2])

    # expect what BENCHMARKS.md says of them
    assert cpu(1000, "another day") <= 2.0 * cpu(1000, "duckdb")
    assert cpu(100, "copied") >= 8 * cpu(100, "another day")
    assert cpu(5000, "another day") / 5000 <= cpu(100, "another day") / 100
