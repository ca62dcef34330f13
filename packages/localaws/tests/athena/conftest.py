"""One database with a few tables on the session's local AWS, and Athena as its users call it."""

import pytest

from localaws.testing import AthenaClient, LocalAws


@pytest.fixture(scope="session")
def athena(aws: LocalAws) -> AthenaClient:
    return AthenaClient.create(aws, "athena-tests")
