"""Step 1: raw data into the data bucket."""

import re
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from smart_hub import macros
from smart_hub.content import content_of
from smart_hub.layout import REFERENCE_TABLES, raw_key, raw_prefix, run_id_key
from smart_hub.operators.base import SmartHubOperator
from smart_hub.sources import Source, SourceError, is_data, source_of

_SENT_BESIDE_EACH_OTHER = 8
_SECONDS_BETWEEN_PROGRESS = 10.0
# Data sets with a folder for each state: a file outside of these would be copied, but never be read.
_BY_STATE = ("mappings", "locations")


class CopyRawDataOperator(SmartHubOperator):
    """Copies a day's usage and all mappings, locations and rates from the source into the data bucket.

    A file that lies there unchanged is not sent again: its checksum equals the object's ETag or, where S3
    makes ETags of its own (multipart, KMS), the checksum that the object's metadata have held since it was
    sent. With mirroring on, objects are deleted that the source no longer has: of this day's usage, of
    mappings, of locations, of rates.

    Returns content (hash of each reference data set) and new (data sets still to be crawled and converted). Fails,
    without a retry, when a setting is wrong or the source lacks any data set; with ``settings.skip_empty_days`` a
    source that lacks the day's usage alone skips the run.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        self.check_settings()
        day, key = macros.usage_day(context), run_id_key(macros.run(context))
        self.s3.put_object(Bucket=self.settings.data_bucket, Key=key, Body=context["run_id"].encode())
        source = source_of(self.settings.source, self.s3)
        # All are looked for before the first is sent: a source that lacks one changes nothing.
        usage = f"usage/dt={day}/"
        names = {prefix: self._names(source, prefix) for prefix in (*(f"{name}/" for name in REFERENCE_TABLES), usage)}
        for prefix in names:
            self._copy(source, prefix, names[prefix])

        content = {
            data_set: content_of((item["Key"], item["ETag"]) for item in self.objects(raw_prefix(data_set)))
            for data_set in REFERENCE_TABLES
        }
        new = [data_set for data_set, table in REFERENCE_TABLES.items() if not self._has(table, content[data_set])]
        if not self._has("raw_usage", day):
            new.append("usage")
        self.log.info("To be crawled and converted: %s", ", ".join(new) or "nothing, all is registered")
        return {"content": content, "new": new}

    def _has(self, table: str, value: str) -> bool:
        return self.partition_location(table, value) is not None

    def _names(self, source: Source, prefix: str) -> list[str]:
        """What the source has under a prefix: at least one file, each where its table will look for it."""
        try:
            found = source.names(prefix)
        except SourceError as error:
            raise AirflowFailException(f"SMART_HUB_SOURCE: {error}") from None
        names = sorted(name for name in found if is_data(name))
        if left_out := sorted(set(found) - set(names)):
            self.log.warning("Left out, Athena reads no file whose name begins with . or _: %s", ", ".join(left_out))
        if not names and self.settings.skip_empty_days and prefix.startswith("usage/"):
            raise AirflowSkipException(
                f"no file under {self.settings.source}/{prefix}; SMART_HUB_SKIP_EMPTY_DAYS is on"
            )
        if not names:
            folders = ", ".join(f"{data_set}/" for data_set in REFERENCE_TABLES)
            raise AirflowFailException(
                f"no file under {self.settings.source}/{prefix}: put the data there, or set SMART_HUB_SOURCE"
                f" to the folder or s3:// prefix that has {folders} and usage/"
            )
        for name in names:
            if prefix.rstrip("/") in _BY_STATE and not re.fullmatch(r"state=[^/]+/.+", name.removeprefix(prefix)):
                raise AirflowFailException(f"{self.settings.source}/{name} lies outside a folder {prefix}state=xx/")
        return names

    def _copy(self, source: Source, prefix: str, names: Collection[str]) -> None:
        bucket = self.settings.data_bucket
        there = {item["Key"]: item["ETag"].strip('"') for item in self.objects(raw_key(prefix))}

        def sent(name: str) -> bool:
            key, checksum = raw_key(name), source.checksum(name)
            if key in there and (there[key] == checksum or self._sent_checksum(key, source) == checksum):
                return False
            source.send(name, bucket, key, checksum)
            return True

        count, done, reported = 0, 0, time.monotonic()
        pool = ThreadPoolExecutor(_SENT_BESIDE_EACH_OTHER)
        try:
            for future in as_completed([pool.submit(sent, name) for name in names]):
                count, done = count + future.result(), done + 1
                if time.monotonic() - reported > _SECONDS_BETWEEN_PROGRESS:
                    self.log.info("%s: %d of %d files", prefix, done, len(names))
                    reported = time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
        vanished = sorted(set(there) - {raw_key(name) for name in names})
        if self.settings.mirror and vanished:
            self.delete(vanished)
        self.log.info(
            "%s: %d sent, %d unchanged, %d %s",
            prefix,
            count,
            len(names) - count,
            len(vanished),
            "deleted" if self.settings.mirror else "no longer in the source, kept",
        )

    def _sent_checksum(self, key: str, source: Source) -> str | None:
        head = self.s3.head_object(Bucket=self.settings.data_bucket, Key=key)
        checksum: str | None = head["Metadata"].get(source.checksum_name)
        return checksum
