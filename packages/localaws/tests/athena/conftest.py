"""An Athena client with a database of its own on the session's local AWS."""

import pytest

from localaws.testing import AthenaClient, LocalAws


@pytest.fixture(scope="session")
def athena(aws: LocalAws) -> AthenaClient:
    return AthenaClient.create(aws, "athena-tests")
