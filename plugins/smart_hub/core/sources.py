"""Sources of raw data: a folder, or a prefix in S3. Both have the layout of the raw data."""

import hashlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from boto3.s3.transfer import TransferConfig

from smart_hub.shared.objects import objects

_log = logging.getLogger(__name__)

# Several files are sent at the same time, so a single file needs no threads.
# AWS recommends multipart uploads from 100 MB on: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
_TRANSFER = TransferConfig(use_threads=False, multipart_threshold=100_000_000)
_READ_BYTES = 1 << 20  # bytes


class Source(Protocol):
    """Raw files by name, e.g. ``usage/dt=2019-12-21/portland.json``."""

    # Key of the source file's checksum in an object's metadata.
    checksum_name: str

    def names(self, prefix: str) -> list[str]:
        """Names of all files under a prefix. Raises SourceError when the source itself does not exist."""

    def checksum(self, name: str) -> str:
        """The checksum of a file that ``names`` has listed."""

    def open(self, name: str) -> BinaryIO:
        """A stream of the file's bytes."""

    def send(self, name: str, bucket: str, key: str, checksum: str, **metadata: str) -> None:
        """Copies the file. metadata: ASCII values that the object's metadata get in addition to the checksum."""


class SourceError(ValueError):
    """The source does not exist; the message names its bucket."""


class FolderSource:
    """Raw files in a local folder, sent by upload. The checksum of a file is its MD5, in hex.

    Links are followed; a linked file has the name of the link. Broken links, links to a folder that contains them, and
    special files (pipes, sockets) are skipped with a warning.
    """

    checksum_name = "source-md5"

    def __init__(self, folder: Path, s3: Any) -> None:
        self._folder = folder
        self._s3 = s3

    def names(self, prefix: str) -> list[str]:
        folder = self._folder / prefix
        return [path.relative_to(self._folder).as_posix() for path in _files(folder)] if folder.is_dir() else []

    def checksum(self, name: str) -> str:
        with (self._folder / name).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")

    def send(self, name: str, bucket: str, key: str, checksum: str, **metadata: str) -> None:
        extra = {"Metadata": {self.checksum_name: checksum, **metadata}}
        self._s3.upload_file(str(self._folder / name), bucket, key, ExtraArgs=extra, Config=_TRANSFER)


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder; links are followed."""
    yield from _files_below(folder, {_identity(path) for path in (folder, *folder.absolute().parents)})


def _files_below(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """above: the identities of the folder and of all folders above it on the path that was followed."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif not path.is_dir():
            is_broken = path.is_symlink() and not path.exists()
            what = "a broken link" if is_broken else "neither a file nor a folder"
            _log.warning("%s is skipped: it is %s", path, what)
        elif (identity := _identity(path)) in above:
            _log.warning("%s is skipped: it is a link to a folder that contains it", path)
        else:
            yield from _files_below(path, above | {identity})


def _identity(folder: Path) -> tuple[int, int]:
    """A folder's device and inode, which are the same for all links to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


class BucketSource:
    """Raw files under a prefix in S3, ``s3://bucket/prefix``, copied by S3. A file's checksum is its ETag."""

    checksum_name = "source-etag"

    def __init__(self, url: str, s3: Any) -> None:
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._s3 = s3
        self._etags: dict[str, str] = {}

    def names(self, prefix: str) -> list[str]:
        try:
            listed = objects(self._s3, self._bucket, self._prefix + prefix)
            found = {item["Key"].removeprefix(self._prefix): item["ETag"].strip('"') for item in listed}
        except self._s3.exceptions.NoSuchBucket:
            raise SourceError(f"the bucket {self._bucket} does not exist") from None
        self._etags.update(found)
        return list(found)

    def checksum(self, name: str) -> str:
        return self._etags[name]

    def open(self, name: str) -> BinaryIO:
        # IfMatch: the request fails if the object was replaced after the listing.
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name, IfMatch=f'"{self._etags[name]}"')
        return io.BufferedReader(answer["Body"], _READ_BYTES)

    def send(self, name: str, bucket: str, key: str, checksum: str, **metadata: str) -> None:
        self._s3.copy(
            {"Bucket": self._bucket, "Key": self._prefix + name},
            bucket,
            key,
            ExtraArgs={
                "Metadata": {self.checksum_name: checksum, **metadata},
                "MetadataDirective": "REPLACE",
                "CopySourceIfMatch": f'"{checksum}"',
            },
            Config=_TRANSFER,
        )


def source_of(url: str, s3: Any) -> Source:
    """The source of a setting: ``s3://bucket/prefix`` or a folder. s3: boto3's client."""
    return BucketSource(url, s3) if url.startswith("s3://") else FolderSource(Path(url), s3)


def is_data(name: str) -> bool:
    """Whether Athena reads the file: it ignores names that begin with a dot or an underscore."""
    return not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
