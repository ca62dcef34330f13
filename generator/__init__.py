"""Sample data: a source folder of usage, mappings, locations and rates. See `python -m generator --help`."""
