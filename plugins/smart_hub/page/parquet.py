"""Reading of a published Parquet file no more than is wanted, over ranged GETs."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Holds the footer of a day at 1,000 hubs (24 row groups, 40 kB), and the whole of most insight files.
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class S3Object:
    """One version of one object: equal S3Objects have equal content. ``size`` is in bytes."""

    bucket: str
    key: str
    etag: str
    size: int
    modified: datetime


class Cache:
    """What was read last, up to a number of bytes; safe among threads.

    Nothing in it expires, for its keys name an object by ETag.
    """

    def __init__(self, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._found: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, read: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """What ``read`` gave for this key, or gives now; ``size`` says how many bytes to count it for."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        value = read()
        with self._lock:
            if key not in self._found:
                self._found[key] = (value, size(value))
                self._bytes += self._found[key][1]
            while self._bytes > self._most_bytes:
                self._bytes -= self._found.popitem(last=False)[1][1]
        return value


class ParquetReader:
    """Tables out of Parquet objects in S3; ``s3`` is boto3's client.

    Raises botocore's errors as they come, and pyarrow's ArrowException or OSError for what is no Parquet.
    """

    def __init__(self, s3: Any, cache: Cache) -> None:
        self._s3 = s3
        self._cache = cache

    def rows_of_hub(self, item: S3Object, hub: str, schema: pa.Schema) -> pa.Table:
        """The rows of one hub: only those row groups are read that can hold it by the statistics of loc_id."""

        def read() -> pa.Table:
            footer, tail = self._footer(item)
            groups = [n for n in range(footer.num_row_groups) if _may_hold(footer.row_group(n), hub)]
            rows = self._read(item, footer, tail, groups, schema.names)
            return rows.filter(pc.equal(rows["loc_id"], hub)).select(schema.names).cast(schema).combine_chunks()

        return self._cache.get((item, hub), read, lambda rows: rows.nbytes)

    def all_rows(self, item: S3Object, schema: pa.Schema) -> pa.Table:
        """All rows of an object, the schema's columns."""

        def read() -> pa.Table:
            footer, tail = self._footer(item)
            rows = self._read(item, footer, tail, range(footer.num_row_groups), schema.names)
            return rows.select(schema.names).cast(schema).combine_chunks()

        return self._cache.get((item, tuple(schema.names)), read, lambda rows: rows.nbytes)

    def hubs(self, item: S3Object) -> dict[str, str]:
        """The hubs of an object with columns loc_id and state: hub -> state."""

        def read() -> dict[str, str]:
            footer, tail = self._footer(item)
            rows = self._read(item, footer, tail, range(footer.num_row_groups), ["loc_id", "state"])
            pairs = rows.unify_dictionaries().group_by(["loc_id", "state"]).aggregate([])
            return dict(zip(pairs["loc_id"].to_pylist(), pairs["state"].to_pylist(), strict=True))

        return dict(self._cache.get((item, "hubs"), read, lambda hubs: 200 * len(hubs)))

    def _read(
        self,
        item: S3Object,
        footer: pq.FileMetaData,
        tail: "_Segment",
        groups: Sequence[int],
        columns: Sequence[str],
    ) -> pa.Table:
        lacking = set(columns) - set(footer.schema.names)
        if lacking:
            raise pa.ArrowInvalid(f"s3://{item.bucket}/{item.key} has no column {', '.join(sorted(lacking))}")
        segments = [tail, *(self._get(item, *span) for span in _spans(footer, groups, columns) if span[0] < tail.start)]
        file = pq.ParquetFile(
            pa.PythonFile(_Segments(segments, item.size), mode="r"),
            metadata=footer,
            # A hub's or device's name repeats thousands of times; as a dictionary it is read many times faster.
            read_dictionary=_text_columns(footer),
            pre_buffer=False,  # it would ask for the gaps between column chunks too
        )
        return file.read_row_groups(groups, columns=columns, use_threads=False)

    def _footer(self, item: S3Object) -> tuple[pq.FileMetaData, "_Segment"]:
        tail: _Segment = self._cache.get((item, "tail"), lambda: self._tail(item), lambda tail: len(tail.body))
        return pq.read_metadata(pa.BufferReader(tail.body)), tail

    def _tail(self, item: S3Object) -> "_Segment":
        tail = self._get(item, max(0, item.size - _TAIL_BYTES), item.size)
        needed = int.from_bytes(tail.body[-8:-4], "little") + 8  # the footer, its length, the magic number
        return tail if needed <= len(tail.body) else self._get(item, max(0, item.size - needed), item.size)

    def _get(self, item: S3Object, start: int, end: int) -> "_Segment":
        answer = self._s3.get_object(
            Bucket=item.bucket, Key=item.key, Range=f"bytes={start}-{end - 1}", IfMatch=item.etag
        )
        return _Segment(start, answer["Body"].read())


@dataclass(frozen=True)
class _Segment:
    """Bytes of an object from ``start`` on."""

    start: int
    body: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.body)


class _Segments(io.RawIOBase):
    """A file of which only some segments are at hand: those that its reader will ask for."""

    def __init__(self, segments: Sequence[_Segment], size: int) -> None:
        super().__init__()
        self._segments, self._size, self._at = segments, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        start = self._at
        self._at = self._size if size < 0 else min(start + size, self._size)
        for segment in self._segments:
            if segment.start <= start and self._at <= segment.end:
                return segment.body[start - segment.start : self._at - segment.start]
        raise OSError(f"bytes {start} to {self._at} are not at hand")


def _may_hold(group: pq.RowGroupMetaData, hub: str) -> bool:
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "loc_id":
            known = column.statistics
            return known is None or not known.has_min_max or bool(known.min <= hub <= known.max)
    return True


def _text_columns(footer: pq.FileMetaData) -> list[str]:
    columns = (footer.schema.column(number) for number in range(footer.num_columns))
    return [column.name for column in columns if column.physical_type == "BYTE_ARRAY"]


def _spans(footer: pq.FileMetaData, groups: Sequence[int], columns: Sequence[str]) -> list[tuple[int, int]]:
    """Byte ranges of column chunks, start and end; what adjoins is one range, hence one request."""
    chunks = []
    for group in groups:
        for number in range(footer.num_columns):
            column = footer.row_group(group).column(number)
            if column.path_in_schema in columns:
                # Some writers give an offset of 0 for a dictionary that is not there.
                start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
                chunks.append((start, start + column.total_compressed_size))
    spans: list[tuple[int, int]] = []
    for start, end in sorted(chunks):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
