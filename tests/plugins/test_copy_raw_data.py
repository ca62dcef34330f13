"""Step 1: what is sent, what is left alone, what is deleted, and what is reported."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from smart_hub.operators import CopyRawDataOperator
from tests.fake_aws import A_PAGE, BUCKET, DAY, RUN, FakeAws

FILES = {
    f"usage/dt={DAY}/portland.json": "p\n",
    "mappings/state=or/portland.json": "m\n",
    "locations/state=or/portland.csv": "l\n",
    "rates/rates.xml": "r\n",
}
# Of "p\n", by `printf 'p\n' | md5sum`.
MD5_OF_USAGE = "9d7bf075372908f55e2d945c39e0a613"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source folder with one file of each data set."""
    for name, text in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "source"


@pytest.fixture
def copy(aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]) -> Callable[..., Any]:
    """Runs step 1 with a source and settings."""

    def run(source: object, **environ: str) -> dict[str, Any]:
        settings = settings_of(SMART_HUB_SOURCE=str(source), **environ)
        aws.calls.clear()
        result: dict[str, Any] = CopyRawDataOperator(task_id="copy", settings=settings).execute(context_of())
        return result

    return run


def raw(aws: FakeAws) -> dict[str, str]:
    return {
        key.removeprefix("raw/"): stored.body.decode()
        for key, stored in aws.buckets[BUCKET].items()
        if key.startswith("raw/")
    }


def sent(aws: FakeAws) -> set[str]:
    calls = aws.called("PutObject") + aws.called("CopyObject")
    return {call["Key"].removeprefix("raw/") for call in calls if call["Key"].startswith("raw/")}


