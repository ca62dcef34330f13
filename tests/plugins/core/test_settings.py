"""The settings of a deployment, and the problems that are reported for invalid ones."""

from pathlib import Path

import pytest

from smart_hub.core.settings import RENAMED, SETTINGS, STACK_PATTERN, Settings

REPOSITORY = Path(__file__).parents[3]
REQUIRED = {"SMART_HUB_DATA_BUCKET": "the-data"}


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A checkout: include/ beside dags/."""
    for folder in ("dags", "include/data", "include/sql/insights", "include/sql/publish", "include/sql/quality"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "dags"


def test_only_the_bucket_has_to_be_set(dags: Path) -> None:
    assert Settings.from_environment(dags, REQUIRED) == Settings(
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


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("MAX_REJECT_RATIO", text, text or "0.5") for text in ("", "0", "0.75", "1")),
        *(("MIN_COVERAGE", text, text or "0.9") for text in ("", "0", "0.75", "1")),
        *(("FILES_PER_DAY", text, int(text or 1)) for text in ("", "4", "100")),
        *(("MIRROR", text, text in ("true", "TRUE", "1")) for text in ("true", "TRUE", "1", "0", "")),
    ],
)
def test_a_value_is_read(dags: Path, name: str, text: str, value: object) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, f"SMART_HUB_{name}": text})
    assert (settings.problems, getattr(settings, name.lower())) == ((), value)


@pytest.mark.parametrize("text", ["5%", "1.1", "-0.1", ".5", "1e-3", "nan", "0,5", "٠"])
def test_an_invalid_decimal_number_is_reported(dags: Path, text: str) -> None:
    (problem,) = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_MAX_REJECT_RATIO": text}).problems
    assert problem == ("SMART_HUB_MAX_REJECT_RATIO", f"expected a decimal number from 0 to 1, got {text!r}", "")


def test_all_names_derive_from_the_stack(dags: Path) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_STACK": "hub-two"})
    assert settings.database == "hub_two"
    assert settings.workgroup == "hub-two"
    assert settings.resource("convert") == "hub-two-convert"
    assert settings.location("raw/rates/") == "s3://the-data/raw/rates/"


def test_data_sets_are_refreshed_only_if_there_is_a_dashboard(dags: Path) -> None:
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
    ("name", "value", "message"),
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
def test_an_invalid_value_is_reported_with_its_name(dags: Path, name: str, value: str, message: str) -> None:
    (problem,) = Settings.from_environment(dags, {**REQUIRED, name: value}).problems
    assert problem.setting == name
    assert message in problem.message


def test_an_include_folder_that_is_not_complete_is_reported(dags: Path) -> None:
    (dags.parent / "include" / "sql" / "quality").rmdir()
    (problem,) = Settings.from_environment(dags, REQUIRED).problems
    assert str(problem) == (
        "SMART_HUB_INCLUDE: expected a folder with sql/insights, sql/publish, sql/quality, got"
        f" '{dags.parent / 'include'}', its default"
    )


def test_a_default_that_does_not_exist_is_reported_as_one(dags: Path) -> None:
    (dags.parent / "include" / "data").rmdir()
    (problem,) = Settings.from_environment(dags, REQUIRED).problems
    assert problem.setting == "SMART_HUB_SOURCE"
    assert problem.message.startswith("expected a folder that exists, or s3://bucket/prefix, got ")
    assert problem.message.endswith(", its default")


@pytest.mark.parametrize(
    "source", ["s3://upstream", "s3://upstream/", "s3://upstream/export..2/", "s3://up.stream/a/b"]
)
def test_a_source_can_be_a_prefix_in_s3(dags: Path, source: str) -> None:
    settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_SOURCE": source})
    assert settings.problems == ()
    assert settings.source == source.rstrip("/")


def test_an_invalid_name_is_not_replaced_by_the_default(dags: Path) -> None:
    # otherwise tasks would work on the resources of another deployment
    given = {"SMART_HUB_STACK": "Hub-Two", "SMART_HUB_DATA_BUCKET": "Two", "SMART_HUB_AWS_CONN_ID": "aws two"}
    settings = Settings.from_environment(dags, given)
    assert (settings.stack, settings.data_bucket, settings.aws_conn_id) == ("Hub-Two", "Two", "aws two")


@pytest.mark.parametrize(
    "name",
    [
        "SMART_HUB_LOCAL",  # a setting of the laptop's commands
        # of services smart-hub and smart-hub-api: Kubernetes sets them in each pod
        "SMART_HUB_SERVICE_HOST",
        "SMART_HUB_SERVICE_PORT",
        "SMART_HUB_PORT",
        "SMART_HUB_PORT_8080_TCP_ADDR",
        "SMART_HUB_API_SERVICE_PORT_HTTP",
    ],
)
def test_variables_of_other_programs_are_ignored(dags: Path, name: str) -> None:
    assert Settings.from_environment(dags, {**REQUIRED, name: "8080"}).problems == ()


def test_all_problems_are_reported_at_once(dags: Path) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_MIRROR": "yes", "SMART_HUB_HOURS": "3"})
    assert [problem.setting for problem in settings.problems] == [
        "SMART_HUB_DATA_BUCKET",
        "SMART_HUB_MIRROR",
        "SMART_HUB_HOURS",
    ]


def test_the_page_gets_the_problems_of_the_settings_that_it_uses(dags: Path) -> None:
    # Given a web server without an include folder, and a bucket whose variable is mistyped
    given = {"SMART_HUB_DATA_BUKET": "the-data", "SMART_HUB_INCLUDE": "/nowhere", "SMART_HUB_MIRROR": "yes"}
    problems = Settings.from_environment(dags, given).page_problems
    assert [problem.setting for problem in problems] == ["SMART_HUB_DATA_BUCKET", "SMART_HUB_DATA_BUKET"]


# git show 4f00107:plugins/smart_hub/settings.py
VERSION_1 = {
    "SMART_HUB_STACK": "hub-two",
    "SMART_HUB_DATA_BUCKET": "data-two",
    "SMART_HUB_AWS_CONN_ID": "aws_two",
    "SMART_HUB_SOURCE": "s3://upstream",
    "SMART_HUB_MIRROR": "true",
    "SMART_HUB_SKIP_EMPTY_DAYS": "true",
    "SMART_HUB_FILES_PER_DAY": "2",
    "SMART_HUB_KEEP_HOURS": "48",
    "SMART_HUB_WATTS_MARGIN": "2",
    "SMART_HUB_LEAST_COVERAGE": "0.8",
    "SMART_HUB_SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alarms",
    "SMART_HUB_QUICKSIGHT": "true",
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_name_of_version_1_works(dags: Path) -> None:
    settings = Settings.from_environment(dags, VERSION_1)
    assert settings.problems == ()
    names = [RENAMED.get(name, name) for name in VERSION_1]
    values = [getattr(settings, name.removeprefix("SMART_HUB_").lower()) for name in names]
    assert [str(value).lower() if isinstance(value, bool | int) else value for value in values] == [*VERSION_1.values()]


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_works_with_a_warning_that_has_the_new_one(dags: Path, old: str, new: str) -> None:
    with pytest.warns(FutureWarning) as warned:
        settings = Settings.from_environment(dags, {**REQUIRED, old: "1"})
    (message,) = settings.deprecations
    assert message.startswith(f"{old} is now called {new}")
    assert message.endswith("; version 3.0 will not accept the old name")
    assert [str(warning.message) for warning in warned] == [*settings.deprecations]
    assert Settings.from_environment(dags, {**REQUIRED, old: ""}).deprecations == ()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("old", "new", "hours", "problems"),
    [
        ("48", "48", 48, []),
        ("48", "72", 72, ["is the old name of SMART_HUB_RETENTION_HOURS, which has another value: remove it"]),
    ],
)
def test_a_new_name_takes_precedence_over_the_old_one(
    dags: Path, old: str, new: str, hours: int, problems: list[str]
) -> None:
    environ = {**REQUIRED, "SMART_HUB_KEEP_HOURS": old, "SMART_HUB_RETENTION_HOURS": new}
    settings = Settings.from_environment(dags, environ)
    assert settings.retention_hours == hours
    assert [str(one) for one in settings.problems] == [f"SMART_HUB_KEEP_HOURS: {problem}" for problem in problems]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_invalid_value_of_an_old_name_is_reported_with_both(dags: Path) -> None:
    (problem,) = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_KEEP_HOURS": "0"}).problems
    assert str(problem) == (
        "SMART_HUB_RETENTION_HOURS: expected a number from 1 to 8784, got '0' from SMART_HUB_KEEP_HOURS"
    )


def test_a_setting_with_another_meaning_today_is_said_to_have_one(dags: Path) -> None:
    with pytest.warns(FutureWarning, match="share of hubs with mostly rejected values, not"):
        settings = Settings.from_environment(dags, {**REQUIRED, "SMART_HUB_MOST_REJECTED": "0.05"})
    assert (settings.max_reject_ratio, settings.problems) == ("0.05", ())


def test_the_template_accepts_the_same_names_of_stacks() -> None:
    bootstrap = (REPOSITORY / "include" / "infrastructure" / "bootstrap.yaml").read_text(encoding="utf-8")
    assert f"AllowedPattern: '{STACK_PATTERN.pattern}'" in bootstrap


def test_the_docs_list_every_setting() -> None:
    expected = [
        [
            f"`{name}`",
            setting.kind.expected,
            "has to be set" if setting.default is None else f"`{setting.default}`" if setting.default else "none",
            setting.description,
            ", ".join(setting.used_by),
        ]
        for name, setting in SETTINGS.items()
    ]
    text = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if len(row) == 5 and row[0].startswith("`SMART_HUB_")] == expected, "\n".join(
        f"| {' | '.join(row)} |" for row in expected
    )
