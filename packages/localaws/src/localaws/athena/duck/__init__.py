"""The DuckDB engine: a typed translation of the Trino statements that it is known to answer as Trino does."""
