"""Runs Glue crawlers: they register the partition folders below catalog tables."""

import json
import logging
import statistics
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from localaws.access import under_role
from localaws.athena.catalog import OPENX_JSON
from localaws.faults import injected
from localaws.inference import CannotInfer, columns_of
from localaws.records import Records
from localaws.service import AwsClients, Caller, Service, ServiceError

log = logging.getLogger("localaws.crawlers")

PARTITIONS_PER_CALL = 100  # the maximum of BatchCreatePartition and BatchUpdatePartition
INHERITED = ("Columns", "InputFormat", "OutputFormat", "SerdeInfo")


class CrawlError(Exception):
    """A crawl fails; the message becomes its ErrorMessage."""


class Stopped(Exception):
    """StopCrawler was called."""


class Crawlers(Service):
    """Crawls and their history; ministack has the definitions of the crawlers.

    Catalog targets are covered whose partitions inherit from their table or, for JSON lines, get the schema that the
    crawler infers. A crawl of anything else fails with a message.
    """

    target = "AWSGlue"
    actions: ClassVar[frozenset[str]] = frozenset({"StartCrawler", "StopCrawler", "GetCrawlerMetrics", "ListCrawls"})
    amended: ClassVar[frozenset[str]] = frozenset({"GetCrawler", "GetCrawlers", "DeleteCrawler"})

    def __init__(self, clients: AwsClients, records: Records) -> None:
        self._clients = clients
        self._records = records
        self._lock = threading.Lock()
        self._running: dict[str, Crawl] = {}
        for crawl in records.list("crawl"):
            if crawl["State"] == "RUNNING":
                self._end(crawl, "FAILED", "The local AWS was restarted during the crawl")

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if action == "StartCrawler":
            return self._start(body["Name"])
        if action == "StopCrawler":
            return self._stop(body["Name"])
        if action == "ListCrawls":
            return {"Crawls": [_history(crawl) for crawl in reversed(self._crawls(body["CrawlerName"]))]}
        names = body.get("CrawlerNameList") or [crawler["Name"] for crawler in self._definitions()]
        return {"CrawlerMetricsList": [self._metrics(name) for name in names]}

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        if action == "DeleteCrawler":
            for crawl in self._records.list("crawl"):
                if crawl["CrawlerName"] == body["Name"]:
                    self._records.delete("crawl", crawl["CrawlId"])
            return answer
        for crawler in answer.get("Crawlers", [answer.get("Crawler", {})]):
            running = self._running.get(crawler["Name"])
            crawler["State"] = running.state if running else "READY"
            crawler["CrawlElapsedTime"] = running.elapsed_milliseconds() if running else 0
            crawler.pop("LastCrawl", None)
            ended = [c for c in self._crawls(crawler["Name"], crawler) if c["State"] != "RUNNING"]
            if ended:
                crawler["LastCrawl"] = _last_crawl(ended[-1])
        return answer

    def close(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for crawl in running:
            crawl.stop.set()
        for crawl in running:
            crawl.thread.join()

    def _start(self, name: str) -> dict[str, Any]:
        definition = self._definition(name)
        clients = under_role(self._clients, definition["Role"], "glue.amazonaws.com", "AWS-Crawler")
        with self._lock:
            if name in self._running:
                raise ServiceError("CrawlerRunningException", f"Crawler with name {name} has already started")
            record = {
                "CrawlId": str(uuid.uuid4()),
                "CrawlerName": name,
                "CrawlerCreated": definition["CreationTime"].timestamp(),
                "State": "RUNNING",
                "StartTime": time.time(),
            }
            run = threading.Thread(target=self._run, args=(definition, record, clients, injected("crawl")))
            crawl = Crawl(record, run)
            self._records.put("crawl", record["CrawlId"], record)
            self._running[name] = crawl
            crawl.thread.start()
        return {}

    def _stop(self, name: str) -> dict[str, Any]:
        self._definition(name)
        with self._lock:
            crawl = self._running.get(name)
            if crawl is None:
                raise ServiceError("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
            if crawl.stop.is_set():
                raise ServiceError("CrawlerStoppingException", f"Crawler with name {name} is stopping")
            crawl.stop.set()
        return {}

    def _run(self, definition: dict[str, Any], record: dict[str, Any], clients: AwsClients, fault: str) -> None:
        """Crawl. clients: with the permissions of the crawler's role."""
        crawl = self._running[definition["Name"]]
        counts = {"TablesUpdated": 0, "PartitionsAdded": 0}
        state, error = "FAILED", "Internal error; the log of the local AWS has its traceback"
        try:
            if fault:
                raise CrawlError("An injected fault")
            for classifier in definition.get("Classifiers", []):
                clients.client("glue").get_classifier(Name=classifier)
            for database, table in catalog_tables(definition):
                clients.client("glue").get_database(Name=database)
                added = _crawl_table(clients, database, table, crawl, inherits_from_table(definition))
                counts["PartitionsAdded"] += added
                counts["TablesUpdated"] += added > 0
            state, error = "COMPLETED", ""
        except Stopped:
            state, error = "STOPPED", ""
        except (CrawlError, ClientError, BotoCoreError) as failure:
            error = str(failure)
        finally:  # the crawl gets a final state, whatever happens in this thread
            crawl.state = "STOPPING"  # as on AWS, while the outcome is recorded
            with self._lock:
                self._end({**record, **counts}, state, error)
                del self._running[definition["Name"]]

    def _end(self, record: dict[str, Any], state: str, error: str) -> None:
        ended = {**record, "State": state, "EndTime": time.time()}
        if error:
            ended["ErrorMessage"] = error
            log.warning("crawler %s: %s", record["CrawlerName"], error)
        self._records.put("crawl", record["CrawlId"], ended)

    def _definitions(self) -> list[dict[str, Any]]:
        pages = self._clients.client("glue").get_paginator("get_crawlers").paginate()
        return [crawler for page in pages for crawler in page["Crawlers"]]

    def _definition(self, name: str) -> dict[str, Any]:
        try:
            crawler: dict[str, Any] = self._clients.client("glue").get_crawler(Name=name)["Crawler"]
        except ClientError as error:
            raise ServiceError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        return crawler

    def _crawls(self, name: str, definition: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The crawls of a crawler, oldest first, without those of an earlier crawler of the same name."""
        created = definition["CreationTime"] if definition else self._definition(name)["CreationTime"].timestamp()
        return [
            crawl
            for crawl in self._records.list("crawl")
            if crawl["CrawlerName"] == name and crawl["CrawlerCreated"] == created
        ]

    def _metrics(self, name: str) -> dict[str, Any]:
        ended = [crawl for crawl in self._crawls(name) if crawl["State"] != "RUNNING"]
        seconds = [crawl["EndTime"] - crawl["StartTime"] for crawl in ended]
        return {
            "CrawlerName": name,
            "TimeLeftSeconds": 0.0,
            "StillEstimating": False,
            "LastRuntimeSeconds": seconds[-1] if seconds else 0.0,
            "MedianRuntimeSeconds": statistics.median(seconds) if seconds else 0.0,
            "TablesCreated": 0,  # catalog targets exist already
            "TablesUpdated": sum(crawl.get("TablesUpdated", 0) for crawl in ended),
            "TablesDeleted": 0,
        }


class Crawl:
    """A running crawl."""

    def __init__(self, record: dict[str, Any], thread: threading.Thread) -> None:
        self.record = record
        self.thread = thread
        self.stop = threading.Event()
        self._state = "RUNNING"

    @property
    def state(self) -> str:
        """RUNNING or STOPPING."""
        return "STOPPING" if self.stop.is_set() else self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state

    def elapsed_milliseconds(self) -> int:
        return int((time.time() - self.record["StartTime"]) * 1000)


def catalog_tables(crawler: dict[str, Any]) -> list[tuple[str, str]]:
    """The (database, table) pairs that a crawler crawls. Raises CrawlError for other kinds of targets."""
    name = crawler["Name"]
    other = [kind for kind, targets in crawler["Targets"].items() if targets and kind != "CatalogTargets"]
    if other:
        raise CrawlError(f"Crawler {name}: only catalog targets are covered, not {', '.join(other)}")
    policy = crawler.get("SchemaChangePolicy", {})
    # The defaults on AWS are UPDATE_IN_DATABASE and DEPRECATE_IN_DATABASE.
    for behavior in ("UpdateBehavior", "DeleteBehavior"):
        if policy.get(behavior) != "LOG":
            raise CrawlError(f"Crawler {name}: the local AWS covers only {behavior} LOG: set it")
    return [
        (target["DatabaseName"], table)
        for target in crawler["Targets"].get("CatalogTargets", [])
        for table in target["Tables"]
    ]


def inherits_from_table(crawler: dict[str, Any]) -> bool:
    """Whether partitions get their table's columns and SerDe; by default AWS infers them for each partition."""
    configuration = json.loads(crawler.get("Configuration") or "{}")
    partitions = configuration.get("CrawlerOutput", {}).get("Partitions", {})
    return bool(partitions.get("AddOrUpdateBehavior") == "InheritFromTable")


def _crawl_table(clients: AwsClients, database: str, name: str, crawl: "Crawl", inherit: bool) -> int:
    """Register the missing partitions; returns the number of partitions added or updated.

    With ``inherit``, they get the table's columns, and so do registered partitions that differ; without it, a missing
    partition gets the columns inferred from its files.
    """
    glue = clients.client("glue")
    table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    location = table["StorageDescriptor"].get("Location", "")
    if urlsplit(location).scheme != "s3":
        raise CrawlError(f"Table {database}.{name} has no S3 location: {location!r}")
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    if not keys:
        _read_one(clients, location)
        return 0  # its schema is declared, and there are no partitions
    known = {
        tuple(partition["Values"]): partition
        for page in glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
        for partition in page["Partitions"]
    }
    missing, stale = [], []
    for values, folder in _partition_folders(clients, location, keys, crawl):
        partition = known.get(values)
        if partition is None:
            if _read_one(clients, folder):
                columns = None if inherit else _inferred(clients, table, folder)
                missing.append(_partition_input(table, values, folder, columns))
        elif inherit and not _inherits(partition, table):
            location = partition["StorageDescriptor"]["Location"]
            stale.append(_partition_input(table, values, location))
    for batch in _batches(missing):
        answer = glue.batch_create_partition(DatabaseName=database, TableName=name, PartitionInputList=batch)
        # Another client can have registered the partition in the meantime.
        _raise_errors(answer, database, name, but="AlreadyExistsException")
    for batch in _batches(stale):
        entries = [{"PartitionValueList": item["Values"], "PartitionInput": item} for item in batch]
        answer = glue.batch_update_partition(DatabaseName=database, TableName=name, Entries=entries)
        _raise_errors(answer, database, name)
    return len(missing) + len(stale)


def _partition_folders(
    clients: AwsClients, location: str, keys: list[str], crawl: "Crawl"
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Values and URL of each folder `key=value/...` below the table's location, one level per key."""
    if not keys:
        yield (), location
        return
    for folder in _folders(clients, location):
        if crawl.stop.is_set():
            raise Stopped
        key, equals, value = folder.removesuffix("/").rpartition("/")[2].partition("=")
        if not equals or key.lower() != keys[0] or not value:
            log.warning("%s was skipped: expected a folder %s=...", folder, keys[0])
            continue
        for values, leaf in _partition_folders(clients, folder, keys[1:], crawl):
            yield (unquote(value), *values), leaf


def _folders(clients: AwsClients, location: str) -> Iterator[str]:
    """The URLs of the folders directly below the folder at `location`."""
    bucket, prefix = _bucket_and_prefix(location)
    pages = clients.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    for page in pages:
        for folder in page.get("CommonPrefixes", []):
            yield f"s3://{bucket}/{folder['Prefix']}"


def _read_one(clients: AwsClients, folder: str) -> bool:
    """Whether the folder contains an object, whose first byte is read, as a crawler does to classify it."""
    bucket, prefix = _bucket_and_prefix(folder)
    client = clients.client("s3")
    # Two keys, because the first can be the empty object that represents a folder in the console.
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2)
    for item in listed.get("Contents", []):
        if item["Key"] != prefix:
            client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read(1)
            return True
    return False


def _inferred(clients: AwsClients, table: dict[str, Any], folder: str) -> list[dict[str, str]]:
    """The columns of a partition, inferred from its files."""
    if table["StorageDescriptor"].get("SerdeInfo", {}).get("SerializationLibrary") != OPENX_JSON:
        raise CrawlError(
            f"Table {table['Name']}: the local AWS infers schemas for JSON lines only; set"
            " CrawlerOutput.Partitions.AddOrUpdateBehavior to InheritFromTable in the crawler's Configuration"
        )
    bucket, prefix = _bucket_and_prefix(folder)
    client = clients.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = (item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"] != prefix)
    try:
        return columns_of(
            line for key in keys for line in client.get_object(Bucket=bucket, Key=key)["Body"].iter_lines()
        )
    except CannotInfer as error:
        raise CrawlError(f"{folder}: the local AWS cannot infer the schema: {error}") from error


def _partition_input(
    table: dict[str, Any], values: tuple[str, ...], location: str, columns: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """columns: None for the table's columns."""
    parameters = table.get("Parameters", {})
    storage = {**table["StorageDescriptor"], "Location": location}
    return {
        "Values": list(values),
        "StorageDescriptor": storage if columns is None else {**storage, "Columns": columns},
        "Parameters": {key: parameters[key] for key in ("classification",) if key in parameters},
    }


def _inherits(partition: dict[str, Any], table: dict[str, Any]) -> bool:
    own, parent = partition["StorageDescriptor"], table["StorageDescriptor"]
    return all(own.get(field) == parent.get(field) for field in INHERITED)


def _bucket_and_prefix(location: str) -> tuple[str, str]:
    url = urlsplit(location, allow_fragments=False)
    prefix = url.path.lstrip("/")
    return url.netloc, prefix if prefix.endswith("/") or not prefix else f"{prefix}/"


def _batches(items: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(items), PARTITIONS_PER_CALL):
        yield items[start : start + PARTITIONS_PER_CALL]


def _raise_errors(answer: dict[str, Any], database: str, table: str, but: str = "") -> None:
    for error in answer.get("Errors", []):
        detail = error.get("ErrorDetail", {})
        if detail.get("ErrorCode") != but:
            raise CrawlError(f"Table {database}.{table}, partition {error}: {detail.get('ErrorMessage')}")


def _history(crawl: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in crawl.items() if field not in ("CrawlerName", "CrawlerCreated")}


def _last_crawl(crawl: dict[str, Any]) -> dict[str, Any]:
    statuses = {"COMPLETED": "SUCCEEDED", "FAILED": "FAILED", "STOPPED": "CANCELLED"}
    last = {
        "Status": statuses[crawl["State"]],
        "LogGroup": "/aws-glue/crawlers",
        "LogStream": crawl["CrawlerName"],
        "MessagePrefix": crawl["CrawlId"],
        "StartTime": crawl["StartTime"],
    }
    if "ErrorMessage" in crawl:
        last["ErrorMessage"] = crawl["ErrorMessage"]
    return last
