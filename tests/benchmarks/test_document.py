"""BENCHMARKS.md, its tables and its targets, against benchmarks/results.json."""

import json
from pathlib import Path

from benchmarks.__main__ import BEGIN, END, Benchmark, markdown

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_match_the_results() -> None:
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == markdown(results).strip()


def test_the_results_meet_the_targets() -> None:
    # given the medians of the published run
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))

    def cpu(hubs: int, name: str) -> float:
        values = sorted(one["cpu"] for one in results["data plane"][str(hubs)][name])
        return float(values[len(values) // 2])

    # expect the ratios of BENCHMARKS.md
    assert cpu(1000, "another day") <= 1.8 * cpu(1000, "duckdb")
    assert cpu(100, "copied") >= 8 * cpu(100, "another day")
    assert cpu(5000, "another day") / 5000 <= cpu(100, "another day") / 100


def test_a_new_run_of_a_part_replaces_only_its_own_tables(tmp_path: Path) -> None:
    # given an earlier run of two parts
    earlier = tmp_path / "results.json"
    tables = {"data-plane": {"Steps at 10 hubs": "earlier"}, "page": {"Page": "earlier"}}
    earlier.write_text(json.dumps({"date": "2019-12-21", "days": {}, "tables": tables}))
    benchmark = Benchmark(tmp_path, [20], 1)

    benchmark.load(earlier)
    benchmark.tables["data-plane"] = {"Steps at 20 hubs": "new"}
    benchmark.write(tmp_path / "out")

    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["tables"] == {"data-plane": {"Steps at 20 hubs": "new"}, "page": {"Page": "earlier"}}
    assert written["days"] == {}
    assert written["date"] != "2019-12-21"
