"""Reads text like Trino: all gzip members and zstd frames, or Trino's error; any bytes, any line ends.

DuckDB 1.5's own reader loses members of some gzip files, and reads the intact beginning of damaged files.
"""

import codecs
import io
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa

from localaws.athena.errors import QueryError, not_supported

# Trino looks at the suffix after the last dot and is case-sensitive: x.GZ is plain text.
# https://github.com/trinodb/trino, io.trino.hive.formats.compression.CompressionKind
PACKED = (".gz", ".zst")
_NOT_COVERED = (".bz2", ".deflate", ".lz4", ".lzo", ".lzo_deflate", ".snappy")

_PIECE = 1 << 20  # bytes decompressed at a time
_INPUT = 1 << 12  # bytes of input at a time: zlib copies the rest of them at the end of each member
_MAX_BYTES = 1 << 32  # of one file's text: more is probably a decompression bomb, and would fill the disk
_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_WINDOW = 1 << 23


def check_name(location: str) -> None:
    """Raises QueryError for a file in a compression format that Trino supports and this module does not."""
    if location.endswith(_NOT_COVERED):
        raise not_supported(f"the compression of {location}")


def write_text(location: str, data: bytes, path: Path, max_line: int) -> int:
    """Writes the text of a file to ``path``, in UTF-8, with lines that end in LF. Returns its size in bytes.

    Lines of the file can end in LF, CR LF or CR. Bytes that are not UTF-8 become U+FFFD, as in Java. Raises QueryError
    for a damaged compressed file, and for a line of more than ``max_line`` characters.
    """
    size = line = 0  # bytes of the text, characters of its last line so far
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    with path.open("wb") as file:
        for piece in chain(_pieces(location, data), [b""]):
            text = decoder.decode(piece, final=not piece)
            size += file.write(text.encode())
            _, end, tail = text.rpartition("\n")
            length = line + (text.find("\n") if end else len(text))
            line = len(tail) if end else length
            if length > max_line:
                raise not_supported(f"a line of more than {max_line} bytes, in {location},")
            if size > _MAX_BYTES:
                raise not_supported(f"more than {_MAX_BYTES} bytes of text, in {location},")
    return size


def _pieces(location: str, data: bytes) -> Iterator[bytes]:
    if location.endswith(".gz"):
        return _gzip(location, data)
    return _zstd(location, data) if location.endswith(".zst") else iter([data] if data else [])


def _unreadable(location: str, why: str) -> QueryError:
    return QueryError("HIVE_CURSOR_ERROR", f"Failed to read file at {location}: {why}")


def _gzip(location: str, data: bytes) -> Iterator[bytes]:
    position, members = 0, 0
    while position < len(data):
        if members and not data[position]:
            if data[position:].strip(b"\0"):
                raise not_supported(f"data after the end of the gzip data, in {location},")
            return
        member = zlib.decompressobj(_GZIP)
        try:
            while not member.eof:
                source = data[position : position + _INPUT]
                if not source:
                    raise _unreadable(location, "Unexpected end of ZLIB input stream")
                position += len(source)
                while source and not member.eof:
                    yield member.decompress(source, _PIECE)
                    source = member.unconsumed_tail
        except zlib.error as error:
            why = str(error).rpartition(": ")[2]
            if why != "incorrect header check":
                raise _unreadable(location, why) from None
            if members:
                raise not_supported(f"data after the end of the gzip data, in {location},") from None
            raise QueryError(
                "HIVE_CANNOT_OPEN_SPLIT",
                f"Error opening Hive split {location} (offset=0, length={len(data)}): Not in GZIP format",
            ) from None
        position -= len(member.unused_data)
        members += 1


def _zstd(location: str, data: bytes) -> Iterator[bytes]:
    _check_frames(location, data)
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as text:
            while piece := text.read(_PIECE):
                yield piece
    except OSError as error:
        raise _unreadable(location, str(error)) from None


def _check_frames(location: str, data: bytes) -> None:
    """Raises QueryError for frames that zstd can read and Trino cannot: skippable ones, those with a large window."""
    file = io.BytesIO(data)
    while magic := file.read(4):
        if magic != _ZSTD_MAGIC:
            raise _unreadable(location, f"Invalid magic prefix: {magic[::-1].hex()}")
        descriptor = int.from_bytes(file.read(1))
        one_segment = bool(descriptor & 0x20)
        if not one_segment:
            window = int.from_bytes(file.read(1))
            base = 1 << (10 + (window >> 3))
            if base + base // 8 * (window & 7) > _MAX_WINDOW:
                raise _unreadable(location, "Window size too large (not yet supported)")
        file.seek((0, 1, 2, 4)[descriptor & 3] + (int(one_segment), 2, 4, 8)[descriptor >> 6], io.SEEK_CUR)
        is_last = False
        while not is_last and len(head := file.read(3)) == 3:
            block = int.from_bytes(head, "little")
            is_last = bool(block & 1)
            file.seek(1 if block >> 1 & 3 == 1 else block >> 3, io.SEEK_CUR)
        file.seek(4 if descriptor & 4 else 0, io.SEEK_CUR)
