"""Step 1: copies raw data to the data bucket."""

import csv
import io
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from smart_hub.core import compression
from smart_hub.core.sources import Source, SourceError, is_data, source_of
from smart_hub.operators.base import SmartHubOperator
from smart_hub.orchestration import macros
from smart_hub.shared.content_hash import content_hash
from smart_hub.shared.layout import (
    LOCATION_COLUMNS,
    REFERENCE_TABLES,
    damaged_key,
    is_compressed,
    raw_key,
    raw_prefix,
    run_id_key,
)

_MAX_PARALLEL_UPLOADS = 8
_SECONDS_BETWEEN_PROGRESS = 10.0
_MAX_NAMES_IN_MESSAGE = 20
# Data sets with one folder, and one partition, per state. No table would contain a file outside these folders.
_BY_STATE = ("mappings", "locations")
# Metadata key for the result of the check of a file, and its values for intact files; others describe the damage.
_CHECK, _INTACT, _WITH_HEADER = "check", "intact", "intact, with its header"
# Suffixes of compressed files that Athena supports and this package does not.
_UNREADABLE = (".bz2", ".deflate", ".lz4", ".snappy")
_MAX_HEADER_CHARACTERS = 1 << 16


@dataclass(frozen=True)
class _Outcome:
    """The outcome for a file: whether it was copied, and its damage, if any."""

    name: str
    was_sent: bool
    damage: str | None = None