def test_everything_is_sent_to_an_empty_bucket(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given another day's usage in the source too
    other = folder / "usage/dt=2019-12-22/portland.json"
    other.parent.mkdir()
    other.write_text("other day\n")
    # When the day is copied
    found = copy(folder)
    # Expect its own files alone, and that everything is new
    assert raw(aws) == FILES
    assert sorted(found["new"]) == ["locations", "mappings", "rates", "usage"]
    # The run can be told from its name
    assert aws.buckets[BUCKET][f"staging/{RUN}/run_id"].body == b"manual__1"


def test_content_is_that_of_the_raw_objects(folder: Path, copy: Callable[..., Any]) -> None:
    # printf "raw/rates/rates.xml\t$(printf 'r\n' | md5sum | cut -c1-32)\n" | sha256sum, and so on
    assert copy(folder)["content"] == {
        "mappings": "ea54e347c13e0b4334c7fdee621727607579343e08d1f26483b327cb308e8159",
        "locations": "e2c032b9ecaa87283953e611c2f1db5c31a434b2aaf6ca344b3b5b23b99612f3",
        "rates": "dfe4ee04d93a67f330f0d5f0507c8f28b88b8f29ff4c77eaf2b941b94d417a69",
    }


def test_an_unchanged_file_is_not_sent_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    copy(folder)
    copy(folder)
    assert sent(aws) == set()
    # ETags say it all, no object is looked at
    assert aws.called("HeadObject") == []


def test_a_changed_file_is_sent_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    before = copy(folder)
    (folder / "rates/rates.xml").write_text("dearer\n")
    after = copy(folder)
    assert sent(aws) == {"rates/rates.xml"}
    assert raw(aws)["rates/rates.xml"] == "dearer\n"
    assert after["content"]["rates"] != before["content"]["rates"]
    assert after["content"]["mappings"] == before["content"]["mappings"]


def test_where_etags_are_opaque_the_metadata_tell(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given a bucket with KMS, whose ETags are no MD5
    aws.opaque_etags = True
    copy(folder)
    stored = aws.buckets[BUCKET][f"raw/usage/dt={DAY}/portland.json"]
    assert stored.metadata == {"source-md5": MD5_OF_USAGE}
    assert stored.etag != MD5_OF_USAGE
    # When one file of four changed
    (folder / "rates/rates.xml").write_text("dearer\n")
    copy(folder)
    # Expect that one to be sent
    assert sent(aws) == {"rates/rates.xml"}


def test_without_mirroring_nothing_is_deleted(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    aws.put(BUCKET, f"raw/usage/dt={DAY}/gone.json", "gone\n")
    copy(folder)
    assert f"usage/dt={DAY}/gone.json" in raw(aws)
    assert aws.called("DeleteObjects") == []


def test_mirroring_deletes_what_the_source_no_longer_has(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given files of before, another day's usage, and a published day
    for key in (
        f"raw/usage/dt={DAY}/gone.json",
        "raw/mappings/state=wa/gone.json",
        "raw/usage/dt=2019-12-20/kept.json",
        f"warehouse/usage_cost/dt={DAY}/version=v0123456789abcdef/kept",
    ):
        aws.put(BUCKET, key, "before\n")
    # When the day is copied with mirroring on
    copy(folder, SMART_HUB_MIRROR="true")
    # Expect the raw data to be those of the source, and the rest untouched
    assert raw(aws) == {**FILES, "usage/dt=2019-12-20/kept.json": "before\n"}
    assert any(key.startswith("warehouse/") for key in aws.buckets[BUCKET])


@pytest.mark.service  # three copies of two thousand objects: it takes long
def test_more_files_than_s3_lists_at_once_are_all_copied_hashed_and_deleted(
    aws: FakeAws, copy: Callable[..., Any]
) -> None:
    # Given a bucket with two pages of usage and of mappings each, a file for each hub
    aws.buckets["upstream"] = {}
    many = range(A_PAGE + 2)
    for name in (
        *(f"usage/dt={DAY}/{number:05}.json" for number in many),
        *(f"mappings/state=or/{number:05}.json" for number in many),
        "locations/state=or/portland.csv",
        "rates/rates.xml",
    ):
        aws.put("upstream", name, f"{name}\n")
    # When the day is copied, expect every file to be there, and the content to be that of all mappings
    found = copy("s3://upstream")
    assert raw(aws) == {name: f"{name}\n" for name in aws.buckets["upstream"]}
    mappings = {name: text.encode() for name, text in sorted(raw(aws).items()) if name.startswith("mappings/")}
    lines = (f"raw/{name}\t{hashlib.md5(body).hexdigest()}\n" for name, body in mappings.items())
    assert found["content"]["mappings"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    # Expect none to be sent again, though the last page alone were no proof of that
    copy("s3://upstream")
    assert sent(aws) == set()
    # When all but the first of usage are gone, expect a mirror to delete the others, by the thousand
    for number in many[1:]:
        del aws.buckets["upstream"][f"usage/dt={DAY}/{number:05}.json"]
    copy("s3://upstream", SMART_HUB_MIRROR="true")
    assert [name for name in raw(aws) if name.startswith("usage/")] == [f"usage/dt={DAY}/00000.json"]
    assert [len(call["Delete"]["Objects"]) for call in aws.called("DeleteObjects")] == [A_PAGE, 1]


@pytest.mark.parametrize("data_set", [f"usage/dt={DAY}", "mappings", "locations", "rates"])
def test_an_empty_listing_fails_and_changes_nothing(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], data_set: str
) -> None:
    # Given raw data of before, and a source that lacks one data set
    copy(folder)
    before = raw(aws)
    for path in (folder / data_set).rglob("*.*"):
        path.rename(folder / path.name)
    (folder / "rates" / "more.xml").parent.mkdir(exist_ok=True)
    # When it is mirrored, expect an error that says where it looked, and nothing deleted or sent
    with pytest.raises(AirflowFailException, match=f"no file under {folder}/{data_set}/"):
        copy(folder, SMART_HUB_MIRROR="true")
    assert raw(aws) == before
    assert sent(aws) == set()


def test_a_day_without_usage_is_skipped_where_that_is_set(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given a source that has all but the day's usage
    (folder / "usage" / f"dt={DAY}" / "portland.json").unlink()
    with pytest.raises(AirflowSkipException, match=f"no file under {folder}/usage/dt={DAY}/"):
        copy(folder, SMART_HUB_SKIP_EMPTY_DAYS="true", SMART_HUB_MIRROR="true")
    # Expect a source that lacks more to fail all the same: it may be a mistyped one
    (folder / "rates" / "rates.xml").unlink()
    with pytest.raises(AirflowFailException, match=f"no file under {folder}/rates/"):
        copy(folder, SMART_HUB_SKIP_EMPTY_DAYS="true", SMART_HUB_MIRROR="true")
    assert raw(aws) == {}


def test_a_source_that_does_not_exist_is_named(copy: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"SMART_HUB_SOURCE: expected a folder that exists.*/sorce'"):
        copy(tmp_path / "sorce")
    with pytest.raises(AirflowFailException, match="SMART_HUB_SOURCE: the bucket no-such does not exist"):
        copy("s3://no-such/prefix")


def test_a_file_where_its_table_would_not_look_is_named(folder: Path, copy: Callable[..., Any]) -> None:
    (folder / "mappings" / "stray.json").write_text("m\n")
    with pytest.raises(AirflowFailException, match=r"mappings/stray.json lies outside a folder mappings/state"):
        copy(folder)


def test_files_that_athena_does_not_read_are_left_out(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rates" / ".DS_Store").write_text("x")
    (folder / "rates" / "_SUCCESS").write_text("x")
    copy(folder)
    assert raw(aws) == FILES
    assert "rates/.DS_Store, rates/_SUCCESS" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["", "/export/hubs"])
def test_a_source_in_s3_is_copied_by_s3(aws: FakeAws, copy: Callable[..., Any], prefix: str) -> None:
    # Given the raw files in another bucket
    aws.buckets["upstream"] = {}
    for name, text in FILES.items():
        aws.put("upstream", f"{prefix}/{name}".lstrip("/"), text)
    # When they are copied twice, one changed in between
    copy(f"s3://upstream{prefix}/")
    assert raw(aws) == FILES
    assert [call for call in aws.called("PutObject") if call["Key"].startswith("raw/")] == []
    aws.put("upstream", f"{prefix}/rates/rates.xml".lstrip("/"), "dearer\n")
    copy(f"s3://upstream{prefix}")
    # Expect the changed one alone to be copied again
    assert sent(aws) == {"rates/rates.xml"}


def test_a_source_in_s3_is_known_by_its_etag_where_the_copy_has_another(aws: FakeAws, copy: Callable[..., Any]) -> None:
    aws.buckets["upstream"] = {}
    for name, text in FILES.items():
        aws.put("upstream", name, text, etag="0" * 32 + "-2")
    aws.opaque_etags = True
    copy("s3://upstream")
    copy("s3://upstream")
    assert sent(aws) == set()


def test_only_what_is_not_registered_is_new(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given the content of mappings converted before, and the day's usage crawled
    content = copy(folder)["content"]
    aws.partitions["mapping_versions", content["mappings"]] = "s3://the-data/warehouse/mapping_versions/"
    aws.partitions["raw_usage", DAY] = f"s3://the-data/raw/usage/dt={DAY}/"
    # Expect the others to be new
    assert sorted(copy(folder)["new"]) == ["locations", "rates"]


def test_a_missing_setting_is_reported_by_name(
    aws: FakeAws, settings_of: Callable[..., Any], context_of: Callable[..., Any]
) -> None:
    settings = settings_of(SMART_HUB_DATA_BUCKET="")
    with pytest.raises(AirflowFailException, match="SMART_HUB_DATA_BUCKET: not set"):
        CopyRawDataOperator(task_id="copy", settings=settings).execute(context_of())
    assert aws.calls == []


def test_counts_are_logged(
    folder: Path, copy: Callable[..., Any], aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(folder)
    (folder / "rates/rates.xml").write_text("dearer\n")
    aws.put(BUCKET, "raw/rates/old.xml", "old\n")
    copy(folder, SMART_HUB_MIRROR="true")
    logged = capsys.readouterr().out
    assert "rates/: 1 sent, 0 unchanged, 1 deleted" in logged
    assert f"usage/dt={DAY}/: 0 sent, 1 unchanged, 0 deleted" in logged


def test_many_files_are_all_sent(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    for number in range(100):
        (folder / f"usage/dt={DAY}/{number}.json").write_text(f"{number}\n")
    copy(folder)
    assert {raw(aws)[f"usage/dt={DAY}/{number}.json"] for number in range(100)} == {
        f"{number}\n" for number in range(100)
    }
