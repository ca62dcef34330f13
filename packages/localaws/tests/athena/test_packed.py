"""Compressed text files are read like in Trino: every line of an intact file, an error for a damaged one.

The expected results are those of Trino 476's own decompressors, JdkGzipHadoopStreams and ZstdHadoopStreams.
"""

import gzip
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from localaws.athena.catalog import OPEN_CSV, TEXT
from localaws.athena.duck import packed
from localaws.athena.duck.engine import as_query_error
from localaws.athena.duck.serdes import READERS
from localaws.athena.errors import QueryError
from localaws.testing.sql import table

pytestmark = pytest.mark.unit

LINES = replace(table("lines", "line string"), serde=TEXT, serde_parameters={"field.delim": "\x01"})

# Of "one\ntwo\n" and of nothing, by zstd 1.5.4; then with --no-check and --long=27.
ZSTD = bytes.fromhex("28b52ffd04584100006f6e650a74776f0ae6a60e40")
ZSTD_OF_NOTHING = bytes.fromhex("28b52ffd240001000099e9d851")
ZSTD_WITHOUT_CHECKSUM = bytes.fromhex("28b52ffd00584100006f6e650a74776f0a")
ZSTD_WITH_LARGE_WINDOW = bytes.fromhex("28b52ffd04884100006f6e650a74776f0ae6a60e40")
SKIPPABLE = struct.pack("<II", 0x184D2A50, 3) + b"abc"

TWO = ["one", "two"]


def gz(body: bytes) -> bytes:
    """One gzip member, without a timestamp."""
    return gzip.compress(body, mtime=0)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"temp_directory": str(tmp_path / "spill")}) as connection:
        yield connection


