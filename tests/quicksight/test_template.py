"""QuickSight's template against AWS's models of the API, because the local AWS has no QuickSight."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import quicksight
from ops.templates import load
from smart_hub.core.settings import Settings
from tests.quicksight.definition import OWNER, READER, RULES, TEMPLATE, calls, data_sets, faults, nodes, resources

# The template as it is deployed.
TEXT = quicksight.without_aliases(TEMPLATE.read_text())
EVERYTHING = {"ReaderPrincipal": READER, "RulesDataSetArn": RULES, "AirflowRoleName": "mwaa"}
PAGE = Path(__file__).resolve().parents[2] / "plugins" / "smart_hub" / "page" / "assets" / "page.css"


def of_type(kind: str, made: Any = None) -> dict[str, Any]:
    made = made or resources()
    return {name: one["Properties"] for name, one in made.items() if one["Type"] == f"AWS::QuickSight::{kind}"}


def problems(text: str, **parameters: str) -> list[str]:
    """Violations of AWS's models in the API calls of a template."""
    made = resources(text, **parameters).values()
    return [f"{call.operation} {problem}" for one in made for call in calls(one) for problem in call.problems()]


def test_the_deployed_template_has_no_aliases() -> None:
    assert [event for event in yaml.parse(TEMPLATE.read_text()) if isinstance(event, yaml.AliasEvent)]
    assert not [event for event in yaml.parse(TEXT) if isinstance(event, yaml.AliasEvent)]
    assert resources(TEXT, **EVERYTHING) == resources(**EVERYTHING)
    # in S3: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(TEXT.encode()) < 1_000_000


@pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("name", resources())
def test_the_api_calls_of_a_resource_are_valid(name: str, parameters: dict[str, str]) -> None:
    made = calls(resources(TEXT, **parameters)[name])

    assert made
    assert [problem for call in made for problem in call.problems()] == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ColumnSpan: 12", "ColumnSpam: 12", "CreateAnalysis Unknown parameter in Definition.Sheets.*ColumnSpam"),
        ("RowSpan: 7", "RowSpan: 22", "CreateAnalysis .*RowSpan: 22 is outside"),
        ("VisualId: heat", "VisualId: the heat", "CreateAnalysis .*VisualId: 'the heat' does not match"),
        ("Type: ATHENA", "Type: ATHENS", "CreateDataSource .*'ATHENS' is none of"),
        ("SizeUnit: DAY", "SizeUnit: DAYS", "PutDataSetRefreshProperties .*'DAYS' is none of"),
        ("Interval: DAILY", "Every: DAILY", 'CreateRefreshSchedule Missing required .*: "Interval"'),
        ("PolicyName: query", "Name: query", "PutRolePolicy .*PolicyName"),
    ],
)
def test_invalid_calls_are_found(old: str, new: str, problem: str) -> None:
    assert old in TEXT

    assert [one for one in problems(TEXT.replace(old, new)) if re.match(problem, one)]


@pytest.mark.parametrize("name", ["Analysis", "Dashboard"])
def test_all_references_of_a_definition_are_valid(name: str) -> None:
    assert faults(resources(TEXT), name) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("ColumnName: lon}", "ColumnName: longitude}", "no column daily_device_cost.longitude"),
        (
            "DataSetIdentifier: rates, ColumnName: hour",
            "DataSetIdentifier: prices, ColumnName: hour",
            "no data set prices",
        ),
        (
            "{Identifier: rates, DataSetArn: !GetAtt Rates.Arn}",
            "{Identifier: rates, DataSetArn: !GetAtt Theme.Arn}",
            "data set rates is Theme, which is none",
        ),
        ("sum({saving})", "sum({savings})", "no field savings for"),
        ("{Parameter: FirstHour}", "{Parameter: EarlyHour}", "parameter EarlyHour is none"),
        ("{Name: LastHour,", "{Name: LateHour,", "parameter LateHour is not used"),
        ("SourceFilterId: hub", "SourceFilterId: home", "a control is for home, which is none"),
        ("SourceFilterId: hub", "SourceFilterId: state", "filter hub has no control on sheet savings"),
        ("ElementId: heat,", "ElementId: heap,", r"sheet costs lays out .*heap.*heat"),
        ("VisualId: heat", "VisualId: map", "sheet costs lays out"),
        ("FieldSort: {FieldId: kwh,", "FieldSort: {FieldId: power,", "heat: no field power to sort by"),
        ("HierarchyId: state-hub-device}", "HierarchyId: state-hub}", "drill: no way down hierarchy state-hub"),
        ("ColumnName: hour_start", "ColumnName: hour", "usage: hour is INTEGER, no DateDimensionField"),
        (
            "daily_device_cost, ColumnName: cost_dollars",
            "daily_device_cost, ColumnName: state",
            "total: state is STRING, no NumericalMeasureField",
        ),
        ("ColumnGeographicRole: LATITUDE", "ColumnGeographicRole: COUNTY", "map: lat is no place"),
        (
            "{Name: hour, Type: INTEGER}",
            "{Name: hour, Type: STRING}",
            "heat: hour is STRING, no NumericalDimensionField",
        ),
    ],
)
def test_invalid_references_are_found(old: str, new: str, fault: str) -> None:
    assert old in TEXT

    found = faults(resources(TEXT.replace(old, new)), "Dashboard")

    assert [one for one in found if re.search(fault, one)], found


