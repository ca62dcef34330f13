"""Athena, executed for real: its API, Hive's DDL, result files, query engines behind one interface."""
