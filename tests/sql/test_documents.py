"""The statements of the pages run, and the pages list the rules, reasons and columns of the SQL."""

import re

import pytest

from ops.settings import ROOT
from smart_hub.core.quality import read_checks, rules_of
from smart_hub.shared.layout import INSIGHT_TABLES, INSIGHT_VIEWS
from tests.docs.pages import PAGES, blocks
from tests.sql.conftest import RawDay

TEXT = (ROOT / "docs" / "data-quality.md").read_text(encoding="utf-8")
INSIGHTS = (ROOT / "docs" / "insights.md").read_text(encoding="utf-8")
STATEMENTS = [statement for page in PAGES.values() for statement in blocks(page, "sql")]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_of_the_page_runs(day: RawDay, statement: str) -> None:
    day.athena.run(statement)


def test_the_page_has_all_rules_with_their_severity() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (fatal|warning) \|", TEXT, re.MULTILINE)
    documented = {name: severity for names, severity in rows for name in re.findall(r"`(\w+)`", names)}

    assert documented == {name: rule.severity for name, rule in rules_of(read_checks(ROOT / "include" / "sql")).items()}


def test_the_page_has_all_reasons() -> None:
    folder = ROOT / "include" / "sql"
    texts = [
        (folder / f"{name}.sql").read_text()
        for name in ("convert/readings", "transform/usage_cost", "transform/damaged_file")
    ]
    texts.append((folder / "transform" / "usage_rejects.sql").read_text())
    reasons = {reason for text in texts for reason in re.findall(r"THEN '(\w+)'", text)}

    assert len(reasons) > 8
    assert {reason for reason in reasons if f"`{reason}`" not in TEXT} == set()


@pytest.mark.parametrize("table", [*INSIGHT_TABLES, *INSIGHT_VIEWS])
def test_the_page_queries_each_insight_and_describes_each_column_of_a_view(day: RawDay, table: str) -> None:
    # the columns of a table are in the data dictionary
    columns = [name for name, _ in day.columns(table)] if table in INSIGHT_VIEWS else []
    section = INSIGHTS.partition("\n## Always on\n" if table == "always_on" else f"\n## {table}\n")[2]
    section = section.partition("\n## ")[0]

    assert [name for name in columns if f"`{name}`" not in section] == []
    assert f"FROM {table}\n" in section


def test_the_page_has_all_shiftable_devices() -> None:
    statement = (ROOT / "include" / "sql" / "insights" / "daily_device_cost.sql").read_text(encoding="utf-8")
    listed = re.findall(r"^        '(.+?)'", statement, re.MULTILINE)
    documented = re.findall(
        r"^\| ([A-Z][A-Za-z, ]+) \| ", INSIGHTS.partition("| shiftable |")[2].partition("\n\n")[0], re.MULTILINE
    )

    assert len(listed) > 5
    assert sorted(", ".join(documented).split(", ")) == sorted(listed)
