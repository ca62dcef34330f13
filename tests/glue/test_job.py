"""The job as Glue runs it: arguments, S3, the catalog, exit."""

from __future__ import annotations

import io
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from conftest import Aws

VERSION = "v0123456789abcdef"


def xml(state: str, cents: str) -> bytes:
    """A flat rate of one state in December 2019."""
    return (
        f"<root><row><state>{state}</state><year>2019</year><month>12</month><from>00:00:00</from>"
        f"<to>23:59:59</to><type>peak</type><rate>{cents}</rate></row></root>"
    ).encode()


def arguments(aws: Aws, shared_content: ModuleType, version: str = VERSION) -> list[str]:
    raw = {key: etag for key, etag in aws.etags.items() if key.startswith("raw/rates/") and not key.endswith("/")}
    content = shared_content.content_hash(raw.items())
    return ["--data-bucket", "data", "--database", "smart_hub", "--content-hash", content, "--version", version]


@pytest.fixture
def rates(aws: Aws) -> Aws:
    """Three files on two pages of the listing, a folder's marker, and a file outside raw/rates/."""
    aws.put("raw/rates/", b"")
    aws.put("raw/rates/wa.xml", xml("wa", "3"))
    aws.put("raw/rates/2019/kälifornien & co.xml", xml("ca", "5.051"))
    aws.put("raw/rates/or.xml", xml("or", ".5"))
    aws.put("raw/rates_old/ca.xml", b"not XML")
    return aws