class CopyRawDataOperator(SmartHubOperator):
    """Copies a day's usage and all mappings, locations and rates from the source into the data bucket.

    Unchanged files are not copied again. A file is unchanged if its checksum equals the object's ETag or, where the
    ETag is not a checksum (multipart, KMS), the checksum in the object's metadata. With ``settings.mirror``, objects
    that the source no longer has are deleted: of this day's usage, of mappings, of locations, of rates.

    Before they are copied, compressed files are read to their end, and files of locations up to their header. A damaged
    file of usage is set aside (layout.damaged_key), an earlier version of it is deleted from the day, and the day is
    processed without it.

    Returns content_hashes (of each reference data set), new (reference data sets to convert), crawl (data sets to
    crawl) and damaged (sorted names of damaged files of usage in the source). Fails, without a retry, if a setting is
    wrong, if the source has no files of a data set, if all files of usage or any file of another data set are damaged,
    or if a file of locations has no header. With ``settings.skip_empty_days``, missing usage of the day skips the run
    instead.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        self.check_settings()
        day, key = macros.usage_day(context), run_id_key(macros.run(context))
        self.s3.put_object(Bucket=self.settings.data_bucket, Key=key, Body=context["run_id"].encode())
        source = source_of(self.settings.source, self.s3)
        # All data sets are listed before the first copy, so that an incomplete source changes nothing.
        usage = f"usage/dt={day}/"
        names = {prefix: self._names(source, prefix) for prefix in (*(f"{name}/" for name in REFERENCE_TABLES), usage)}
        damaged = {prefix: self._copy(source, prefix, names[prefix]) for prefix in names}[usage]

        references = {data_set: list(self.objects(raw_prefix(data_set))) for data_set in REFERENCE_TABLES}
        hashes = {
            data_set: content_hash((item["Key"], item["ETag"]) for item in items)
            for data_set, items in references.items()
        }
        new = [data_set for data_set, table in REFERENCE_TABLES.items() if not self._has(table, hashes[data_set])]
        crawl = [] if self._has("raw_usage", day) else ["usage"]
        for data_set, items in references.items():
            # The table raw_rates has no partitions; it is crawled if its data are new.
            if self._lacks_a_state(data_set, items) if data_set in _BY_STATE else data_set in new:
                crawl.append(data_set)
        self.log.info("To be converted: %s", ", ".join(new) or "nothing")
        self.log.info("To be crawled: %s", ", ".join(crawl) or "nothing, the catalog has all partitions")
        return {"content_hashes": hashes, "new": new, "crawl": crawl, "damaged": damaged}

    def _has(self, table: str, value: str) -> bool:
        return self.partition_location(table, value) is not None

    def _lacks_a_state(self, data_set: str, items: Iterable[dict[str, Any]]) -> bool:
        """Whether a state with raw data has no partition in the catalog. items: the raw objects."""
        prefix = raw_prefix(data_set)
        folders = {item["Key"].removeprefix(prefix).split("/")[0] for item in items if item["Size"]}
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.settings.database, TableName=f"raw_{data_set}", ExcludeColumnSchema=True
        )
        registered = {partition["Values"][0] for page in pages for partition in page["Partitions"]}
        return not {unquote(folder.removeprefix("state=")) for folder in folders} <= registered

    def _names(self, source: Source, prefix: str) -> list[str]:
        """The names of the source's files under a prefix. Fails if there are none, or if one is in a wrong folder."""
        try:
            found = source.names(prefix)
        except SourceError as error:
            raise AirflowFailException(f"SMART_HUB_SOURCE: {error}") from None
        names = sorted(name for name in found if is_data(name))
        if left_out := sorted(set(found) - set(names)):
            self.log.warning("Skipped, because Athena ignores names with . or _ first: %s", ", ".join(left_out))
        if not names and self.settings.skip_empty_days and _is_usage(prefix):
            raise AirflowSkipException(
                f"no file under {self.settings.source}/{prefix}; SMART_HUB_SKIP_EMPTY_DAYS is on"
            )
        if not names:
            folders = ", ".join(f"{data_set}/" for data_set in REFERENCE_TABLES)
            raise AirflowFailException(
                f"no file under {self.settings.source}/{prefix}: put the data there, or set SMART_HUB_SOURCE"
                f" to the folder or s3:// prefix that has {folders} and usage/"
            )
        keys: dict[str, str] = {}
        for name in names:
            if prefix.rstrip("/") in _BY_STATE and not re.fullmatch(r"state=[^/]+/.+", name.removeprefix(prefix)):
                raise AirflowFailException(f"{self.settings.source}/{name} lies outside a folder {prefix}state=xx/")
            if (other := keys.setdefault(raw_key(name), name)) != name:
                raise AirflowFailException(
                    f"{self.settings.source}/{other} and {name} would both be copied to {raw_key(name)}: rename one"
                )
        return names

    def _copy(self, source: Source, prefix: str, names: Sequence[str]) -> list[str]:
        """Copies the source's files under a prefix. Returns the sorted names of damaged files."""
        there = self._etags(raw_key(prefix))
        set_aside = self._etags(damaged_key(prefix)) if _is_usage(prefix) else {}

        def transfer(name: str) -> _Outcome:
            if is_compressed(name) or _has_header(name):
                return self._transfer_checked(source, name, there, set_aside)
            key, checksum = raw_key(name), source.checksum(name)
            if key in there and (there[key] == checksum or self._metadata(key).get(source.checksum_name) == checksum):
                return _Outcome(name, was_sent=False)
            source.send(name, self.settings.data_bucket, key, checksum)
            return _Outcome(name, was_sent=True)

        outcomes: list[_Outcome] = []
        reported = time.monotonic()
        pool = ThreadPoolExecutor(_MAX_PARALLEL_UPLOADS)
        try:
            for future in as_completed([pool.submit(transfer, name) for name in names]):
                outcomes.append(future.result())
                if time.monotonic() - reported > _SECONDS_BETWEEN_PROGRESS:
                    self.log.info("%s: %d of %d files", prefix, len(outcomes), len(names))
                    reported = time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
        damaged = self._damaged(prefix, outcomes)
        self._delete_superseded(names, damaged, there, set_aside)
        vanished = sorted(set(there) - {raw_key(name) for name in names})
        if self.settings.mirror and vanished:
            self.delete(vanished)
        sent = sum(one.was_sent for one in outcomes)
        self.log.info(
            "%s: %d sent, %d unchanged, %d %s",
            prefix,
            sent,
            len(names) - sent - len(damaged),
            len(vanished),
            "deleted" if self.settings.mirror else "no longer in the source, kept",
        )
        return damaged

    def _transfer_checked(
        self, source: Source, name: str, there: Mapping[str, str], set_aside: Mapping[str, str]
    ) -> _Outcome:
        """Copies an intact file to the raw data, or sets a damaged file of usage aside. Fails if the header is missing.

        An unchanged file is not checked again: the metadata of its object have the result of the last check.
        """
        checksum, bucket = source.checksum(name), self.settings.data_bucket
        passed = _WITH_HEADER if _has_header(name) else _INTACT

        def found_before(key: str, etags: Mapping[str, str]) -> str | None:
            if key not in etags:
                return None
            metadata = self._metadata(key)
            is_same = checksum in (etags[key], metadata.get(source.checksum_name))
            return metadata.get(_CHECK) if is_same else None

        if found_before(raw_key(name), there) == passed:
            return _Outcome(name, was_sent=False)
        if damage := found_before(damaged_key(name), set_aside):
            return _Outcome(name, was_sent=False, damage=damage)
        try:
            if is_compressed(name):
                with source.open(name) as file:
                    compression.check(name, file)
        except compression.DamagedFile as error:
            if _is_usage(name):
                source.send(name, bucket, damaged_key(name), checksum, **{_CHECK: str(error)})
            return _Outcome(name, was_sent=False, damage=str(error))
        if _has_header(name):
            with source.open(name) as file:
                self._check_header(name, compression.opened(name, file))
        source.send(name, bucket, raw_key(name), checksum, **{_CHECK: passed})
        return _Outcome(name, was_sent=True)

    def _check_header(self, name: str, file: BinaryIO) -> None:
        """Fails unless the first non-blank line has the names of the columns, or all lines are blank."""
        text = io.TextIOWrapper(file, "utf-8-sig", "replace")
        first = ""
        while not first and (line := text.readline(_MAX_HEADER_CHARACTERS)):
            first = line.strip()
        names = [one.strip().lower() for one in next(csv.reader([first], skipinitialspace=True), [])]
        if first and tuple(names[: len(LOCATION_COLUMNS)]) != LOCATION_COLUMNS:
            raise AirflowFailException(
                f"{self.settings.source}/{name}: the first line should be the header {','.join(LOCATION_COLUMNS)}, but"
                f" it is {first[:100]!r}: the header is missing, or its columns are in another order. Fix the file in"
                " the source, and clear this task"
            )

    def _damaged(self, prefix: str, outcomes: Collection[_Outcome]) -> list[str]:
        """The sorted names of damaged files. Fails if the run needs them."""
        damages = {one.name: one.damage for one in sorted(outcomes, key=lambda one: one.name) if one.damage}
        if damages and not _is_usage(prefix):
            raise AirflowFailException(
                f"damaged: {self._listed(damages)}. Replace them in the source with intact files, and clear this task"
            )
        if len(damages) == len(outcomes):
            raise AirflowFailException(
                f"all files of {prefix} are damaged: {self._listed(damages)}. Replace them in the source with intact"
                " files, and clear this task"
            )
        for name, damage in damages.items():
            self.log.warning(
                "%s/%s is damaged and will not be used: %s. It was copied to %s; replace it in the source with an"
                " intact file, and run the day again",
                self.settings.source,
                name,
                damage,
                self.settings.location(damaged_key(name)),
            )
        return list(damages)

    def _listed(self, damages: Mapping[str, str | None]) -> str:
        texts = [f"{self.settings.source}/{name} ({damage})" for name, damage in damages.items()]
        more = len(texts) - _MAX_NAMES_IN_MESSAGE
        return ", ".join(texts[:_MAX_NAMES_IN_MESSAGE]) + (f" and {more} more" if more > 0 else "")

    def _delete_superseded(
        self, names: Collection[str], damaged: Collection[str], there: Collection[str], set_aside: Collection[str]
    ) -> None:
        """Deletes earlier versions of damaged files from the raw data, and set-aside files that are now intact.

        With ``settings.mirror``, also deletes set-aside files that the source no longer has.
        """
        replaced = {raw_key(name) for name in damaged} & set(there)
        known = set(set_aside) if self.settings.mirror else set(set_aside) & {damaged_key(name) for name in names}
        if superseded := sorted(replaced | (known - {damaged_key(name) for name in damaged})):
            self.delete(superseded)
            self.log.info("Deleted superseded objects: %s", ", ".join(superseded))

    def _etags(self, prefix: str) -> dict[str, str]:
        """ETags of the data bucket's objects under a key prefix."""
        return {item["Key"]: item["ETag"].strip('"') for item in self.objects(prefix)}

    def _metadata(self, key: str) -> dict[str, str]:
        return dict(self.s3.head_object(Bucket=self.settings.data_bucket, Key=key)["Metadata"])


def _has_header(name: str) -> bool:
    """Whether the file must begin with a header, and this package can read it."""
    return name.startswith("locations/") and not name.lower().endswith(_UNREADABLE)


def _is_usage(name: str) -> bool:
    return name.startswith("usage/")
