"""The environment and the layers of all tests of the package.

Fixtures: `aws` is the session's local AWS, `fresh_aws` the test's own. A test is of the layer `service` unless its file
says `unit` or `trino`.
"""

import pytest

from localaws.testing import LocalAws, isolate

isolate()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(layer) for layer in ("unit", "trino")):
            item.add_marker("service")


@pytest.fixture(scope="session")
def aws(local_aws: LocalAws) -> LocalAws:
    return local_aws


@pytest.fixture
def fresh_aws(fresh_local_aws: LocalAws) -> LocalAws:
    return fresh_local_aws