def lines(connection: duckdb.DuckDBPyConnection, *files: Path) -> list[tuple[str, str]]:
    """Lines with the names of their files, in order."""
    try:
        rows = READERS[TEXT](connection, LINES, [str(file) for file in files])
        found = connection.execute(f'SELECT line, "$path" FROM ({rows})').fetchall()
    except duckdb.Error as error:
        raise as_query_error(error) from error
    return sorted((line, Path(path).name) for line, path in found)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.gz", gz(b"one\n") + gz(b"") + gz(b"two"), TWO),
        ("a.gz", gz(b"on") + gz(b"e\r") + gz(b"\ntwo\r\n"), TWO),
        ("a.gz", gz(b"one\ntwo\n") + bytes(100_000), TWO),
        ("a.gz", gz(b""), []),
        ("a.zst", ZSTD, TWO),
        ("a.zst", ZSTD_OF_NOTHING + ZSTD_WITHOUT_CHECKSUM, TWO),
        ("a.zst", ZSTD + ZSTD, ["one", "one", "two", "two"]),
        ("a.zst", ZSTD_OF_NOTHING, []),
        # In Trino, the suffix is case-sensitive.
        ("a.GZ", b"one\ntwo\n", TWO),
        ("gz", b"one\ntwo\n", TWO),
    ],
)
def test_every_line_of_an_intact_file_is_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, data: bytes, expected: list[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    assert lines(connection, tmp_path / name) == [(line, name) for line in expected]


def test_each_line_has_its_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given: plain and compressed files with both kinds of line ends
    files = {
        "1.txt": b"a\n",
        "2.gz": gz(b"b\n"),
        "3.gz": gz(b"c\r\nd\r\n"),
        "4.zst": ZSTD,
        "5.txt": b"e\r\n",
        "it's 6.gz": gz(b"f"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    assert lines(connection, *(tmp_path / name for name in files)) == [
        ("a", "1.txt"),
        ("b", "2.gz"),
        ("c", "3.gz"),
        ("d", "3.gz"),
        ("e", "5.txt"),
        ("f", "it's 6.gz"),
        ("one", "4.zst"),
        ("two", "4.zst"),
    ]


def test_the_header_of_each_compressed_file_is_skipped(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    homes = replace(table("homes", "a string, b string"), serde=OPEN_CSV, parameters={"skip.header.line.count": "1"})
    for name, body in (("1.csv.gz", b"a,b\n1,x\n"), ("2.csv.gz", b"a,b\r\n2,y\r\n")):
        (tmp_path / name).write_bytes(gz(body))

    rows = READERS[OPEN_CSV](connection, homes, [str(tmp_path / "1.csv.gz"), str(tmp_path / "2.csv.gz")])

    assert connection.execute(f"SELECT a, b FROM ({rows}) ORDER BY a").fetchall() == [("1", "x"), ("2", "y")]


def test_thousands_of_members_of_any_size_are_all_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # given: a file with 4,000 members of 1 to 400 bytes of text; some are stored, some have a name
    choose = random.Random(1)
    texts, members = [], []
    for number in range(4_000):
        text = f"{number:05} {choose.randbytes(choose.randrange(200)).hex()}"
        body = f"{text}\n".encode()
        named, level = choose.random() < 0.5, choose.choice([0, 1, 6, 9])
        compressor = zlib.compressobj(level, wbits=-15)
        head = b"\x1f\x8b\x08" + (b"\x08\0\0\0\0\0\xffname\0" if named else b"\0\0\0\0\0\0\xff")
        members.append(
            head + compressor.compress(body) + compressor.flush() + struct.pack("<II", zlib.crc32(body), len(body))
        )
        texts.append(text)
    (tmp_path / "a.gz").write_bytes(b"".join(members))

    assert lines(connection, tmp_path / "a.gz") == [(text, "a.gz") for text in texts]


@pytest.mark.parametrize("left", range(-2, 30))
def test_no_member_is_lost_at_the_end_of_duckdbs_buffer(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, left: int
) -> None:
    # given: a file of two members that has `left` bytes more than 32 KiB
    second = gz(b"two\n")
    size = 32768 + left - len(second) - 23
    body = b"one" + b" " * (size - 4) + b"\n"
    first = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01" + struct.pack("<HH", size, size ^ 0xFFFF) + body
    first += struct.pack("<II", zlib.crc32(body), size)
    assert len(first + second) == 32768 + left
    (tmp_path / "a.gz").write_bytes(first + second)

    assert [line.strip() for line, _ in lines(connection, tmp_path / "a.gz")] == TWO


WHOLE = gz(b"".join(b"%d\n" % number for number in range(20_000)))


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        *(
            ("a.gz", cut, "HIVE_CURSOR_ERROR: Failed to read file at .*/a.gz: Unexpected end of ZLIB input stream")
            for cut in (WHOLE[:1000], WHOLE[:-9], WHOLE[:-8], WHOLE[:-1], WHOLE + WHOLE[:-1])
        ),
        ("a.gz", flipped(WHOLE, -6), "HIVE_CURSOR_ERROR: Failed to read file at .*/a.gz: incorrect data check"),
        ("a.gz", flipped(WHOLE, -1), "HIVE_CURSOR_ERROR: Failed to read file at .*/a.gz: incorrect length check"),
        ("a.gz", b"one\n", r"HIVE_CANNOT_OPEN_SPLIT: .*/a.gz \(offset=0, length=4\): Not in GZIP format"),
        # Trino ignores these data
        ("a.gz", gz(b"one\n") + b"two\n", "NOT_SUPPORTED: data after the end of the gzip data, in .*/a.gz"),
        ("a.gz", gz(b"one\n") + b"\0" + gz(b"two\n"), "NOT_SUPPORTED: data after the end of"),
        *(
            ("a.zst", cut, "HIVE_CURSOR_ERROR: Failed to read file at .*/a.zst: Truncated compressed stream")
            for cut in (ZSTD[:5], ZSTD[:-5], ZSTD[:-1], ZSTD + ZSTD[:-1])
        ),
        ("a.zst", flipped(ZSTD, -1), "HIVE_CURSOR_ERROR: .*/a.zst: .*doesn't match checksum"),
        ("a.zst", b"plain\n", "HIVE_CURSOR_ERROR: .*/a.zst: Invalid magic prefix: 69616c70"),
        ("a.zst", ZSTD + b"plain\n", "HIVE_CURSOR_ERROR: .*/a.zst: Invalid magic prefix: 69616c70"),
        ("a.zst", SKIPPABLE + ZSTD, "HIVE_CURSOR_ERROR: .*/a.zst: Invalid magic prefix: 184d2a50"),
        ("a.zst", ZSTD_WITH_LARGE_WINDOW, "HIVE_CURSOR_ERROR: .*/a.zst: Window size too large"),
        ("a.bz2", b"BZh9", "NOT_SUPPORTED: the compression of .*/a.bz2"),
        ("a.snappy", b"", "NOT_SUPPORTED: the compression of .*/a.snappy"),
    ],
)
def test_a_damaged_file_fails_the_query(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, data: bytes, error: str
) -> None:
    # given: an intact file beside it
    (tmp_path / "whole.txt").write_bytes(b"one\n")
    (tmp_path / name).write_bytes(data)

    with pytest.raises(QueryError, match=f"^{error}"):
        lines(connection, tmp_path / "whole.txt", tmp_path / name)


def test_a_bomb_of_many_lines_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_MAX_BYTES", 10_000_000)
    (tmp_path / "a.gz").write_bytes(gz(b"\n" * 11_000_000))

    with pytest.raises(QueryError, match=r"^NOT_SUPPORTED: more than 10000000 bytes of text, in .*/a\.gz"):
        lines(connection, tmp_path / "a.gz")
