"""Raw files with any bytes: each line is either used or rejected with its text. odd_lines.py has hand-picked lines."""

import gzip
import json
import re
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from localaws.testing import StatementFailed
from tests.sql.conftest import CONTENT_HASHES, NEW_YORK, RawDay, reading

DAY = "2019-11-05"
MIDNIGHT = 1572930000  # of the day in New York: 05:00 UTC
MEGABYTE = 1024 * 1024

TEXTS = st.one_of(
    st.sampled_from(
        ["'; DROP TABLE usage; --", '" OR 1=1', "{{ table }}", "\\", "Zürich 🏠", "$path", "%s", "NaN", "", NEW_YORK]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00\x01"), max_size=20),
)


def line(hub: str, ts: int, escaped: bool) -> str:
    return json.dumps({"loc_id": hub, "ts": ts, "data": {"s_01": 0}}, ensure_ascii=escaped)


# Any text for a line, and readings with any text for a hub.
LINES = st.one_of(TEXTS, st.builds(line, TEXTS, st.integers(MIDNIGHT, MIDNIGHT + 3600), st.booleans()))

# The rows, or the reason of a failed query.
Rejected = Callable[..., tuple[list[tuple[str | None, ...]], str]]


@pytest.fixture(scope="module")
def rejected(day: RawDay) -> Rejected:
    """Reason and line of all rejected lines of a day with these files, name -> body."""
    athena, numbers = day.athena, count()
    prefix = f"raw/usage/dt={DAY}/"

    def run(**files: bytes) -> tuple[list[tuple[str | None, ...]], str]:
        for key in athena.keys(prefix):
            athena.s3.delete_object(Bucket=athena.bucket, Key=key)
        for name, body in files.items():
            athena.s3.put_object(Bucket=athena.bucket, Key=f"{prefix}{name.replace('_', '.')}", Body=body)
        readings, cost, rejects = (f"hostile_{kind}_{next(numbers)}" for kind in ("readings", "cost", "rejects"))
        try:
            readings = day.readings(readings, DAY)
            day.make("transform/usage_cost", cost, readings_table=readings, **CONTENT_HASHES)
            day.make("transform/usage_rejects", rejects, readings_table=readings, cost_table=cost)
        except StatementFailed as error:
            return [], str(error)
        return athena.rows(f"SELECT reason, line FROM {rejects} WHERE sensor IS NULL"), ""

    return run


@given(lines=st.lists(LINES, min_size=1, max_size=60))
# Not shrunk: each example takes three queries.
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_hostile_lines_are_rejected_unchanged(day: RawDay, rejected: Rejected, lines: list[str]) -> None:
    # given a valid reading, and lines of which those of its hub are used too, one for each interval
    used = reading(NEW_YORK, MIDNIGHT + 7200)
    mine = {json.loads(text)["ts"] for text in lines if text.startswith(f'{{"loc_id": "{NEW_YORK}"')}

    found, refusal = rejected(a_json="".join(f"{text}\n" for text in [used, *lines]).encode())

    # expect each of the other non-blank lines to be rejected with its text
    assert refusal == ""
    blank = [text for text in lines if not re.search(r"[^\t-\r ]", text)]
    assert len(found) == len(lines) - len(blank) - len(mine)
    assert {text for _, text in found} <= set(lines)


def test_a_line_of_ten_megabytes_is_rejected_unchanged(rejected: Rejected) -> None:
    long = "x" * (10 * MEGABYTE)

    found, _ = rejected(a_json=f"{reading(NEW_YORK, MIDNIGHT)}\n{long}\n".encode())

    assert [(reason, text == long) for reason, text in found] == [("malformed", True)]


def test_a_gzip_bomb_is_rejected_or_refused_by_name(rejected: Rejected) -> None:
    # given one line of 60 megabytes, compressed to 60 kilobytes, and one of 200 megabytes, compressed to 200
    small, large = (gzip.compress(b"x" * (size * MEGABYTE)) for size in (60, 200))
    assert len(large) < MEGABYTE
    used = gzip.compress(reading(NEW_YORK, MIDNIGHT).encode())

    found, _ = rejected(a_json_gz=used, b_json_gz=small)
    assert [reason for reason, _ in found] == ["malformed"]
    _, refusal = rejected(a_json_gz=used, b_json_gz=large)
    assert re.search(r"NOT_SUPPORTED: a line of more than 67108864 bytes, in s3://.*/b\.json\.gz,", refusal)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe\x00", b"\x80\n", '{"x":1}\n'.encode("utf-16"), b'{"x"\x00:1}', b"a\rb\r"],
    ids=["two bytes", "latin-1", "utf-16", "a NUL byte", "lines that end in CR"],
)
def test_a_file_of_any_bytes_is_rejected_line_by_line(rejected: Rejected, body: bytes) -> None:
    found, refusal = rejected(a_json=reading(NEW_YORK, MIDNIGHT).encode(), b_json=body)

    assert refusal == ""
    assert {reason for reason, _ in found} == {"malformed"}


def test_the_error_about_an_invalid_gzip_file_names_it(rejected: Rejected) -> None:
    # Step 1 would set such a file aside; this test puts it in the table's folder.
    _, refusal = rejected(a_json=reading(NEW_YORK, MIDNIGHT).encode(), b_json_gz=b"\x1f\x8b\x08 cut off")

    assert re.search(r"HIVE_CURSOR_ERROR: .*b\.json\.gz", refusal)
