"""Step 1 copies files of locations with a header unchanged, and fails if a file has no header."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.fake_aws import BUCKET, FakeAws
from tests.plugins.step_1 import FILES, HEADER, reads, sent, stored

Copy = Callable[..., dict[str, Any]]

COLUMNS = HEADER.strip()
LOCATIONS = "locations/state=or/portland.csv"
BARE = "-122.6,45.5,1,Elm Street,,Portland,,OR,97201,,a1,America/Los_Angeles\n"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + BARE,
        HEADER.upper(),
        " Lon , LAT,number,street,unit,city,district,region,postcode,id, hash ,tz \r\n",
        ",".join(f'"{name}"' for name in COLUMNS.split(",")) + "\n",
        f'\ufeff"lon" , "lat"{COLUMNS[7:]}\n',
        f"{COLUMNS},comment,\n{BARE}",
        f"\n \t\r\n{HEADER}",
        f"\ufeff\n{HEADER}",
        f"{COLUMNS}\r{BARE.strip()}\r",
        COLUMNS,
        "",
        "\n\n",
    ],
    ids=[
        "as it should be",
        "capitals",
        "blanks",
        "quotes",
        "a byte-order mark",
        "further columns",
        "after blank lines",
        "a blank line with a mark",
        "lines that end in CR",
        "no line break",
        "empty",
        "blank lines alone",
    ],
)
def test_locations_with_a_header_are_copied_unchanged(aws: FakeAws, folder: Path, copy: Copy, text: str) -> None:
    (folder / LOCATIONS).write_bytes(text.encode())
    copy(folder)
    assert stored(aws)[LOCATIONS] == text.encode()


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        (".gz", gzip.compress(f"\n{HEADER}{BARE}".encode())),
        (".ZST", pa.compress(f"\n{HEADER}{BARE}".encode(), "zstd", asbytes=True)),
    ],
)
def test_compressed_locations_with_a_header_are_copied_once(
    aws: FakeAws, folder: Path, copy: Copy, suffix: str, body: bytes
) -> None:
    (folder / f"{LOCATIONS}{suffix}").write_bytes(body)
    copy(folder)
    assert stored(aws)[f"{LOCATIONS}{suffix.lower()}"] == body
    copy(folder)
    assert sent(aws) == set()


@pytest.mark.parametrize(
    ("text", "first_line", "suffix"),
    [
        (BARE, BARE.strip()[:100], ""),
        (BARE, BARE.strip()[:100], ".gz"),
        (f"\n{BARE}{HEADER}", BARE.strip()[:100], ""),
        (COLUMNS.replace("lon,lat", "lat,lon"), COLUMNS.replace("lon,lat", "lat,lon")[:100], ""),
        (COLUMNS.removesuffix(",tz"), COLUMNS.removesuffix(",tz"), ""),
        (COLUMNS.replace(",", ";"), COLUMNS.replace(",", ";"), ""),
        ("HASH,TZ\n", "HASH,TZ", ""),
    ],
    ids=["none", "none, gzip", "in the second line", "another order", "a column missing", "semicolons", "two columns"],
)
def test_locations_without_their_header_fail_the_run(
    aws: FakeAws, folder: Path, copy: Copy, text: str, first_line: str, suffix: str
) -> None:
    (folder / f"{LOCATIONS}{suffix}").write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    message = (
        f"{folder}/{LOCATIONS}{suffix}: the first line should be the header {COLUMNS}, but it is {first_line!r}: the"
        " header is missing, or its columns are in another order. Fix the file in the source, and clear this task"
    )
    with pytest.raises(AirflowFailException, match=f"^{re.escape(message)}$"):
        copy(folder)
    assert f"{LOCATIONS}{suffix}" not in stored(aws)


def test_locations_in_an_unsupported_compression_are_copied_without_a_check(
    aws: FakeAws, folder: Path, copy: Copy
) -> None:
    (folder / f"{LOCATIONS}.bz2").write_bytes(b"BZh9")
    copy(folder)
    assert stored(aws)[f"{LOCATIONS}.bz2"] == b"BZh9"


def test_locations_that_were_copied_without_a_check_are_checked(aws: FakeAws, copy: Copy) -> None:
    # given a file without a header that an earlier release copied from another bucket
    aws.add_bucket("upstream")
    for name, text in FILES.items():
        aws.put("upstream", f"hubs/{name}", text)
    aws.put("upstream", f"hubs/{LOCATIONS}", BARE)
    aws.put(BUCKET, f"raw/{LOCATIONS}", BARE)
    with pytest.raises(AirflowFailException, match="the first line should be the header"):
        copy("s3://upstream/hubs")
    # when the header is added, expect one read, and none afterwards
    aws.put("upstream", f"hubs/{LOCATIONS}", HEADER + BARE)
    copy("s3://upstream/hubs")
    assert reads(aws) == [f"hubs/{LOCATIONS}"]
    copy("s3://upstream/hubs")
    assert (reads(aws), sent(aws)) == ([], set())
