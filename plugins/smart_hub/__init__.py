"""The Smart Hub package: what its DAGs, operators and functions share."""
