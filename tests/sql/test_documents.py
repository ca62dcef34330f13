"""docs/data-quality.md: its statements run, its rules and reasons are those of the SQL."""

import re

import pytest
from local_server import ROOT

from smart_hub.quality import read_rules
from tests.sql.conftest import Day

TEXT = (ROOT / "docs" / "data-quality.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("statement", re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL))
def test_a_statement_of_the_page_runs(day: Day, statement: str) -> None:
    day.athena.run(statement)


def test_the_page_has_all_rules_with_their_severity() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (fatal|warning) \|", TEXT, re.MULTILINE)
    told = {name: severity for names, severity in rows for name in re.findall(r"`(\w+)`", names)}

    assert told == {rule.name: rule.severity for rule in read_rules(ROOT / "include" / "sql")}


def test_the_page_has_all_reasons() -> None:
    folder = ROOT / "include" / "sql"
    texts = [(folder / f"{name}.sql").read_text() for name in ("convert/usage", "transform/usage_cost")]
    texts.append((folder / "transform" / "usage_rejects.sql").read_text())
    reasons = {reason for text in texts for reason in re.findall(r"THEN '(\w+)'", text)}

    assert len(reasons) > 8
    assert {reason for reason in reasons if f"`{reason}`" not in TEXT} == set()
