"""Runs the same statements on both engines at the same time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from conformance.compare import Answer, Finding, Verdict, judged, outcomes_differ
from conformance.environment import DUCKDB, ENGINES, TRINO, Environment
from localaws.athena import ddl
from localaws.athena.catalog import Catalog, Table
from localaws.athena.engine import Engine, Outcome


@dataclass(frozen=True)
class Judge:
    """Each engine works in the database of its name, and runs a few statements at a time."""

    environment: Environment
    engines: dict[str, Engine]
    pools: dict[str, ThreadPoolExecutor]

    def submit(self, engine: str, sql: str) -> "Future[Outcome]":
        """Start a statement; as in Athena, Hive's DDL does not reach an engine."""
        return self.pools[engine].submit(self._run, engine, sql)

    def _run(self, engine: str, sql: str) -> Outcome:
        clients = self.environment.clients
        statement = ddl.find(sql, engine, clients.client("glue"))
        return (statement or self.engines[engine].statement(sql, engine, clients)).run()

    def compare(self, topic: str, sql: str) -> Finding:
        """Compare one statement, the same for both."""
        return self.compare_all(topic, [sql])[0]

    def compare_all(self, topic: str, statements: Sequence[str]) -> list[Finding]:
        """Compare statements that change nothing, in any order."""
        pending = [(sql, self.submit(DUCKDB, sql), self.submit(TRINO, sql)) for sql in statements]
        return [judged(topic, sql, Answer.wait(duckdb), Answer.wait(trino)) for sql, duckdb, trino in pending]

    def compare_created(self, topic: str, shown: str, texts: dict[str, str], table: str) -> Finding:
        """Compare a statement that creates or fills `table`: `shown` in the finding, for each engine in `texts`.

        If both engines accept it, the tables are compared: the catalog's entries, the partitions, the files of buckets,
        and the rows, as Trino reads them from both.
        """
        pending = {engine: self.submit(engine, texts[engine]) for engine in ENGINES}
        finding = judged(topic, shown, Answer.wait(pending[DUCKDB]), Answer.wait(pending[TRINO]))
        if finding.verdict != Verdict.SAME:
            return finding
        difference = self._created_differs(table)
        if not difference:
            return finding
        return replace(finding, verdict=Verdict.WRONG, difference=difference)

    def _created_differs(self, table: str) -> str:
        by_duckdb, by_trino = (self.described(engine, table) for engine in ENGINES)
        for property_ in by_duckdb.keys() | by_trino.keys():
            if by_duckdb.get(property_) != by_trino.get(property_):
                return f"{property_} of {table}: {by_duckdb.get(property_)} <> {by_trino.get(property_)}"
        read = {engine: Answer.wait(self.submit(TRINO, f'SELECT * FROM {engine}."{table}"')) for engine in ENGINES}
        if (duckdb := read[DUCKDB].outcome) is None or (trino := read[TRINO].outcome) is None:
            texts = (str(answer) for answer in read.values())
            return (
                f"rows of {table}, read by Trino: {' <> '.join(texts)}" if read[DUCKDB].code != read[TRINO].code else ""
            )
        return outcomes_differ(duckdb, trino, ordered=False)

    def table(self, engine: str, name: str) -> Table:
        """An existing table."""
        table = Catalog(self.environment.clients.client("glue")).find(engine, name)
        assert table is not None, f"there is no table {engine}.{name}"
        return table

    def described(self, engine: str, name: str) -> dict[str, Any]:
        """The catalog's entry of a table that an engine created; {} if there is none."""
        catalog = Catalog(self.environment.clients.client("glue"))
        table = catalog.find(engine, name)
        if table is None:
            return {}
        glue = catalog.glue.get_table(DatabaseName=engine, Name=name)["Table"]
        storage = glue["StorageDescriptor"]
        described = {
            "type": glue["TableType"],
            "columns": [(one["Name"], one["Type"]) for one in storage["Columns"]],
            "partition keys": [(one["Name"], one["Type"]) for one in glue.get("PartitionKeys", [])],
            "SerDe": storage.get("SerdeInfo", {}).get("SerializationLibrary", "") if not table.view_sql else "",
        }
        if table.view_sql is not None:  # Trino formats its text
            return described
        described["partitions"] = (
            sorted(partition.values for partition in catalog.partitions(table)) if table.keys else []
        )
        described["buckets"] = (storage.get("BucketColumns") or [], max(storage.get("NumberOfBuckets") or 0, 0))
        if described["buckets"][1]:
            described["files"] = self._files(catalog, table)
        return described

    def _files(self, catalog: Catalog, table: Table) -> dict[tuple[str, ...], int]:
        """The number of files of each partition."""
        folders = (
            {one.values: one.location for one in catalog.partitions(table)} if table.keys else {(): table.location}
        )
        return {values: len(self.keys(location)) for values, location in folders.items()}

    def keys(self, location: str) -> list[str]:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        answer = self.environment.clients.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", [])]

    def adopt(self, name: str) -> None:
        """Replace the table in DuckDB's database by Trino's; each engine keeps its own view."""
        glue = self.environment.clients.client("glue")
        entry = glue.get_table(DatabaseName=TRINO, Name=name)["Table"]
        if entry["TableType"] == "VIRTUAL_VIEW":
            return
        table_input = {
            field: entry[field]
            for field in ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
            if field in entry
        }
        if Catalog(glue).find(DUCKDB, name) is not None:
            glue.delete_table(DatabaseName=DUCKDB, Name=name)
        glue.create_table(DatabaseName=DUCKDB, TableInput=table_input)
        for page in glue.get_paginator("get_partitions").paginate(DatabaseName=TRINO, TableName=name):
            for one in page["Partitions"]:
                inputs = {"Values": one["Values"], "StorageDescriptor": one["StorageDescriptor"]}
                glue.create_partition(DatabaseName=DUCKDB, TableName=name, PartitionInput=inputs)

    def drop_created(self, samples: set[str]) -> None:
        """Drop all tables of both databases except for the samples; objects remain."""
        glue = self.environment.clients.client("glue")
        for engine in ENGINES:
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=engine):
                for name in {one["Name"] for one in page["TableList"]} - samples:
                    glue.delete_table(DatabaseName=engine, Name=name)


@contextmanager
def judging(environment: Environment) -> Iterator[Judge]:
    with ThreadPoolExecutor(2) as for_duckdb, ThreadPoolExecutor(3) as for_trino:
        yield Judge(environment, environment.engines(), {DUCKDB: for_duckdb, TRINO: for_trino})
