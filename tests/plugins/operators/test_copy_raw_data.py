"""Step 1: which files are sent, skipped, deleted and reported."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.fake_aws import BUCKET, DAY, MAX_DELETED, RUN, FakeAws
from tests.plugins.step_1 import FILES, HEADER, raw, sent

# Of "p\n", by `printf 'p\n' | md5sum`.
MD5_OF_USAGE = "9d7bf075372908f55e2d945c39e0a613"


def test_everything_is_sent_to_an_empty_bucket(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given a source that has usage of another day, too
    other = folder / "usage/dt=2019-12-22/portland.json"
    other.parent.mkdir()
    other.write_text("other day\n")
    # When the day is copied
    result = copy(folder)
    # Expect the files of the day only, and all data sets to be new
    assert raw(aws) == FILES
    assert sorted(result["new"]) == ["locations", "mappings", "rates"]
    assert sorted(result["crawl"]) == ["locations", "mappings", "rates", "usage"]
    assert result["damaged"] == []
    # and the run's id
    assert aws.buckets[BUCKET][f"staging/{RUN}/run_id"].value == b"manual__1"


def test_content_hashes_are_those_of_the_raw_objects(folder: Path, copy: Callable[..., Any]) -> None:
    # printf "raw/rates/rates.xml\t$(printf 'r\n' | md5sum | cut -c1-32)\n" | sha256sum, and so on
    assert copy(folder)["content_hashes"] == {
        "mappings": "ea54e347c13e0b4334c7fdee621727607579343e08d1f26483b327cb308e8159",
        "locations": "db65e035f8f3fa1025e6ec8d568884fa3e90f4751e63e9007507cf21b47cf408",
        "rates": "dfe4ee04d93a67f330f0d5f0507c8f28b88b8f29ff4c77eaf2b941b94d417a69",
    }


def test_an_unchanged_file_is_not_sent_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    copy(folder)
    copy(folder)
    assert sent(aws) == set()
    # ETags are enough, except for locations: the metadata of the object say that the header was checked
    assert [call["Key"] for call in aws.called("HeadObject")] == ["raw/locations/state=or/portland.csv"]


def test_a_changed_file_is_sent_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    before = copy(folder)
    (folder / "rates/rates.xml").write_text("dearer\n")
    after = copy(folder)
    assert sent(aws) == {"rates/rates.xml"}
    assert raw(aws)["rates/rates.xml"] == "dearer\n"
    assert after["content_hashes"]["rates"] != before["content_hashes"]["rates"]
    assert after["content_hashes"]["mappings"] == before["content_hashes"]["mappings"]


@pytest.mark.usefixtures("kms")
def test_with_opaque_etags_the_checksum_in_the_metadata_is_compared(
    aws: FakeAws, folder: Path, copy: Callable[..., Any]
) -> None:
    copy(folder)
    stored = aws.client("s3").head_object(Bucket=BUCKET, Key=f"raw/usage/dt={DAY}/portland.json")
    assert stored["Metadata"] == {"source-md5": MD5_OF_USAGE}
    assert stored["ETag"] != f'"{MD5_OF_USAGE}"'
    # When one of four files changes
    (folder / "rates/rates.xml").write_text("dearer\n")
    copy(folder)
    # Expect only this file to be sent
    assert sent(aws) == {"rates/rates.xml"}


def test_without_mirroring_nothing_is_deleted(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    aws.put(BUCKET, f"raw/usage/dt={DAY}/gone.json", "gone\n")
    copy(folder)
    assert f"usage/dt={DAY}/gone.json" in raw(aws)
    assert aws.called("DeleteObjects") == []


def test_mirroring_deletes_what_the_source_no_longer_has(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given files that the source no longer has, usage of another day, and a published day
    for key in (
        f"raw/usage/dt={DAY}/gone.json",
        "raw/mappings/state=wa/gone.json",
        "raw/usage/dt=2019-12-20/kept.json",
        f"warehouse/usage_cost/dt={DAY}/version=v0123456789abcdef/kept",
    ):
        aws.put(BUCKET, key, "before\n")
    # When the day is copied with mirroring on
    copy(folder, SMART_HUB_MIRROR="true")
    # Expect the raw data of the source, and the rest unchanged
    assert raw(aws) == {**FILES, "usage/dt=2019-12-20/kept.json": "before\n"}
    assert any(key.startswith("warehouse/") for key in aws.buckets[BUCKET])


def test_files_of_several_pages_are_all_copied_and_hashed(
    aws: FakeAws, copy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given listings of two objects a page, and two pages of usage and of mappings each
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    aws.add_bucket("upstream")
    for folder in (f"usage/dt={DAY}", "mappings/state=or"):
        for number in range(3):
            aws.put("upstream", f"{folder}/{number}.json", f"{folder} {number}\n")
    aws.put("upstream", "rates/rates.xml", "r\n")
    aws.put("upstream", "locations/state=or/portland.csv", HEADER)
    # When the day is copied, expect every file, and the content hash of all mappings
    result = copy("s3://upstream")
    assert raw(aws) == {name: stored.value.decode() for name, stored in aws.buckets["upstream"].items()}
    mappings = {name: text.encode() for name, text in sorted(raw(aws).items()) if name.startswith("mappings/")}
    lines = (f"raw/{name}\t{hashlib.md5(body).hexdigest()}\n" for name, body in mappings.items())
    assert result["content_hashes"]["mappings"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    # When it is copied again, expect no file to be sent
    copy("s3://upstream")
    assert sent(aws) == set()


def test_more_files_than_one_request_deletes_are_all_deleted(
    aws: FakeAws, folder: Path, copy: Callable[..., Any]
) -> None:
    for number in range(MAX_DELETED + 1):
        aws.put(BUCKET, f"raw/usage/dt={DAY}/{number:04}.json")
    copy(folder, SMART_HUB_MIRROR="true")
    assert raw(aws) == FILES
    assert [len(call["Delete"]["Objects"]) for call in aws.called("DeleteObjects")] == [MAX_DELETED, 1]


@pytest.mark.parametrize("data_set", [f"usage/dt={DAY}", "mappings", "locations", "rates"])
def test_an_empty_listing_fails_and_changes_nothing(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], data_set: str
) -> None:
    # Given raw data, and a source without one data set
    copy(folder)
    before = raw(aws)
    for path in (folder / data_set).rglob("*.*"):
        path.rename(folder / path.name)
    (folder / "rates" / "more.xml").parent.mkdir(exist_ok=True)
    # When it is mirrored, expect an error that names the folder, and no file to be deleted or sent
    with pytest.raises(AirflowFailException, match=f"no file under {folder}/{data_set}/"):
        copy(folder, SMART_HUB_MIRROR="true")
    assert raw(aws) == before
    assert sent(aws) == set()


def test_a_day_without_usage_is_skipped_if_the_setting_says_so(
    aws: FakeAws, folder: Path, copy: Callable[..., Any]
) -> None:
    # Given a source that has all but the day's usage
    (folder / "usage" / f"dt={DAY}" / "portland.json").unlink()
    with pytest.raises(AirflowSkipException, match=f"no file under {folder}/usage/dt={DAY}/"):
        copy(folder, SMART_HUB_SKIP_EMPTY_DAYS="true", SMART_HUB_MIRROR="true")
    # Expect an error if more is missing: the source can be mistyped
    (folder / "rates" / "rates.xml").unlink()
    with pytest.raises(AirflowFailException, match=f"no file under {folder}/rates/"):
        copy(folder, SMART_HUB_SKIP_EMPTY_DAYS="true", SMART_HUB_MIRROR="true")
    assert raw(aws) == {}


def test_a_missing_source_is_an_error_of_its_setting(copy: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"SMART_HUB_SOURCE: expected a folder that exists.*/sorce'"):
        copy(tmp_path / "sorce")
    with pytest.raises(AirflowFailException, match="SMART_HUB_SOURCE: the bucket no-such does not exist"):
        copy("s3://no-such/prefix")


def test_a_file_outside_its_partitions_folder_is_an_error(folder: Path, copy: Callable[..., Any]) -> None:
    (folder / "mappings" / "stray.json").write_text("m\n")
    with pytest.raises(AirflowFailException, match=r"mappings/stray.json lies outside a folder mappings/state"):
        copy(folder)


def test_files_that_athena_ignores_are_not_copied(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rates" / ".DS_Store").write_text("x")
    (folder / "rates" / "_SUCCESS").write_text("x")
    copy(folder)
    assert raw(aws) == FILES
    assert "rates/.DS_Store, rates/_SUCCESS" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["", "/export/hubs"])
def test_objects_are_copied_within_s3(aws: FakeAws, copy: Callable[..., Any], prefix: str) -> None:
    # Given the raw files in another bucket
    aws.add_bucket("upstream")
    for name, text in FILES.items():
        aws.put("upstream", f"{prefix}/{name}".lstrip("/"), text)
    # When they are copied, one changes, and they are copied again
    copy(f"s3://upstream{prefix}/")
    assert raw(aws) == FILES
    assert [call for call in aws.called("PutObject") if call["Key"].startswith("raw/")] == []
    aws.put("upstream", f"{prefix}/rates/rates.xml".lstrip("/"), "dearer\n")
    copy(f"s3://upstream{prefix}")
    # Expect only the changed one to be copied again
    assert sent(aws) == {"rates/rates.xml"}


def test_an_object_whose_copy_has_another_etag_is_not_copied_again(aws: FakeAws, copy: Callable[..., Any]) -> None:
    aws.add_bucket("upstream")
    for name, text in FILES.items():
        aws.put("upstream", name, text, etag="0" * 32 + "-2")  # uploaded in two parts
    copy("s3://upstream")
    copy("s3://upstream")
    assert sent(aws) == set()


def test_registered_contents_are_not_converted_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given mappings whose content is registered
    content = copy(folder)["content_hashes"]
    aws.partitions["mapping_versions", content["mappings"]] = "s3://the-data/warehouse/mapping_versions/"
    # Expect the others to be new
    assert sorted(copy(folder)["new"]) == ["locations", "rates"]


def test_partitions_in_the_catalog_are_not_crawled_again(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    # Given a day that was crawled, and rates that were converted
    content = copy(folder)["content_hashes"]
    aws.crawl()
    aws.partitions["rate_versions", content["rates"]] = "s3://the-data/warehouse/rate_versions/"
    assert copy(folder)["crawl"] == []
    # When a late file of usage, and other mappings and locations of the same state arrive, expect no crawl
    (folder / "usage" / f"dt={DAY}" / "salem.json").write_text("late\n")
    (folder / "mappings" / "state=or" / "portland.json").write_text("other\n")
    (folder / "locations" / "state=or" / "salem.csv").write_text(HEADER)
    result = copy(folder)
    assert result["crawl"] == []
    assert sorted(result["new"]) == ["locations", "mappings"]
    # When the rates change, expect a crawl of their table, which has no partitions
    (folder / "rates" / "rates.xml").write_text("dearer\n")
    assert copy(folder)["crawl"] == ["rates"]


def test_a_day_or_state_that_is_missing_in_the_catalog_is_crawled(
    aws: FakeAws, folder: Path, copy: Callable[..., Any]
) -> None:
    content = copy(folder)["content_hashes"]
    aws.crawl()
    aws.partitions["rate_versions", content["rates"]] = "s3://the-data/warehouse/rate_versions/"
    # Given locations of a new state, and a folder of mappings with only an empty file
    for name, text in (("locations/state=wa/seattle.csv", HEADER), ("mappings/state=wa/seattle.json", "")):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    assert copy(folder)["crawl"] == ["locations"]
    # Given a day without a partition
    del aws.partitions["raw_usage", DAY]
    assert copy(folder)["crawl"] == ["usage", "locations"]


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


def test_links_are_followed_and_their_names_are_kept(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], tmp_path: Path
) -> None:
    # Given links to a state's folder, to a folder in a day, and to a file
    elsewhere = tmp_path / "elsewhere"
    for name, text in (("state=nj/newark.csv", HEADER), ("more/deep/salem.json", "s\n"), ("rates.xml", "x\n")):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(text)
    (folder / "locations" / "state=nj").symlink_to(elsewhere / "state=nj")
    (folder / "usage" / f"dt={DAY}" / "more").symlink_to(elsewhere / "more", target_is_directory=True)
    (folder / "rates" / "more.xml").symlink_to(elsewhere / "rates.xml")
    copy(folder)
    # Expect their files
    assert raw(aws) == {
        **FILES,
        "locations/state=nj/newark.csv": HEADER,
        f"usage/dt={DAY}/more/deep/salem.json": "s\n",
        "rates/more.xml": "x\n",
    }


def test_a_day_and_a_data_set_that_are_links_are_followed(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], tmp_path: Path
) -> None:
    for name in (f"usage/dt={DAY}", "locations"):
        (folder / name).rename(tmp_path / "moved")
        (folder / name).symlink_to(tmp_path / "moved")
        copy(folder)
        (folder / name).unlink()
        (tmp_path / "moved").rename(folder / name)
        assert raw(aws) == FILES


def test_two_links_to_one_folder_are_both_followed(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.json").write_text("a\n")
    for state in ("wa", "ca"):
        (folder / "mappings" / f"state={state}").symlink_to(tmp_path / "shared")
    copy(folder)
    assert {"mappings/state=wa/a.json", "mappings/state=ca/a.json"} <= raw(aws).keys()


def test_cyclic_and_broken_links_are_reported(
    aws: FakeAws, folder: Path, copy: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Given links to their folder, the source, each other, themselves and a missing file; and a pipe
    day = folder / "usage" / f"dt={DAY}"
    (day / "itself").symlink_to(day)
    (day / "source").symlink_to(folder)
    (day / "round").symlink_to(day / "round")
    (day / "nowhere").symlink_to(folder / "nothing")
    for one, other in (("a", "b"), ("b", "a")):
        (folder / "mappings" / f"state={one}").mkdir()
        (folder / "mappings" / f"state={one}" / f"{one}.json").write_text(f"{one}\n")
        (folder / "mappings" / f"state={one}" / other).symlink_to(folder / "mappings" / f"state={other}")
    os.mkfifo(day / "pipe")
    copy(folder)
    # Expect each file once for each acyclic path
    assert sorted(set(raw(aws)) - set(FILES)) == [
        "mappings/state=a/a.json",
        "mappings/state=a/b/b.json",
        "mappings/state=b/a/a.json",
        "mappings/state=b/b.json",
    ]
    # Expect warnings about the others
    for name, reason in (
        ("itself", "a link to a folder that contains it"),
        ("source", "a link to a folder that contains it"),
        ("round", "a broken link"),
        ("nowhere", "a broken link"),
        ("pipe", "neither a file nor a folder"),
    ):
        assert f"{day / name} is skipped: it is {reason}" in caplog.messages


def test_an_unreadable_folder_is_an_error(
    folder: Path, copy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, iterdir = folder / "mappings" / "state=or", Path.iterdir

    def refuse(path: Path) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PermissionError, match="state=or"):
        copy(folder)


def test_an_empty_file_is_copied(aws: FakeAws, folder: Path, copy: Callable[..., Any]) -> None:
    (folder / "usage" / f"dt={DAY}" / "empty.json").touch()
    copy(folder)
    assert raw(aws) == {**FILES, f"usage/dt={DAY}/empty.json": ""}
