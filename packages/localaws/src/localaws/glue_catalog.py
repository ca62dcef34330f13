"""Corrections to ministack's Glue catalog."""

import re
from typing import Any, ClassVar

import duckdb
import sqlglot
from sqlglot import exp

from localaws.service import AwsClients, Caller, Service, ServiceError

# Nodes of a GetPartitions filter.
_FILTER_NODES = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
    *(exp.In, exp.Between, exp.Like, exp.Column, exp.Identifier, exp.Literal),
)


class GlueCatalog(Service):
    """Tables and partitions as AWS returns them."""

    target = "AWSGlue"
    amended: ClassVar[frozenset[str]] = frozenset({"GetTable", "GetTables", "GetPartitions"})

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Apply Expression to partitions and tables, and omit empty descriptions, as AWS does.

        Trino would read an empty description as a comment of a table, not of a view.
        """
        if answer.get("Partitions") and body.get("Expression"):
            answer["Partitions"] = self._filtered(answer["Partitions"], body)
        if "TableList" in answer and body.get("Expression"):
            answer["TableList"] = self._matching(body["DatabaseName"], body["Expression"])
        for table in answer.get("TableList", [answer.get("Table", {})]):
            if table.get("Description") == "":
                del table["Description"]
        return answer

    def _matching(self, database: str, expression: str) -> list[dict[str, Any]]:
        """The tables whose names match the regular expression; ministack treats it as a glob."""
        try:
            names = re.compile(expression)
        except re.error as error:
            raise ServiceError("InvalidInputException", f"Expression {expression!r}: {error}") from error
        tables = self._clients.client("glue").get_tables(DatabaseName=database)["TableList"]
        return [table for table in tables if names.fullmatch(table["Name"])]

    def _filtered(self, partitions: list[dict[str, Any]], body: dict[str, Any]) -> list[dict[str, Any]]:
        """The partitions that match the expression, a SQL filter on the partition keys, which ministack ignores."""
        _check_filter(body["Expression"])
        glue = self._clients.client("glue")
        table = glue.get_table(DatabaseName=body["DatabaseName"], Name=body["TableName"])["Table"]
        values = zip(*(partition["Values"] for partition in partitions), strict=True)
        columns = [
            f'TRY_CAST(unnest(?) AS {key.get("Type", "string")}) AS "{key["Name"]}"' for key in table["PartitionKeys"]
        ]
        query = f"SELECT unnest(range({len(partitions)})) AS number, {', '.join(columns)}"
        with duckdb.connect(config={"enable_external_access": False}) as connection:
            try:
                rows = connection.sql(query, params=[*values]).filter(body["Expression"]).project("number").fetchall()
            except duckdb.Error as error:
                raise ServiceError("InvalidInputException", f"Expression {body['Expression']!r}: {error}") from error
        return [partitions[number] for (number,) in sorted(rows)]


def _check_filter(expression: str) -> None:
    """Raises ServiceError for constructs that GetPartitions does not support.

    https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
    """
    try:
        tree = sqlglot.parse_one(expression)
    except sqlglot.errors.ParseError as error:
        raise ServiceError("InvalidInputException", f"Expression {expression!r}: {error}") from error
    if unsupported := [node for node in tree.walk() if not isinstance(node, _FILTER_NODES)]:
        raise ServiceError(
            "InvalidInputException", f"Expression {expression!r}: {unsupported[0].sql()} is not supported"
        )
