"""The check of compressed files passes intact files, and reports the reason for damaged ones."""

import gzip
import io
import random
import struct
import tracemalloc
import zlib
from typing import Any

import pyarrow as pa
import pytest

from smart_hub.core.compression import DamagedFile, check

# Of "one\ntwo\n", of nothing and of 300,000 zeros, by zstd 1.5.4: `printf 'one\ntwo\n' | zstd -qc | xxd -p`.
ZSTD = bytes.fromhex("28b52ffd04584100006f6e650a74776f0ae6a60e40")
ZSTD_OF_NOTHING = bytes.fromhex("28b52ffd240001000099e9d851")
ZSTD_OF_ZEROS = bytes.fromhex("28b52ffd04585400001000000100fbff39c00202001000039f04002d28de26")
# `zstd --no-check`, `zstd --long=27`
ZSTD_WITHOUT_CHECKSUM = bytes.fromhex("28b52ffd00584100006f6e650a74776f0a")
ZSTD_WITH_LARGE_WINDOW = bytes.fromhex("28b52ffd04884100006f6e650a74776f0ae6a60e40")
SKIPPABLE = struct.pack("<II", 0x184D2A5F, 3) + b"abc"

LINES = b"".join(b'{"loc_id": "%016x"}\n' % number for number in range(20_000))
FLAG_CRC, FLAG_EXTRA, FLAG_NAME, FLAG_COMMENT = 2, 4, 8, 16


def gz(body: bytes) -> bytes:
    """One gzip member, without a timestamp."""
    return gzip.compress(body, mtime=0)


def why(name: str, data: bytes) -> str:
    """The reason why a file is damaged; empty if it is intact."""
    try:
        check(name, io.BytesIO(data))
    except DamagedFile as error:
        return str(error)
    return ""


def member(body: bytes, flags: int = 0) -> bytes:
    """A gzip member with the optional fields that its flags select (RFC 1952, 2.3)."""
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff"
    header += struct.pack("<H", 300) + b"\0x" * 150 if flags & FLAG_EXTRA else b""
    header += b"a name\0" if flags & FLAG_NAME else b""
    header += b"a comment\0" if flags & FLAG_COMMENT else b""
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF) if flags & FLAG_CRC else b""
    packed = zlib.compressobj(wbits=-15)
    return header + packed.compress(body) + packed.flush() + struct.pack("<II", zlib.crc32(body), len(body))


@pytest.mark.parametrize(
    "data",
    [
        gz(LINES),
        gz(LINES[:100_000]) + gz(LINES[100_000:]),
        gz(b""),
        gz(b"") + gz(b"one\n") + gz(b""),
        gz(b"one\n") + b"\0",
        gz(b"one\n") + bytes(3_000_000),
        *(member(b"one\n", flags) + member(b"two\n", flags) for flags in range(2, 32, 2)),
    ],
)
def test_an_intact_gzip_file_passes(data: bytes) -> None:
    assert why("a.json.gz", data) == ""


@pytest.mark.parametrize("seed", range(5))
def test_one_wrong_byte_among_thousands_of_members_is_found(seed: int) -> None:
    # given members of 0 to 3,000 bytes, stored or deflated, some with optional fields
    choose = random.Random(seed)
    members = [
        member(choose.randbytes(choose.randrange(30)) * choose.randrange(100), choose.choice([0, 4, 8, 30]))
        for _ in range(3_000)
    ]
    assert why("a.gz", b"".join(members)) == ""

    # when one member has a wrong checksum, expect its number
    members[1_999] = members[1_999][:-8] + bytes([members[1_999][-8] ^ 1]) + members[1_999][-7:]
    assert why("a.gz", b"".join(members)) == "gzip member 2000: incorrect data check"


