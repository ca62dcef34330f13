"""What was published when: one small object in the data bucket each time a day's partitions were pointed somewhere.

The catalog knows where a day is now; to roll it back, or to tell what a reader may still be reading, one must know
where it was before.
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
    """From ``at`` on the day of each table lay at its location."""

    at: datetime
    locations: Mapping[str, str]


@dataclass(frozen=True)
class Publications:
    """The publications of a data bucket. client: boto3's ``s3`` client."""

    client: Any
    bucket: str

    def add(self, day: str, version: str, publication: Publication) -> None:
        """Notes a publication of a day; version: that of the attempt that made it."""
        key = f"{publications_prefix(day)}{publication.at.isoformat()}-{version}.json"
        self.client.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(dict(publication.locations)).encode())

    def of(self, day: str) -> list[Publication]:
        """All publications of a day, the latest first."""
        found = objects(self.client, self.bucket, publications_prefix(day))
        return [self._read(key) for key in sorted((item["Key"] for item in found), reverse=True)]

    def _read(self, key: str) -> Publication:
        at, _, _ = key.rpartition("/")[2].rpartition("-v")
        body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return Publication(datetime.fromisoformat(at), json.loads(body))


def before(publications: list[Publication], locations: Mapping[str, str | None]) -> Publication | None:
    """The latest publication that was another than what is published at these locations."""
    return next((one for one in publications if dict(one.locations) != dict(locations)), None)
