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
@pytest.mark.parametrize("suffix", ["", ".gz", ".ZST"])
def test_locations_with_a_header_are_copied_as_they_are(
    aws: FakeAws, folder: Path, copy: Copy, text: str, suffix: str
) -> None:
    body = text.encode()
    if suffix:
        body = gzip.compress(body) if suffix == ".gz" else pa.compress(body, "zstd", asbytes=True)
    (folder / LOCATIONS).unlink()
    (folder / f"{LOCATIONS}{suffix}").write_bytes(body)
    copy(folder)
    assert stored(aws)[f"{LOCATIONS}{suffix.lower()}"] == body
    # expect it not to be sent again
    copy(folder)
    assert sent(aws) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (BARE, BARE.strip()[:100]),
        (f"\n{BARE}{HEADER}", BARE.strip()[:100]),
        (COLUMNS.replace("lon,lat", "lat,lon"), COLUMNS.replace("lon,lat", "lat,lon")[:100]),
        (COLUMNS.removesuffix(",tz"), COLUMNS.removesuffix(",tz")),
        (COLUMNS.replace(",", ";"), COLUMNS.replace(",", ";")),
        ("HASH,TZ\n", "HASH,TZ"),
    ],
    ids=["none", "one below", "another order", "a column less", "semicolons", "two columns"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_locations_without_their_header_fail_the_run(
    aws: FakeAws, folder: Path, copy: Copy, text: str, found: str, suffix: str
) -> None:
    (folder / f"{LOCATIONS}{suffix}").write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    message = (
        f"{folder}/{LOCATIONS}{suffix}: the first line should be the header {COLUMNS}, but it is {found!r}: the header"
        " is missing, or its columns are in another order. Fix the file in the source, and clear this task"
    )
    with pytest.raises(AirflowFailException, match=f"^{re.escape(message)}$"):
        copy(folder)
    assert f"{LOCATIONS}{suffix}" not in stored(aws)


def test_locations_that_cannot_be_read_here_are_copied_unchecked(aws: FakeAws, folder: Path, copy: Copy) -> None:
    (folder / f"{LOCATIONS}.bz2").write_bytes(b"BZh9")
    copy(folder)
    assert stored(aws)[f"{LOCATIONS}.bz2"] == b"BZh9"


def test_locations_that_lie_there_without_a_check_are_checked(aws: FakeAws, copy: Copy) -> None:
    # given a file without a header that an earlier release copied from another bucket
    aws.buckets["upstream"] = {}
    for name, text in FILES.items():
        aws.put("upstream", f"hubs/{name}", text)
    aws.put("upstream", f"hubs/{LOCATIONS}", BARE)
    aws.put(BUCKET, f"raw/{LOCATIONS}", BARE)
    with pytest.raises(AirflowFailException, match="the first line should be the header"):
        copy("s3://upstream/hubs")
    # when the header is added, expect the file to be read once
    aws.put("upstream", f"hubs/{LOCATIONS}", HEADER + BARE)
    copy("s3://upstream/hubs")
    assert reads(aws) == [f"hubs/{LOCATIONS}"]
    copy("s3://upstream/hubs")
    assert (reads(aws), sent(aws)) == ([], set())