def test_a_member_may_end_at_any_position_of_a_read() -> None:
    # given a first member that ends near the end of a read; at some of these positions DuckDB 1.5 loses the second one
    for size in (1 << 10, 1 << 16, 1 << 20):
        second = gz(b"two\n")
        for ends in range(size - 12, size + 12):
            body = bytes(ends - 18 - 5 * (1 + (ends - 1) // 65_540))
            packed = zlib.compressobj(0, wbits=-15)
            first = b"\x1f\x8b\x08" + bytes(7) + packed.compress(body) + packed.flush()
            first += struct.pack("<II", zlib.crc32(body), len(body))
            assert why("a.gz", first + second) == ""
            assert why("a.gz", first + second[:-1]) == "it is truncated in gzip member 2"


@pytest.mark.parametrize("end", [1, 2, 9, 10, 11, 500, -9, -8, -5, -4, -1])
def test_a_truncated_gzip_file_is_refused(end: int) -> None:
    whole = gz(LINES)
    assert why("a.gz", whole[:end]) == "it is truncated in gzip member 1"
    assert why("a.gz", whole + whole[:end]) == "it is truncated in gzip member 2"


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"plain text\n", "it is not gzip"),
        (b"\0" * 20, "it is not gzip"),
        (ZSTD, "it is not gzip"),
        (flipped(gz(LINES), -6), "gzip member 1: incorrect data check"),
        (flipped(gz(LINES), -1), "gzip member 1: incorrect length check"),
        (flipped(member(b"one\n", FLAG_CRC), 4), "gzip member 1: header crc mismatch"),
        (gz(b"one\n") + b"plain text\n", "unexpected data after gzip member 1"),
        (gz(b"one\n") + b"\n", "unexpected data after gzip member 1"),
        # Trino's reader ignores members after zeros.
        (
            gz(b"one\n") + b"\0\0" + gz(b"two\n"),
            "unexpected data after the zeros after gzip member 1",
        ),
        (gz(b"one\n") + bytes(3_000_000) + b"x", "unexpected data after the zeros after gzip member 1"),
    ],
)
def test_the_reason_for_a_damaged_gzip_file(data: bytes, reason: str) -> None:
    assert why("a.gz", data) == reason


def test_any_flipped_bit_of_a_gzip_body_is_found() -> None:
    whole = gz(LINES)
    for position in range(10, len(whole), 997):
        assert why("a.gz", flipped(whole, position)), position


@pytest.mark.parametrize(
    "data",
    [
        ZSTD,
        ZSTD_WITHOUT_CHECKSUM,
        ZSTD_OF_NOTHING,
        ZSTD_OF_ZEROS,
        ZSTD_OF_NOTHING + ZSTD_WITHOUT_CHECKSUM + ZSTD + ZSTD_OF_ZEROS + ZSTD_OF_NOTHING,
        (ZSTD + ZSTD_OF_NOTHING) * 3_000,
    ],
)
def test_an_intact_zstd_file_passes(data: bytes) -> None:
    assert why("a.json.zst", data) == ""


@pytest.mark.parametrize("end", range(1, len(ZSTD)))
def test_a_truncated_zstd_file_is_refused(end: int) -> None:
    assert why("a.zst", ZSTD[:end]) == "it is truncated"
    assert why("a.zst", ZSTD_OF_ZEROS + ZSTD[:end]) == "it is truncated"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"plain text\n", "it is not zstd"),
        (flipped(ZSTD, -1), "ZSTD decompress failed: Restored data doesn't match checksum"),
        (flipped(ZSTD, -6), "ZSTD decompress failed: Restored data doesn't match checksum"),
        (ZSTD + flipped(ZSTD, -1) + ZSTD, "ZSTD decompress failed: Restored data doesn't match checksum"),
        (ZSTD + b"\0\0\0\0", "unexpected data after zstd frame 1"),
        (ZSTD + ZSTD + b"plain text\n", "unexpected data after zstd frame 2"),
        # Trino's reader refuses these as "Invalid magic prefix" and "Window size too large"
        (ZSTD + SKIPPABLE + ZSTD, "zstd frame 2 is a skippable frame, which Athena cannot read"),
        (
            ZSTD_WITH_LARGE_WINDOW,
            "zstd frame 1 needs a window of more than 8 MB, which Athena cannot read: compress it again without"
            " --long and --ultra",
        ),
    ],
)
def test_the_reason_for_a_damaged_zstd_file(data: bytes, reason: str) -> None:
    assert why("a.zst", data) == reason


def bomb(name: str) -> bytes:
    """256 MB of zeros, in 256 kB or in 8 kB."""
    if name == "a.gz":
        return gzip.compress(bytes(1 << 28), 1, mtime=0)
    # a window of 2 MB; blocks that repeat one byte 128 Ki times; an empty last block
    block = (128 << 10 << 3 | 2).to_bytes(3, "little") + b"\0"
    return ZSTD[:4] + b"\x00\x58" + block * (2 << 10) + b"\x01\0\0"


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
def test_a_decompression_bomb_takes_little_memory(name: str) -> None:
    file = io.BytesIO(bomb(name))
    before = pa.default_memory_pool().max_memory()
    tracemalloc.start()
    try:
        check(name, file)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000
    assert pa.default_memory_pool().max_memory() - before < 8_000_000


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
def test_an_error_while_reading_does_not_count_as_damage(name: str) -> None:
    class Failing(io.RawIOBase):
        parts = iter([{"a.gz": gz(LINES), "a.zst": ZSTD_OF_ZEROS}[name][:25]])

        def read(self, size: int = -1) -> bytes:
            for part in self.parts:
                return part
            raise OSError(5, "Input/output error")

    failing: Any = Failing()
    with pytest.raises(OSError, match=r"\[Errno 5\] Input/output error"):
        check(name, failing)
