"""Errors of queries, worded and coded as Athena's StateChangeReason has them."""


class QueryError(Exception):
    """A statement that fails: ``CODE: message``, the code being Trino's, Hive's or Athena's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Cancelled(Exception):
    """The statement was stopped by StopQueryExecution."""


def not_supported(what: str) -> QueryError:
    """What the DuckDB engine isn't known to answer as Athena does, it refuses."""
    return QueryError("NOT_SUPPORTED", f"{what} is not covered by the local DuckDB engine; run it with the Trino engine")
