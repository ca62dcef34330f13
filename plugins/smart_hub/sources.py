"""Where raw data come from: a folder, or a prefix in S3. Both mirror the layout of the raw data."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from boto3.s3.transfer import TransferConfig

from smart_hub.objects import objects

# Files are sent beside each other already, so none needs threads of its own.
_TRANSFER = TransferConfig(use_threads=False)


class Source(Protocol):
    """Raw files by name, e.g. ``usage/dt=2019-12-21/portland.json``."""

    # Key under which an object's metadata hold the checksum of the file that it was sent from.
    checksum_name: str

    def names(self, prefix: str) -> list[str]:
        """Names of all files under a prefix. Raises SourceError when the source itself does not exist."""

    def checksum(self, name: str) -> str: ...

    def send(self, name: str, bucket: str, key: str, checksum: str) -> None: ...


class SourceError(ValueError):
    """A source that does not exist; the message says where it was looked for."""


class FolderSource:
    """Raw files in a local folder, sent by upload. The checksum of a file is its MD5, in hex."""

    checksum_name = "source-md5"

    def __init__(self, folder: Path, s3: Any) -> None:
        self._folder = folder
        self._s3 = s3

    def names(self, prefix: str) -> list[str]:
        return [
            path.relative_to(self._folder).as_posix() for path in (self._folder / prefix).rglob("*") if path.is_file()
        ]

    def checksum(self, name: str) -> str:
        with (self._folder / name).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    def send(self, name: str, bucket: str, key: str, checksum: str) -> None:
        extra = {"Metadata": {self.checksum_name: checksum}}
        self._s3.upload_file(str(self._folder / name), bucket, key, ExtraArgs=extra, Config=_TRANSFER)


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

    def send(self, name: str, bucket: str, key: str, checksum: str) -> None:
        self._s3.copy(
            {"Bucket": self._bucket, "Key": self._prefix + name},
            bucket,
            key,
            ExtraArgs={"Metadata": {self.checksum_name: checksum}, "MetadataDirective": "REPLACE"},
            Config=_TRANSFER,
        )


def source_of(url: str, s3: Any) -> Source:
    """The source of a setting: ``s3://bucket/prefix`` or a folder. s3: boto3's client."""
    return BucketSource(url, s3) if url.startswith("s3://") else FolderSource(Path(url), s3)


def is_data(name: str) -> bool:
    """Whether Athena reads the file: it passes over names that begin with a dot or an underscore."""
    return not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
