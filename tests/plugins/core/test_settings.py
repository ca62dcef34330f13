"""What a deployment sets, and what it is told when it sets it wrongly."""

from pathlib import Path

import pytest

from smart_hub.core.settings import SETTINGS, STACK_PATTERN, Settings, SettingsError

REPOSITORY = Path(__file__).parents[3]
REQUIRED = {"SMART_HUB_DATA_BUCKET": "the-data"}


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A checkout: include/ beside dags/."""
    for folder in ("dags", "include/data", "include/sql/insights", "include/sql/publish", "include/sql/quality"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "dags"


def test_the_bucket_alone_has_to_be_set(dags: Path) -> None:
    settings = Settings.from_environment(dags, REQUIRED)
    settings.check()
    assert settings == Settings(
        stack="smart-hub",
        data_bucket="the-data",
        source=str(dags.parent / "include" / "data"),
        mirror=False,
        skip_empty_days=False,
        aws_conn_id="aws_default",
        files_per_day=1,
        retention_hours=24,
        max_reject_ratio="0.5",
        watts_margin="1.25",
        min_coverage="0.9",
        sns_topic_arn="",
        quicksight=False,
        include=dags.parent / "include",
    )


@pytest.mark.parametrize("text", ["", "0", "0.5", "1"])
def test_the_share_of_rejects_is_a_decimal_number(dags: Path, text: str) -> None:
    given = {**REQUIRED, "SMART_HUB_MAX_REJECT_RATIO": text}
    settings = Settings.from_environment(dags, given)
    settings.check()
    assert settings.max_reject_ratio == (text or "0.5")


@pytest.mark.parametrize("text", ["5%", "1.1", "-0.1", ".5", "1e-3", "nan", "0,5", "٠"])
def test_another_share_of_rejects_is_named(dags: Path, text: str) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_MAX_REJECT_RATIO": text})
    with pytest.raises(SettingsError, match="SMART_HUB_MAX_REJECT_RATIO: expected a decimal number from 0 to 1, got"):
        settings.check()


@pytest.mark.parametrize("text", ["", "0", "0.75", "1"])
def test_the_least_coverage_is_a_decimal_number(dags: Path, text: str) -> None:
    given = {**REQUIRED, "SMART_HUB_MIN_COVERAGE": text}
    settings = Settings.from_environment(dags, given)
    settings.check()
    assert settings.min_coverage == (text or "0.9")


@pytest.mark.parametrize(("text", "files"), [("", 1), ("4", 4), ("100", 100)])
def test_a_day_has_as_many_files_as_athena_can_write(dags: Path, text: str, files: int) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_FILES_PER_DAY": text})
    settings.check()
    assert settings.files_per_day == files


def test_all_names_derive_from_the_stack(dags: Path) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_STACK": "hub-two"})
    assert settings.database == "hub_two"
    assert settings.workgroup == "hub-two"
    assert settings.resource("convert") == "hub-two-convert"
    assert settings.location("raw/rates/") == "s3://the-data/raw/rates/"


def test_only_where_there_is_a_dashboard_it_has_data_sets(dags: Path) -> None:
    given = {**REQUIRED, "SMART_HUB_STACK": "hub-two"}
    assert Settings.from_environment(dags, given).quicksight_data_sets == []
    assert Settings.from_environment(dags, {**given, "SMART_HUB_QUICKSIGHT": "true"}).quicksight_data_sets == [
        "hub-two-usage_cost",
        "hub-two-daily_device_cost",
        "hub-two-hourly_load",
        "hub-two-peak_shift",
        "hub-two-locations",
        "hub-two-rates",
    ]


def test_the_include_folder_is_looked_for_in_order(dags: Path, tmp_path: Path) -> None:
    beside, within, chosen = dags.parent / "include", dags / "include", tmp_path / "chosen"
    assert Settings.from_environment(dags, {}).include == beside
    within.mkdir()
    assert Settings.from_environment(dags, {}).include == within
    assert Settings.from_environment(dags, {"SMART_HUB_INCLUDE": str(chosen)}).include == chosen


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMART_HUB_STACK", "Smart Hub", "expected 2 to 25 lower-case letters, digits and hyphens, beginning with"),
        ("SMART_HUB_STACK", "a" * 26, "got 'aaaaaaaaaaaaaaaaaaaaaaaaaa'"),
        ("SMART_HUB_STACK", "hub-", "got 'hub-'"),
        ("SMART_HUB_DATA_BUCKET", "", "not set; it is the data bucket, which is the stack's output DataBucket"),
        ("SMART_HUB_DATA_BUCKET", "s3://the-data", "expected the name of a bucket alone, got 's3://the-data'"),
        ("SMART_HUB_DATA_BUCKET", "the-data/raw", "got 'the-data/raw'"),
        ("SMART_HUB_DATA_BUCKET", "The-Data", "got 'The-Data'"),
        ("SMART_HUB_DATA_BUCKET", "ab", "got 'ab'"),
        ("SMART_HUB_DATA_BUCKET", "a" * 64, "expected the name of a bucket alone"),
        ("SMART_HUB_DATA_BUCKET", "the..data", "got 'the..data'"),
        ("SMART_HUB_DATA_BUCKET", "192.168.5.4", "got '192.168.5.4'"),
        ("SMART_HUB_AWS_CONN_ID", "aws default", "expected the id of a connection, got 'aws default'"),
        ("SMART_HUB_SOURCE", "/nowhere", "expected a folder that exists, or s3://bucket/prefix, got '/nowhere'"),
        ("SMART_HUB_SOURCE", "s3://", "got 's3://'"),
        ("SMART_HUB_SOURCE", "s3:///export", "got 's3:///export'"),
        ("SMART_HUB_SOURCE", "S3://upstream", "got 'S3://upstream'"),
        ("SMART_HUB_MIRROR", "yes", "expected true or false, got 'yes'"),
        ("SMART_HUB_SKIP_EMPTY_DAYS", "skip", "expected true or false, got 'skip'"),
        ("SMART_HUB_FILES_PER_DAY", "0", "expected a number from 1 to 100, got '0'"),
        ("SMART_HUB_FILES_PER_DAY", "101", "expected a number from 1 to 100, got '101'"),
        ("SMART_HUB_MIN_COVERAGE", "90", "expected a decimal number from 0 to 1, got '90'"),
        ("SMART_HUB_RETENTION_HOURS", "-1", "got '-1'"),
        ("SMART_HUB_RETENTION_HOURS", "a day", "got 'a day'"),
        ("SMART_HUB_SNS_TOPIC_ARN", "alarms", "expected the ARN of an SNS topic, got 'alarms'"),
        ("SMART_HUB_DATA_BUKET", "the-data", "there is no such setting; the closest is SMART_HUB_DATA_BUCKET"),
        ("SMART_HUB_MIROR", "", "there is no such setting; the closest is SMART_HUB_MIRROR"),
    ],
)
def test_a_wrong_value_is_reported_with_its_name(dags: Path, name: str, value: str, said: str) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, name: value})
    with pytest.raises(SettingsError) as raised:
        settings.check()
    assert str(raised.value).startswith(f"{name}: ")
    assert said in str(raised.value)


def test_an_include_folder_that_is_not_complete_is_reported(dags: Path) -> None:
    (dags.parent / "include" / "sql" / "quality").rmdir()
    (problem,) = Settings.from_environment(dags, REQUIRED).problems
    assert problem == (
        "SMART_HUB_INCLUDE: expected a folder with sql/insights, sql/publish, sql/quality, got"
        f" '{dags.parent / 'include'}', its default"
    )


def test_a_default_that_is_not_there_is_reported_as_one(dags: Path) -> None:
    (dags.parent / "include" / "data").rmdir()
    (problem,) = Settings.from_environment(dags, REQUIRED).problems
    assert problem.startswith("SMART_HUB_SOURCE: expected a folder that exists, or s3://bucket/prefix, got ")
    assert problem.endswith(", its default")


@pytest.mark.parametrize(
    "source", ["s3://upstream", "s3://upstream/", "s3://upstream/export..2/", "s3://up.stream/a/b"]
)
def test_a_source_may_lie_in_s3(dags: Path, source: str) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_SOURCE": source})
    assert settings.problems == ()
    assert settings.source == source.rstrip("/")


def test_a_name_that_is_wrong_is_replaced_by_no_other(dags: Path) -> None:
    # Given names with a mistake, expect that nothing works on what bears the default name
    given = {"SMART_HUB_STACK": "Hub-Two", "SMART_HUB_DATA_BUCKET": "Two", "SMART_HUB_AWS_CONN_ID": "aws two"}
    settings = Settings.from_environment(dags, given)
    assert (settings.stack, settings.data_bucket, settings.aws_conn_id) == ("Hub-Two", "Two", "aws two")


@pytest.mark.parametrize(
    "name",
    [
        "SMART_HUB_LOCAL",  # of the laptop's commands
        # of a service smart-hub, and of smart-hub-api, as Kubernetes tells each pod of them
        "SMART_HUB_SERVICE_HOST",
        "SMART_HUB_SERVICE_PORT",
        "SMART_HUB_PORT",
        "SMART_HUB_PORT_8080_TCP_ADDR",
        "SMART_HUB_API_SERVICE_PORT_HTTP",
    ],
)
def test_what_others_set_is_no_mistake(dags: Path, name: str) -> None:
    assert Settings.from_environment(dags, {**REQUIRED, name: "8080"}).problems == ()


def test_all_problems_are_reported_at_once(dags: Path) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_MIRROR": "yes", "SMART_HUB_HOURS": "3"})
    with pytest.raises(SettingsError, match=r"SMART_HUB_DATA_BUCKET: .*; SMART_HUB_MIRROR: .*; SMART_HUB_HOURS: "):
        settings.check()


def test_the_page_is_told_of_what_it_goes_by(dags: Path) -> None:
    # Given a web server without an include folder, and a bucket whose variable is mistyped
    given = {"SMART_HUB_DATA_BUKET": "the-data", "SMART_HUB_INCLUDE": "/nowhere", "SMART_HUB_MIRROR": "yes"}
    problems = Settings.from_environment(dags, given).page_problems
    assert [problem.split(":")[0] for problem in problems] == ["SMART_HUB_DATA_BUCKET", "SMART_HUB_DATA_BUKET"]


@pytest.mark.parametrize(("text", "mirror"), [("true", True), ("TRUE", True), ("1", True), ("0", False), ("", False)])
def test_mirroring_is_on_or_off(dags: Path, text: str, mirror: bool) -> None:
    assert Settings.from_environment(dags, {"SMART_HUB_MIRROR": text}).mirror is mirror


def test_a_stack_is_named_as_its_deployment_takes_it() -> None:

    bootstrap = (REPOSITORY / "include" / "infrastructure" / "bootstrap.yaml").read_text(encoding="utf-8")
    assert f"AllowedPattern: '{STACK_PATTERN.pattern}'" in bootstrap


def test_the_docs_list_every_setting() -> None:
    expected = [
        [
            f"`{name}`",
            setting.kind.expected,
            "has to be set" if setting.default is None else f"`{setting.default}`" if setting.default else "none",
            setting.meaning,
            ", ".join(setting.readers),
        ]
        for name, setting in SETTINGS.items()
    ]
    text = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if len(row) == 5 and row[0].startswith("`SMART_HUB_")] == expected, "\n".join(
        f"| {' | '.join(row)} |" for row in expected
    )