def test_a_calculated_column_must_read_existing_columns() -> None:
    with pytest.raises(AssertionError, match="costs"):
        data_sets(resources(TEXT.replace("{cost} / 100", "{costs} / 100")))


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("OwnerPrincipal", OWNER, True),
        ("OwnerPrincipal", "arn:aws:quicksight:us-east-1:111122223333:user/default/analyst@example.com", True),
        ("OwnerPrincipal", "", False),
        ("OwnerPrincipal", "analysts", False),
        ("ReaderPrincipal", "", True),
        ("ReaderPrincipal", READER, True),
        ("ReaderPrincipal", "arn:aws:iam::111122223333:user/analyst", False),
        ("RulesDataSetArn", "", True),
        ("RulesDataSetArn", RULES, True),
        ("RulesDataSetArn", READER, False),
        ("FirstDay", "2019-12-21", True),
        ("FirstDay", "yesterday", False),
    ],
)
def test_the_pattern_of_a_parameter(name: str, value: str, taken: bool) -> None:
    pattern = load(TEXT)["Parameters"][name]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, value)) == taken


def test_every_visual_is_documented() -> None:
    documented = (TEMPLATE.parents[2] / "docs" / "quicksight.md").read_text()
    for node in nodes(resources()["Dashboard"]["Properties"]["Definition"]["Sheets"]):
        if "VisualId" in node:
            assert f"| {node['Title']['FormatText']['PlainText']} |" in documented


def test_analysis_and_dashboard_are_the_same() -> None:
    made = resources(TEXT)
    assert made["Analysis"]["Properties"]["Definition"] == made["Dashboard"]["Properties"]["Definition"]


def test_airflow_refreshes_all_data_sets(tmp_path: Path) -> None:
    settings = Settings.from_environment(tmp_path, {"SMART_HUB_STACK": "hub-two", "SMART_HUB_QUICKSIGHT": "true"})
    made = of_type("DataSet", resources(StackName="hub-two"))

    assert sorted(one["DataSetId"] for one in made.values()) == sorted(settings.quicksight_data_sets)


def test_each_data_set_has_a_daily_schedule_incremental_where_it_has_days() -> None:
    sets, read = of_type("DataSet"), data_sets(resources())
    schedules = {one["DataSetId"]: one["Schedule"]["RefreshType"] for one in of_type("RefreshSchedule").values()}

    assert schedules.keys() == {one["DataSetId"] for one in sets.values()}
    for name, properties in sets.items():
        incremental = schedules[properties["DataSetId"]] == "INCREMENTAL_REFRESH"
        assert incremental == ("DataSetRefreshProperties" in properties) == (read[name].columns.get("dt") == "DATETIME")


def test_row_level_rules_apply_to_every_data_set_with_hubs() -> None:
    read = data_sets(resources())
    ruled = {
        name: one["RowLevelPermissionDataSet"]["Arn"]
        for name, one in of_type("DataSet", resources(RulesDataSetArn=RULES)).items()
        if "RowLevelPermissionDataSet" in one
    }

    assert ruled == {name: RULES for name, one in read.items() if "loc_id" in one.columns}
    assert len(ruled) == 4
    assert not [one for one in of_type("DataSet").values() if "RowLevelPermissionDataSet" in one]


def test_readers_have_read_access_to_the_dashboard() -> None:
    made = resources(ReaderPrincipal=READER)
    allowed: dict[str, set[str]] = {READER: set(), OWNER: set()}
    for node in nodes(dict(made)):
        if "Principal" in node and "Actions" in node:
            allowed[node["Principal"]] |= set(node["Actions"])

    assert "quicksight:QueryDashboard" in allowed[READER]
    assert not [action for action in allowed[READER] if not re.match(r"quicksight:(Describe|List|Query)", action)]
    assert allowed[READER] < allowed[OWNER]
    assert READER not in str(resources())


def test_airflow_may_only_start_and_follow_a_refresh() -> None:
    made = resources(StackName="hub-two")["RefreshPolicy"]["Properties"]
    (statement,) = made["PolicyDocument"]["Statement"]

    assert made["Roles"] == ["hub-two-airflow"]
    assert statement["Action"] == ["quicksight:CreateIngestion", "quicksight:DescribeIngestion"]
    assert statement["Resource"] == ["arn:aws:quicksight:us-east-1:111122223333:dataset/hub-two-*"]
    assert resources(AirflowRoleName="mwaa")["RefreshPolicy"]["Properties"]["Roles"] == ["mwaa"]


def test_quicksight_may_only_read_tables_and_write_results() -> None:
    (policy,) = resources(StackName="hub-two")["QueryRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    writes = [one for one in statements if "s3:PutObject" in one["Action"]]
    bucket = "arn:aws:s3:::hub-two-data-111122223333-us-east-1"

    assert [one["Resource"] for one in writes] == [f"{bucket}/athena-results/*"]
    assert "*" not in [one["Resource"] for one in statements]
    for one in statements:
        for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
            assert re.match(r"(athena|glue|s3):(Get|List|BatchGet|Start|Stop|Abort|Put)", action)
