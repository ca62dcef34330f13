"""One database with a few tables on the session's local AWS, and Athena as its users call it."""

import pytest

from localaws.testing.athena import AthenaClient
from localaws.testing.server import Aws


@pytest.fixture(scope="session")
def athena(aws: Aws) -> AthenaClient:
    return AthenaClient.of_its_own(aws, "athena-tests")
