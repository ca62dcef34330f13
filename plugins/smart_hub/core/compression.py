"""Checks and opens compressed raw files. A query in Athena fails if it reads a damaged file."""

import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, cast

import pyarrow as pa

# Bytes read and decompressed at a time, so that memory does not depend on the size of the file or its content.
_PIECE = 1 << 20
# Bytes of input that zlib gets at a time. At the end of a member it copies the rest, and a file can have many members.
_SMALLEST_INPUT, _LARGEST_INPUT = 1 << 10, 1 << 16
_GZIP = 16 + zlib.MAX_WBITS  # zlib expects a gzip header, and verifies the checksum and length at the end
_GZIP_MAGIC = b"\x1f"  # the first of its two bytes

_ZSTD_MAGIC, _ZSTD_SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
_RLE_BLOCK = 1
# The limit of the decompressor of Trino, Athena's engine. It does not support skippable frames either (tested with
# Trino 476): https://github.com/airlift/aircompressor, ZstdFrameDecompressor, MAX_WINDOW_SIZE and verifyMagic.
_MAX_WINDOW = 1 << 23


class DamagedFile(ValueError):
    """A compressed file that cannot be read to its end; the message says why."""


def check(name: str, file: BinaryIO) -> None:
    """Reads a compressed file to its end. name: ends in .gz or .zst, in any case.

    Needs only a few MB of memory. Raises DamagedFile if the file is empty, truncated or of another format, if a
    checksum or length is wrong, or if there are trailing data. Errors of ``file`` itself are passed on.
    """
    if name.lower().endswith(".gz"):
        _check_gzip(_Input(file))
    else:
        _check_zstd(_Input(file))


def opened(name: str, file: BinaryIO) -> BinaryIO:
    """A stream of a file's decompressed text. name: the file is compressed if this ends in .gz or .zst, in any case."""
    if name.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if name.lower().endswith(".zst"):
        return cast(BinaryIO, io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")))
    return file


class _Input:
    """The bytes of a file; bytes that were read can be given back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._read = b""
        self._position = 0
        if not self.peek():
            raise DamagedFile("it is empty")

    def peek(self) -> bytes:
        """The next byte, or an empty string at the end of the file."""
        if self._position == len(self._read):
            self._read, self._position = self._file.read(_PIECE), 0
        return self._read[self._position : self._position + 1]

    def some(self, limit: int) -> bytes:
        """One to ``limit`` bytes; an empty string at the end of the file."""
        self.peek()
        found = self._read[self._position : self._position + limit]
        self._position += len(found)
        return found

    def give_back(self, size: int) -> None:
        """Gives back the last ``size`` bytes that ``some`` returned."""
        self._position -= size

    def exactly(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises DamagedFile if the file has less."""
        found = self.some(size)
        while len(found) < size:
            if not (more := self.some(size - len(found))):
                raise DamagedFile("it is truncated")
            found += more
        return found


def _check_gzip(data: _Input) -> None:
    """Checks each member's checksum and length (RFC 1952), and that only zeros follow the last member."""
    for number in count(1):
        _check_member(data, number)
        if data.peek() == b"\0":
            while padding := data.some(_PIECE):
                if padding.strip(b"\0"):
                    raise DamagedFile(f"unexpected data after the zeros after gzip member {number}")
        following = data.peek()
        if not following:
            return
        if following != _GZIP_MAGIC:
            raise DamagedFile(f"unexpected data after gzip member {number}")


def _check_member(data: _Input, number: int) -> None:
    member, size = zlib.decompressobj(_GZIP), _SMALLEST_INPUT
    while not member.eof:
        piece = data.some(size)
        if not piece:
            raise DamagedFile(f"it is truncated in gzip member {number}")
        try:
            while piece and not member.eof:
                member.decompress(piece, _PIECE)
                piece = member.unconsumed_tail
        except zlib.error as error:
            what = f"gzip member {number}: {str(error).rpartition(': ')[2]}"
            if what.endswith("incorrect header check"):
                what = f"unexpected data after gzip member {number - 1}" if number > 1 else "it is not gzip"
            raise DamagedFile(what) from None
        size = min(2 * size, _LARGEST_INPUT)
    data.give_back(len(member.unused_data))


def _check_zstd(data: _Input) -> None:
    """Checks each frame's length and, if it has one, checksum (RFC 8878)."""
    source = pa.PythonFile(_Chunks(_frames(data)), mode="r")
    try:
        with pa.CompressedInputStream(source, "zstd") as decompressed:
            while decompressed.read(_PIECE):
                pass
    except OSError as error:
        if error.errno is not None:  # an error while reading the file; the decompressor's own errors have no errno
            raise
        raise DamagedFile(str(error)) from None


class _Chunks:
    """A file object for pyarrow that reads from chunks."""

    closed = False

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        chunk = self._rest or next(self._chunks, b"")
        self._rest = chunk[size:]
        return chunk[:size]

    def close(self) -> None:
        self.closed = True


def _frames(data: _Input) -> Iterator[bytes]:
    """Yields the file in pieces: a frame's header, each of its blocks, its checksum.

    Raises DamagedFile for a truncated frame, for trailing data, and for frames that Athena cannot read: skippable ones,
    and those with a window of more than 8 MB.
    """
    for number in count(1):
        magic = data.exactly(4)
        if magic[1:] == _ZSTD_SKIPPABLE and magic[0] >> 4 == 5:
            raise DamagedFile(f"zstd frame {number} is a skippable frame, which Athena cannot read")
        if magic != _ZSTD_MAGIC:
            raise DamagedFile(f"unexpected data after zstd frame {number - 1}" if number > 1 else "it is not zstd")
        header = data.exactly(1)
        descriptor = header[0]
        one_segment, has_checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
        if not one_segment:
            window = data.exactly(1)
            base = 1 << (10 + (window[0] >> 3))
            if base + base // 8 * (window[0] & 7) > _MAX_WINDOW:
                raise DamagedFile(
                    f"zstd frame {number} needs a window of more than 8 MB, which Athena cannot read: compress it"
                    " again without --long and --ultra"
                )
            header += window
        header += data.exactly((0, 1, 2, 4)[descriptor & 3])  # the dictionary's id
        header += data.exactly((int(one_segment), 2, 4, 8)[descriptor >> 6])  # the size of the content
        yield magic + header
        is_last = False
        while not is_last:
            block = data.exactly(3)
            value = int.from_bytes(block, "little")
            is_last = bool(value & 1)
            yield block + data.exactly(1 if value >> 1 & 3 == _RLE_BLOCK else value >> 3)
        if has_checksum:
            yield data.exactly(4)
        if not data.peek():
            return
