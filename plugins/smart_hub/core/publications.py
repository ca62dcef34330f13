"""The publications of a day: one small object in the data bucket for each switch of the day's partitions.

The catalog has only the current locations of a day. A rollback needs the previous ones, and so does the clean-up, which
must not delete data that readers can still be reading.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_hub.shared.layout import publications_prefix
from smart_hub.shared.objects import objects


@dataclass(frozen=True)
class Publication:
    """The location of each table's day, valid from ``at`` until the next publication."""

    at: datetime
    locations: Mapping[str, str]


@dataclass(frozen=True)
class Publications:
    """The publications of a data bucket. client: boto3's ``s3`` client."""

    client: Any
    bucket: str

    def add(self, day: str, version: str, publication: Publication) -> None:
        """Records a publication of a day. version: of the attempt that published."""
        key = f"{publications_prefix(day)}{publication.at.isoformat()}-{version}.json"
        self.client.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(dict(publication.locations)).encode())

    def of(self, day: str) -> list[Publication]:
        """All publications of a day, latest first."""
        found = objects(self.client, self.bucket, publications_prefix(day))
        return [self._read(key) for key in sorted((item["Key"] for item in found), reverse=True)]

    def _read(self, key: str) -> Publication:
        at, _, _ = key.rpartition("/")[2].rpartition("-v")
        body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return Publication(datetime.fromisoformat(at), json.loads(body))


def before(publications: list[Publication], locations: Mapping[str, str | None]) -> Publication | None:
    """The latest publication with locations other than these; None if there is none."""
    return next((one for one in publications if dict(one.locations) != dict(locations)), None)
