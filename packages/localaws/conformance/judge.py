"""Asks both engines the same, side by side."""

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
    """Each engine works in the database of its name; statements of one engine run a few at a time."""

    environment: Environment
    engines: dict[str, Engine]
    pools: dict[str, ThreadPoolExecutor]

    def ask(self, engine: str, sql: str) -> "Future[Outcome]":
        """One statement on its way; what Hive's DDL covers never reaches an engine, as in Athena."""
        return self.pools[engine].submit(self._run, engine, sql)

    def _run(self, engine: str, sql: str) -> Outcome:
        clients = self.environment.clients
        statement = ddl.find(sql, engine, clients.client("glue"))
        return (statement or self.engines[engine].statement(sql, engine, clients)).run()

    def compare(self, topic: str, sql: str) -> Finding:
        """One statement, the same for both."""
        return self.compare_all(topic, [sql])[0]

    def compare_all(self, topic: str, statements: Sequence[str]) -> list[Finding]:
        """Statements that change nothing, in any order."""
        asked = [(sql, self.ask(DUCKDB, sql), self.ask(TRINO, sql)) for sql in statements]
        return [judged(topic, sql, Answer.of(ours), Answer.of(theirs)) for sql, ours, theirs in asked]

    def compare_made(self, topic: str, shown: str, texts: dict[str, str], table: str) -> Finding:
        """A statement that makes or fills `table`: `shown`, as each engine gets it in `texts`.

        When both engines accept it, what stands there afterwards is compared: the catalog's entry, its partitions,
        its files where they are in buckets, and its rows, read by Trino from both.
        """
        asked = {engine: self.ask(engine, texts[engine]) for engine in ENGINES}
        finding = judged(topic, shown, Answer.of(asked[DUCKDB]), Answer.of(asked[TRINO]))
        if finding.verdict != Verdict.SAME:
            return finding
        difference = self._made_differs(table)
        if not difference:
            return finding
        return replace(finding, verdict=Verdict.WRONG, difference=difference)

    def _made_differs(self, table: str) -> str:
        ours, theirs = (self.described(engine, table) for engine in ENGINES)
        for what in ours.keys() | theirs.keys():
            if ours.get(what) != theirs.get(what):
                return f"{what} of {table}: {ours.get(what)} <> {theirs.get(what)}"
        read = {engine: Answer.of(self.ask(TRINO, f'SELECT * FROM {engine}."{table}"')) for engine in ENGINES}
        if (mine := read[DUCKDB].outcome) is None or (its := read[TRINO].outcome) is None:
            told = (str(answer) for answer in read.values())
            return (
                f"rows of {table}, read by Trino: {' <> '.join(told)}" if read[DUCKDB].code != read[TRINO].code else ""
            )
        return outcomes_differ(mine, its, ordered=False)

    def table(self, engine: str, name: str) -> Table:
        """A table that is there."""
        found = Catalog(self.environment.clients.client("glue")).find(engine, name)
        assert found is not None, f"there is no table {engine}.{name}"
        return found

    def described(self, engine: str, name: str) -> dict[str, Any]:
        """What the catalog says about a table that an engine made."""
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
        if table.view_sql is not None:  # whose text Trino formats
            return described
        described["partitions"] = (
            sorted(partition.values for partition in catalog.partitions(table)) if table.keys else []
        )
        described["buckets"] = (storage.get("BucketColumns") or [], max(storage.get("NumberOfBuckets") or 0, 0))
        if described["buckets"][1]:
            described["files"] = self._files(catalog, table)
        return described

    def _files(self, catalog: Catalog, table: Table) -> dict[tuple[str, ...], int]:
        """How many each partition has."""
        folders = (
            {one.values: one.location for one in catalog.partitions(table)} if table.keys else {(): table.location}
        )
        return {values: len(self.keys(location)) for values, location in folders.items()}

    def keys(self, location: str) -> list[str]:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        answer = self.environment.clients.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", [])]

    def adopt(self, name: str) -> None:
        """Give DuckDB's database the table that Trino made, in place of its own; a view stays each engine's."""
        glue = self.environment.clients.client("glue")
        found = glue.get_table(DatabaseName=TRINO, Name=name)["Table"]
        if found["TableType"] == "VIRTUAL_VIEW":
            return
        entry = {
            what: found[what]
            for what in ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
            if what in found
        }
        if Catalog(glue).find(DUCKDB, name) is not None:
            glue.delete_table(DatabaseName=DUCKDB, Name=name)
        glue.create_table(DatabaseName=DUCKDB, TableInput=entry)
        for page in glue.get_paginator("get_partitions").paginate(DatabaseName=TRINO, TableName=name):
            for one in page["Partitions"]:
                inputs = {"Values": one["Values"], "StorageDescriptor": one["StorageDescriptor"]}
                glue.create_partition(DatabaseName=DUCKDB, TableName=name, PartitionInput=inputs)

    def drop_made(self, kept: set[str]) -> None:
        """Drop all tables of both databases but those kept; objects stay where they are."""
        glue = self.environment.clients.client("glue")
        for engine in ENGINES:
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=engine):
                for name in {one["Name"] for one in page["TableList"]} - kept:
                    glue.delete_table(DatabaseName=engine, Name=name)


@contextmanager
def judging(environment: Environment) -> Iterator[Judge]:
    with ThreadPoolExecutor(2) as ours, ThreadPoolExecutor(3) as theirs:
        yield Judge(environment, environment.engines(), {DUCKDB: ours, TRINO: theirs})
