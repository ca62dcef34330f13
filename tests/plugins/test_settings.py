"""What a deployment sets, and what it is told when it sets it wrongly."""

from pathlib import Path

import pytest

from smart_hub.settings import Settings, SettingsError


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A checkout: include/ beside dags/."""
    (tmp_path / "include" / "sql").mkdir(parents=True)
    (tmp_path / "dags").mkdir()
    return tmp_path / "dags"


def test_the_bucket_alone_has_to_be_set(dags: Path) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_DATA_BUCKET": "b"})
    settings.check()
    assert settings == Settings(
        stack="smart-hub",
        data_bucket="b",
        source=str(dags.parent / "include" / "data"),
        mirror=False,
        skip_empty_days=False,
        aws_conn_id="aws_default",
        files_per_day=1,
        keep_hours=24,
        most_rejected="0.05",
        watts_margin="1.25",
        least_coverage="0.9",
        sns_topic_arn="",
        quicksight=False,
        include=dags.parent / "include",
    )


@pytest.mark.parametrize("text", ["", "0", "0.5", "1"])
def test_the_share_of_rejects_is_a_decimal_number(dags: Path, text: str) -> None:
    given = {"SMART_HUB_DATA_BUCKET": "b", "SMART_HUB_MOST_REJECTED": text}
    settings = Settings.from_environment(dags, given)
    settings.check()
    assert settings.most_rejected == (text or "0.05")


@pytest.mark.parametrize("text", ["5%", "1.1", "-0.1", ".5", "1e-3", "nan", "0,5", "٠"])
def test_another_share_of_rejects_is_named(dags: Path, text: str) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_DATA_BUCKET": "b", "SMART_HUB_MOST_REJECTED": text})
    with pytest.raises(SettingsError, match="SMART_HUB_MOST_REJECTED: expected a decimal number from 0 to 1, got"):
        settings.check()


@pytest.mark.parametrize("text", ["", "0", "0.75", "1"])
def test_the_least_coverage_is_a_decimal_number(dags: Path, text: str) -> None:
    given = {"SMART_HUB_DATA_BUCKET": "b", "SMART_HUB_LEAST_COVERAGE": text}
    settings = Settings.from_environment(dags, given)
    settings.check()
    assert settings.least_coverage == (text or "0.9")


def test_all_names_derive_from_the_stack(dags: Path) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_STACK": "hub-two", "SMART_HUB_DATA_BUCKET": "b"})
    assert settings.database == "hub_two"
    assert settings.workgroup == "hub-two"
    assert settings.resource("convert") == "hub-two-convert"
    assert settings.location("raw/rates/") == "s3://b/raw/rates/"


def test_only_where_there_is_a_dashboard_it_has_data_sets(dags: Path) -> None:
    given = {"SMART_HUB_STACK": "hub-two", "SMART_HUB_DATA_BUCKET": "b"}
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
        ("SMART_HUB_STACK", "Smart Hub", "got 'Smart Hub'"),
        ("SMART_HUB_DATA_BUCKET", "", "not set; it is the output DataBucket of the stack smart-hub"),
        ("SMART_HUB_DATA_BUCKET", "s3://b", "expected a bucket's name alone, got 's3://b'"),
        ("SMART_HUB_MIRROR", "yes", "expected true or false, got 'yes'"),
        ("SMART_HUB_SKIP_EMPTY_DAYS", "skip", "expected true or false, got 'skip'"),
        ("SMART_HUB_FILES_PER_DAY", "0", "expected a number from 1 to 100, got '0'"),
        ("SMART_HUB_FILES_PER_DAY", "101", "expected a number from 1 to 100, got '101'"),
        ("SMART_HUB_LEAST_COVERAGE", "90", "expected a decimal number from 0 to 1, got '90'"),
        ("SMART_HUB_KEEP_HOURS", "-1", "got '-1'"),
        ("SMART_HUB_KEEP_HOURS", "a day", "got 'a day'"),
        ("SMART_HUB_SNS_TOPIC_ARN", "alarms", "expected the ARN of an SNS topic, got 'alarms'"),
        ("SMART_HUB_INCLUDE", "/nowhere", "/nowhere has no folder sql"),
    ],
)
def test_a_wrong_value_is_reported_with_its_name(dags: Path, name: str, value: str, said: str) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_DATA_BUCKET": "b", name: value})
    with pytest.raises(SettingsError) as raised:
        settings.check()
    assert str(raised.value).startswith(f"{name}: ")
    assert said in str(raised.value)


def test_all_problems_are_reported_at_once(dags: Path) -> None:
    settings = Settings.from_environment(dags, {"SMART_HUB_MIRROR": "yes"})
    with pytest.raises(SettingsError, match=r"SMART_HUB_DATA_BUCKET: .*; SMART_HUB_MIRROR: "):
        settings.check()


@pytest.mark.parametrize(("text", "mirror"), [("true", True), ("TRUE", True), ("1", True), ("0", False), ("", False)])
def test_mirroring_is_on_or_off(dags: Path, text: str, mirror: bool) -> None:
    assert Settings.from_environment(dags, {"SMART_HUB_MIRROR": text}).mirror is mirror
