"""Writes the documents that are made from the code, DAGS.md and docs/data-dictionary.md: ``make docs``."""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.templates import load
from smart_hub.shared import layout

ROOT = Path(__file__).resolve().parent.parent
_MARK = "<!-- Written by `make docs` from {}: what is changed here is lost. -->\n\n"
_INTRODUCTION = """# Data dictionary

All tables and views of the database `smart_hub` (the stack's name, with underscores). The catalog has the same comments
(`DESCRIBE usage_cost`). Places are in the data bucket; `version` names what one attempt of a task wrote, and the
catalog points at the one that counts. How the figures come about is told in [insights.md](insights.md) and
[data-quality.md](data-quality.md).

"""
# Where one partition of a table lies in the data bucket; one of a raw table lies below it, by the name of its key.
_PLACES = {
    **{name: layout.day_prefix(name, "…", "…") for name in layout.PUBLISHED_TABLES},
    **{name: layout.reference_prefix(data_set, "…", "…") for data_set, name in layout.REFERENCE_TABLES.items()},
    layout.QUALITY_TABLE: layout.day_prefix(layout.QUALITY_TABLE, "…"),
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = ([cell.replace("|", r"\|") for cell in row] for row in (head, *rows))
    first, *others = (f"| {' | '.join(row)} |\n" for row in cells)
    return f"{first}{'|---' * len(head)}|\n{''.join(others)}"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _links(names: Iterable[str]) -> str:
    return ", ".join(f"[{name}](#{name})" for name in names)


def _dags(folder: Path) -> str:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=folder)
    if bag.import_errors:
        raise RuntimeError("; ".join(f"{file}: {error}" for file, error in bag.import_errors.items()))
    dags = sorted(bag.dags.values(), key=lambda dag: (dag.schedule is None, dag.dag_id))
    index = _table(["DAG", "what it does"], ([_links([dag.dag_id]), dag.description or ""] for dag in dags))
    return "".join([_MARK.format("dags/"), "# DAGs\n\n", index, *map(_dag, dags)])


def _dag(dag: Any) -> str:
    when, rows, arrows = dag.schedule, [], []
    for task in dag.tasks:
        before = sorted(task.upstream_task_ids)
        arrows += [f"    {_node(one)} --> {_node(task.task_id)}\n" for one in before]
        rule = "" if task.trigger_rule == "all_success" else f" ({task.trigger_rule.value})"
        kind = f"{task.task_type}, mapped" if task.is_mapped else task.task_type
        limits = [str(task.retries), str(task.execution_timeout)]
        rows.append([_code([task.task_id]), kind, (_code(before) or "nothing") + rule, *limits, task.doc_md])
    schedule = when and f"`{when.expression}` in {when.timezone}, run_offset {when.run_offset}"
    return (
        f"\n## {dag.dag_id}\n\n{dag.doc_md.strip()}\n\n#### Runs and tasks\n\n"
        f"- Schedule: {schedule or 'none'}. Runs at once: {dag.max_active_runs}.\n"
        + "".join(f"- Parameter `{name}`: {dag.params.get_param(name).description}\n" for name in dag.params)
        + f"\n```mermaid\ngraph LR\n{''.join(_nodes(dag.task_group))}{''.join(arrows)}```\n\n"
        + _table(["task", "operator", "waits for", "retries", "time limit", "what it does"], rows)
    )


def _node(task_id: str) -> str:
    return task_id.replace(".", "__")


def _nodes(group: Any) -> Iterator[str]:
    for child in group.children.values():
        if hasattr(child, "children"):
            yield f"    subgraph {child.group_id}\n{''.join(_nodes(child))}    end\n"
        else:
            yield f"    {_node(child.task_id)}[{child.label}]\n"


def _dictionary(include: Path) -> str:
    template = load((include / "infrastructure" / "smart_hub.yaml").read_text(encoding="utf-8"))["Resources"].values()
    entries = [one["Properties"]["TableInput"] for one in template if one["Type"] == "AWS::Glue::Table"]
    tables = {one["Name"]: one for one in entries if one["TableType"] == "EXTERNAL_TABLE"}
    views = {one["Name"]: one for one in entries if one["TableType"] == "VIRTUAL_VIEW"}
    mark = _MARK.format("include/infrastructure/smart_hub.yaml, include/sql/publish, smart_hub/shared/layout.py")
    index = f"Tables: {_links(tables)}; views: {_links(views)}.\n"
    shown = (_shown(view, include / "sql" / "publish" / f"{name}.sql", tables) for name, view in views.items())
    return "".join([mark, _INTRODUCTION, index, *map(_described, tables.values()), *shown])


def _columns(columns: Iterable[Mapping[str, str]]) -> str:
    rows = ([_code([one["Name"]]), _code([one["Type"]]), one["Comment"]] for one in columns)
    return _table(["column", "type", "what it is"], rows)


def _described(table: Mapping[str, Any]) -> str:
    keys, storage = table.get("PartitionKeys", []), table["StorageDescriptor"]
    below = storage["Location"]["Fn::Sub"].removeprefix("s3://${DataBucket}/")
    place = _PLACES.get(table["Name"], below + "".join(f"{key['Name']}=…/" for key in keys))
    parted = f"partitioned by {_code(key['Name'] for key in keys)}" if keys else "not partitioned"
    columns = _columns([*storage["Columns"], *keys])
    return f"\n## {table['Name']}\n\n{table['Description']}\n\nIn `{place}`, {parted}.\n\n{columns}"


def _shown(view: Mapping[str, Any], file: Path, tables: Mapping[str, Any]) -> str:
    """A view; each of its columns is described as the one of the same name in the table that it reads."""
    text = file.read_text(encoding="utf-8")
    header = " ".join(re.findall(r"^-- (.*)", text, re.MULTILINE))
    (source,) = re.findall(r"^FROM (\w+)", text, re.MULTILINE)
    read = [*tables[source]["StorageDescriptor"]["Columns"], *tables[source]["PartitionKeys"]]
    comments = {one["Name"]: one["Comment"] for one in read}
    shown = view["StorageDescriptor"]["Columns"]
    columns = [{"Comment": comments.get(one["Name"], "see above"), **one} for one in shown]
    made = f"A view of [{source}](#{source}), made by `include/sql/publish/{file.name}`."
    return f"\n## {view['Name']}\n\n{header}\n\n{made}\n\n{_columns(columns)}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a document is stale, and name it")
    check: bool = parser.parse_args(arguments).check
    # The documents are the same whatever the caller has set.
    for name in [name for name in os.environ if name.startswith(("SMART_HUB_", "AIRFLOW_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        made = {"DAGS.md": _dags(ROOT / "dags"), "docs/data-dictionary.md": _dictionary(ROOT / "include")}
    stale = {ROOT / name: text for name, text in made.items() if not _is_at(ROOT / name, text)}
    for file, text in stale.items():
        if not check:
            file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)} is {'stale: make docs' if check else 'written'}")
    return int(check and bool(stale))


def _is_at(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
