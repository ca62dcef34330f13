"""Step 1 copies intact compressed files, sets damaged ones aside and reports them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.fake_aws import BUCKET, DAY, FakeAws
from tests.plugins.core.test_compression import ZSTD
from tests.plugins.step_1 import FILES, HEADER, reads, sent, stored

Copy = Callable[..., dict[str, Any]]

USAGE = f"usage/dt={DAY}"
ASIDE = f"damaged/{USAGE}"
INTACT = gzip.compress(b"one\n", mtime=0) + gzip.compress(b"two\n", mtime=0)
TRUNCATED = INTACT[:-1]


def compressed(aws: FakeAws) -> dict[str, bytes]:
    """The stored objects without the uncompressed files of the source."""
    return {name: body for name, body in stored(aws).items() if name not in FILES}


def put(folder: Path, **files: bytes) -> None:
    """Writes files of the day: a_json_gz for a.json.gz."""
    for name, body in files.items():
        (folder / USAGE / name.replace("_", ".")).write_bytes(body)


@pytest.mark.parametrize(
    ("name", "body", "key"),
    [
        ("a.json.gz", INTACT, "a.json.gz"),
        ("a.json.zst", ZSTD, "a.json.zst"),
        # Athena would read the next two as text.
        ("A.JSON.GZ", INTACT, "A.JSON.gz"),
        ("A.Zst", ZSTD, "A.zst"),
    ],
)
def test_an_intact_file_is_copied_once(
    aws: FakeAws, folder: Path, copy: Copy, name: str, body: bytes, key: str
) -> None:
    (folder / USAGE / name).write_bytes(body)
    assert copy(folder)["damaged"] == []
    assert compressed(aws) == {f"{USAGE}/{key}": body}
    # expect it not to be sent or deleted again
    copy(folder, SMART_HUB_MIRROR="true")
    assert sent(aws) == set()
    assert compressed(aws) == {f"{USAGE}/{key}": body}


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("a.json.gz", TRUNCATED, "it is truncated in gzip member 2"),
        ("a.json.GZ", b"plain\n", "it is not gzip"),
        ("a.json.gz", b"", "it is empty"),
        ("a.json.zst", ZSTD[:-1], "it is truncated"),
    ],
)
def test_a_damaged_file_is_set_aside_and_reported(
    aws: FakeAws,
    folder: Path,
    copy: Copy,
    capsys: pytest.CaptureFixture[str],
    name: str,
    body: bytes,
    reason: str,
) -> None:
    (folder / USAGE / name).write_bytes(body)
    result = copy(folder)
    assert result["damaged"] == [f"{USAGE}/{name}"]
    assert stored(aws) == {**{name: text.encode() for name, text in FILES.items()}, f"{ASIDE}/{name}": body}
    warning = f"{folder}/{USAGE}/{name} is damaged and will not be used: {reason}. "
    assert warning in capsys.readouterr().out
    # when the day is run again, expect the same warning, and no file to be sent or deleted
    assert copy(folder, SMART_HUB_MIRROR="true") == result
    assert sent(aws) == set()
    assert aws.called("DeleteObjects") == []
    assert warning in capsys.readouterr().out


def test_damaged_files_are_listed_in_order(folder: Path, copy: Copy) -> None:
    put(folder, b_gz=TRUNCATED, a_zst=ZSTD[:-1], c_gz=INTACT)
    assert copy(folder)["damaged"] == [f"{USAGE}/a.zst", f"{USAGE}/b.gz"]


@pytest.mark.parametrize("mirror", ["true", "false"])
def test_a_damaged_file_replaces_its_earlier_version_until_it_is_repaired(
    aws: FakeAws, folder: Path, copy: Copy, mirror: str
) -> None:
    # given a day with an intact file
    put(folder, a_gz=INTACT)
    copy(folder, SMART_HUB_MIRROR=mirror)
    # when it is damaged, expect its earlier version to be deleted from the day
    put(folder, a_gz=TRUNCATED)
    assert copy(folder, SMART_HUB_MIRROR=mirror)["damaged"] == [f"{USAGE}/a.gz"]
    assert compressed(aws) == {f"{ASIDE}/a.gz": TRUNCATED}
    # when it is damaged in another way, expect the new version
    put(folder, a_gz=b"plain\n")
    assert copy(folder, SMART_HUB_MIRROR=mirror)["damaged"] == [f"{USAGE}/a.gz"]
    assert compressed(aws) == {f"{ASIDE}/a.gz": b"plain\n"}
    # when it is repaired, expect the damaged version to be deleted
    put(folder, a_gz=INTACT)
    assert copy(folder, SMART_HUB_MIRROR=mirror)["damaged"] == []
    assert compressed(aws) == {f"{USAGE}/a.gz": INTACT}


def test_mirroring_deletes_a_damaged_file_that_the_source_no_longer_has(aws: FakeAws, folder: Path, copy: Copy) -> None:
    put(folder, a_gz=TRUNCATED)
    copy(folder)
    (folder / USAGE / "a.gz").unlink()
    assert copy(folder)["damaged"] == []
    assert compressed(aws) == {f"{ASIDE}/a.gz": TRUNCATED}
    assert copy(folder, SMART_HUB_MIRROR="true")["damaged"] == []
    assert compressed(aws) == {}


def test_damaged_files_of_another_day_are_not_deleted(aws: FakeAws, folder: Path, copy: Copy) -> None:
    other = "raw/damaged/usage/dt=2019-12-22/a.gz"
    aws.put(BUCKET, other, TRUNCATED)
    put(folder, a_gz=INTACT)
    copy(folder, SMART_HUB_MIRROR="true")
    assert other in aws.buckets[BUCKET]


def test_a_file_that_was_copied_without_a_check_is_checked(aws: FakeAws, folder: Path, copy: Copy) -> None:
    # given a damaged file that an earlier release copied
    put(folder, a_gz=TRUNCATED)
    aws.put(BUCKET, f"raw/{USAGE}/a.gz", TRUNCATED)
    assert copy(folder)["damaged"] == [f"{USAGE}/a.gz"]
    assert compressed(aws) == {f"{ASIDE}/a.gz": TRUNCATED}


@pytest.mark.usefixtures("kms")
def test_with_opaque_etags_the_checksum_in_the_metadata_is_compared(aws: FakeAws, folder: Path, copy: Copy) -> None:
    put(folder, a_gz=INTACT, b_gz=TRUNCATED)
    assert copy(folder)["damaged"] == [f"{USAGE}/b.gz"]
    assert copy(folder)["damaged"] == [f"{USAGE}/b.gz"]
    assert sent(aws) == set()


def test_a_day_fails_if_all_its_files_are_damaged(aws: FakeAws, folder: Path, copy: Copy) -> None:
    # given a day that was copied
    put(folder, a_gz=INTACT, b_gz=INTACT)
    (folder / USAGE / "portland.json").unlink()
    copy(folder)
    before = compressed(aws)
    # when all its files are damaged
    put(folder, a_gz=TRUNCATED, b_gz=b"")
    with pytest.raises(AirflowFailException) as raised:
        copy(folder, SMART_HUB_MIRROR="true")
    assert str(raised.value) == (
        f"all files of {USAGE}/ are damaged: {folder}/{USAGE}/a.gz (it is truncated in gzip member 2),"
        f" {folder}/{USAGE}/b.gz (it is empty). Replace them in the source with intact files, and clear this task"
    )
    # expect nothing to be deleted
    assert before.items() <= compressed(aws).items()


@pytest.mark.parametrize("name", ["mappings/state=or/m.json.gz", "locations/state=or/l.csv.GZ", "rates/r.xml.zst"])
def test_damaged_reference_data_fail_the_run(aws: FakeAws, folder: Path, copy: Copy, name: str) -> None:
    (folder / name).write_bytes(TRUNCATED)
    with pytest.raises(AirflowFailException, match=rf"damaged: {folder}/{name} \(it is .*\)\. Replace them"):
        copy(folder)
    assert compressed(aws) == {}
    # when they are intact again, expect them to be copied
    (folder / name).write_bytes(ZSTD if name.endswith("zst") else gzip.compress(HEADER.encode()))
    copy(folder)
    assert len(compressed(aws)) == 1


def test_a_long_list_of_damaged_files_is_truncated(folder: Path, copy: Copy) -> None:
    (folder / USAGE / "portland.json").unlink()
    put(folder, **{f"{number:02}_gz": b"" for number in range(23)})
    with pytest.raises(AirflowFailException, match=r"/19\.gz \(it is empty\) and 3 more\. Replace"):
        copy(folder)


@pytest.fixture
def upstream(aws: FakeAws) -> str:
    """A source with the uncompressed files in another bucket."""
    aws.add_bucket("upstream")
    for name, text in FILES.items():
        aws.put("upstream", f"hubs/{name}", text)
    return "s3://upstream/hubs"


def test_an_object_of_the_source_is_read_once_for_the_check(aws: FakeAws, upstream: str, copy: Copy) -> None:
    intact, damaged = f"hubs/{USAGE}/a.json.gz", f"hubs/{USAGE}/b.json.zst"
    aws.put("upstream", intact, INTACT)
    aws.put("upstream", damaged, ZSTD[:-1])
    # when the day is copied, expect each compressed object of usage to be read once
    assert copy(upstream)["damaged"] == [f"{USAGE}/b.json.zst"]
    assert sorted(reads(aws, "usage/")) == [intact, damaged]
    assert compressed(aws) == {f"{USAGE}/a.json.gz": INTACT, f"{ASIDE}/b.json.zst": ZSTD[:-1]}
    # when it is copied again, expect no object to be read or sent
    assert copy(upstream)["damaged"] == [f"{USAGE}/b.json.zst"]
    assert (reads(aws), sent(aws)) == ([], set())
    # when one is repaired, expect only this one to be read
    aws.put("upstream", damaged, ZSTD)
    assert copy(upstream)["damaged"] == []
    assert reads(aws) == [damaged]
    assert compressed(aws) == {f"{USAGE}/a.json.gz": INTACT, f"{USAGE}/b.json.zst": ZSTD}


def test_an_object_that_is_replaced_after_its_check_is_not_copied(
    aws: FakeAws, upstream: str, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smart_hub.core import compression

    # given an object that is replaced while it is checked
    name = f"hubs/{USAGE}/a.json.gz"
    aws.put("upstream", name, INTACT)
    monkeypatch.setattr(compression, "check", lambda *_: aws.put("upstream", name, TRUNCATED))
    # expect an error, so that the retry uses the new object
    with pytest.raises(Exception, match="Precondition Failed"):
        copy(upstream)
    assert compressed(aws) == {}


def test_two_files_with_the_same_key_are_an_error(aws: FakeAws, upstream: str, copy: Copy) -> None:
    for name in ("a.GZ", "a.gz"):
        aws.put("upstream", f"hubs/{USAGE}/{name}", INTACT)
    with pytest.raises(AirflowFailException, match=rf"/{USAGE}/a\.GZ and {USAGE}/a\.gz would both be copied to"):
        copy(upstream)
    assert stored(aws) == {}
