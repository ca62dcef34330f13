"""Errors of queries, with the codes and messages of Athena's StateChangeReason."""


class QueryError(Exception):
    """A statement fails: ``CODE: message``, where the code is Trino's, Hive's or Athena's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def at(self, place: str) -> "QueryError":
        """The error with a position, ``line 1:8: ``, unless it has one or reports an unsupported construct."""
        if self.message.startswith("line ") or self.code == "NOT_SUPPORTED":
            return self
        return QueryError(self.code, place + self.message)


# The reason if a query would scan more than its workgroup's BytesScannedCutoffPerQuery.
SCAN_LIMIT = "Bytes scanned limit was exceeded"


class Cancelled(Exception):
    """The statement was stopped by StopQueryExecution, or by a limit that the message names."""

    def __init__(self, reason: str = "Query was cancelled by the user") -> None:
        super().__init__(reason)


def not_supported(what: str) -> QueryError:
    """The error for a construct that the DuckDB engine is not known to execute as Athena does."""
    message = f"{what} is not covered by the local DuckDB engine; run it with the Trino engine"
    return QueryError("NOT_SUPPORTED", message)


def ddl_not_supported(what: str) -> QueryError:
    """The error for Hive's DDL that the local AWS does not cover; no engine executes it."""
    remedy = "use Glue's API or CloudFormation instead"
    return QueryError("NOT_SUPPORTED", f"{what} is not covered by the local AWS, with either engine; {remedy}")
