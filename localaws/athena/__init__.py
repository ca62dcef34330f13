"""Athena, executed for real: its API, Hive's DDL, result files, and the query engines behind one interface."""
