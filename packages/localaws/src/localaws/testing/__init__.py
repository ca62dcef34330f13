"""A local AWS for tests."""
