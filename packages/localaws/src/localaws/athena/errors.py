"""Errors of queries, worded and coded as Athena's StateChangeReason has them."""


class QueryError(Exception):
    """A statement that fails: ``CODE: message``, the code being Trino's, Hive's or Athena's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def at(self, place: str) -> "QueryError":
        """The error with the place of its fault, ``line 1:8: ``, unless it has one or is our refusal."""
        if self.message.startswith("line ") or self.code == "NOT_SUPPORTED":
            return self
        return QueryError(self.code, place + self.message)


# Why a query ends that would scan more than its workgroup's BytesScannedCutoffPerQuery.
SCAN_LIMIT = "Bytes scanned limit was exceeded"


class Cancelled(Exception):
    """The statement was stopped: by StopQueryExecution, or by a limit that the text names."""

    def __init__(self, reason: str = "Query was cancelled by the user") -> None:
        super().__init__(reason)


def not_supported(what: str) -> QueryError:
    """What the DuckDB engine isn't known to answer as Athena does, it refuses."""
    message = f"{what} is not covered by the local DuckDB engine; run it with the Trino engine"
    return QueryError("NOT_SUPPORTED", message)