def test_converts_and_registers(
    script: ModuleType, rates: Aws, shared_content: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = arguments(rates, shared_content)
    content = argv[5]
    before = rates.etags
    rates.calls.clear()

    script.main(argv)

    location = f"s3://data/warehouse/rate_versions/content={content}/version={VERSION}/"
    key = f"warehouse/rate_versions/content={content}/version={VERSION}/rates.parquet"
    assert rates.calls.count("ListObjectsV2") > 1
    assert set(rates.etags) - set(before) == {key}
    table = pq.read_table(io.BytesIO(rates.s3.get_object(Bucket="data", Key=key)["Body"].read()))
    assert [(field.name, field.type) for field in table.schema] == [
        ("state", pa.string()),
        ("year", pa.int32()),
        ("month", pa.int32()),
        ("hour", pa.int32()),
        ("type", pa.string()),
        ("cents_per_kwh", pa.float64()),
    ]
    assert list(zip(*table.to_pydict().values())) == [
        (state, 2019, 12, hour, "peak", cents)
        for state, cents in (("ca", 5.051), ("or", 0.5), ("wa", 3.0))
        for hour in range(24)
    ]
    # the partition is the table's storage with another location
    assert rates.partitions == {content: {**rates.storage, "Location": location}}
    printed = capsys.readouterr().out
    assert "Reading 3 file(s) of s3://data/raw/rates/" in printed
    assert f"Wrote 72 rows to s3://data/{key}" in printed
    assert f"Registered partition {content} of smart_hub.rate_versions" in printed


@pytest.mark.parametrize("other", ["v0000000000000000", "vfedcba9876543210"])
def test_the_first_registration_wins(
    script: ModuleType, rates: Aws, shared_content: ModuleType, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    # given a registered content
    script.main(arguments(rates, shared_content))
    objects, partitions = rates.etags, rates.partitions
    # when another run converts it again, expect success and no change
    script.main(arguments(rates, shared_content, version=other))
    assert rates.calls[-1] == "DeleteObject"
    assert rates.etags == objects
    assert rates.partitions == partitions
    assert f"exists already at s3://data/warehouse/rate_versions/content={arguments(rates, shared_content)[5]}" in (
        capsys.readouterr().out
    )


def test_a_repeated_attempt_of_one_version_keeps_its_own_file(
    script: ModuleType, rates: Aws, shared_content: ModuleType
) -> None:
    script.main(arguments(rates, shared_content))
    objects = rates.etags
    script.main(arguments(rates, shared_content))
    assert rates.etags == objects
    assert "DeleteObject" not in rates.calls


@pytest.mark.parametrize("change", ["replaced", "added", "removed"])
def test_raw_data_must_not_change_after_step_1(
    script: ModuleType, rates: Aws, shared_content: ModuleType, change: str
) -> None:
    argv = arguments(rates, shared_content)
    if change == "removed":
        rates.delete("raw/rates/or.xml")
    else:
        rates.put(f"raw/rates/{'or' if change == 'replaced' else 'az'}.xml", xml("az", "1"))
    objects = rates.etags

    with pytest.raises(script.RatesError) as caught:
        script.main(argv)

    assert "s3://data/raw/rates/ has changed since step 1" in str(caught.value)
    assert argv[5] in str(caught.value)
    assert "start the run again from step_1_copy_raw_data" in str(caught.value)
    assert rates.etags == objects
    assert not rates.partitions


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_raw_data_must_not_change_between_listing_and_reading(
    script: ModuleType,
    rates: Aws,
    shared_content: ModuleType,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argv = arguments(rates, shared_content)
    content_hash = script.content_hash

    def listed(objects: object) -> str:
        found: str = content_hash(objects)
        if change == "removed":
            rates.delete("raw/rates/wa.xml")
        else:
            rates.put("raw/rates/wa.xml", xml("wa", "4"))
        return found

    monkeypatch.setattr(script, "content_hash", listed)
    with pytest.raises(script.RatesError, match=r"raw/rates/wa.xml was replaced or removed\): start the run again"):
        script.main(argv)
    assert not rates.partitions


def test_bad_data_registers_and_writes_nothing(script: ModuleType, rates: Aws, shared_content: ModuleType) -> None:
    rates.put("raw/rates/wa.xml", xml("wa", "-3"))
    argv = arguments(rates, shared_content)
    rates.calls.clear()
    with pytest.raises(script.RatesError, match=r"^s3://data/raw/rates/wa.xml, row 1, line 1, field rate in line 1"):
        script.main(argv)
    assert {"PutObject", "CreatePartition"}.isdisjoint(rates.calls)


def test_an_empty_file_is_an_error(script: ModuleType, rates: Aws, shared_content: ModuleType) -> None:
    rates.put("raw/rates/az.xml", b"")
    with pytest.raises(script.RatesError, match=r"^s3://data/raw/rates/az.xml, row 0, line 1: no element found"):
        script.main(arguments(rates, shared_content))


def test_a_source_without_files_is_an_error(script: ModuleType, aws: Aws, shared_content: ModuleType) -> None:
    with pytest.raises(script.RatesError, match="no rates in raw/rates/"):
        script.main(arguments(aws, shared_content))


def test_other_errors_of_aws_pass_through(script: ModuleType, rates: Aws, shared_content: ModuleType) -> None:
    argv = arguments(rates, shared_content)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        script.main(["--data-bucket", "elsewhere", *argv[2:]])


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [("raw/rates/b.xml", '"e1"'), ("raw/rates/a.xml", '"e2-7"')],
        [("raw/rates/é.xml", "e1"), ("raw/rates/z.xml", "e2")],
    ],
)
def test_the_content_hash_is_that_of_the_package(
    script: ModuleType, shared_content: ModuleType, objects: list[tuple[str, str]]
) -> None:
    assert script.content_hash(objects) == shared_content.content_hash(objects)


WANTED = {"--data-bucket": "b", "--database": "d", "--content-hash": "c", "--version": "v1"}
GIVEN = [part for pair in WANTED.items() for part in pair]


@pytest.mark.parametrize(
    "argv",
    [
        GIVEN,
        [f"{name}={value}" for name, value in WANTED.items()],
        # a Python shell job
        [
            "--job-language",
            "python",
            "--TempDir",
            "s3://t/",
            *GIVEN,
            "--JOB_NAME",
            "smart-hub-rates",
            "JOB_RUN_ID",
        ],
        # a Spark job
        [
            *("true", "--job-bookmark-option", "job-bookmark-disable", "--extra-files", "s3://a/b,s3://a/c"),
            *GIVEN,
            *("--enable-metrics", "--JOB_ID", "j_1", "--JOB_RUN_ID", "jr_1", "--SECURITY_CONFIGURATION"),
        ],
    ],
)
def test_arguments_as_glue_passes_them(script: ModuleType, argv: list[str]) -> None:
    assert script.parse_arguments(argv) == WANTED


@pytest.mark.parametrize("name", list(WANTED))
@pytest.mark.parametrize("how", ["absent", "without a value", "empty"])
def test_a_missing_argument_is_named(script: ModuleType, name: str, how: str) -> None:
    at = GIVEN.index(name)
    instead = {"absent": [], "without a value": [name], "empty": [name, ""]}[how]
    with pytest.raises(script.RatesError, match=f"^argument {name} is missing"):
        script.parse_arguments(GIVEN[:at] + instead + GIVEN[at + 2 :])


def test_the_script_exits_with_an_error_whose_last_line_says_why(script: ModuleType) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(script.__file__),
            "--data-bucket",
            "b",
            "--database",
            "d",
            "--JOB_NAME",
            "smart-hub-rates",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "RatesError: argument --content-hash is missing" in done.stderr.splitlines()[-1]
