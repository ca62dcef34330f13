"""A local AWS of a module's own, to which commands deploy; ``test`` is its root user."""

from typing import Any

import boto3
import pytest

from localaws.testing import LocalAws
from ops import deploy


@pytest.fixture(scope="module")
def endpoint(module_local_aws: LocalAws) -> str:
    return module_local_aws.endpoint


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


class Deployed:
    """What the first deployment of the stack ``smart-hub`` gave."""

    def __init__(self, session: boto3.Session, endpoint: str) -> None:
        self.session, self.endpoint = session, endpoint
        self.outputs, self.lines = self.again()

    def again(self, stack: str = "smart-hub", **options: Any) -> tuple[dict[str, str], list[str]]:
        lines: list[str] = []
        outputs = deploy.deploy(self.session, stack, endpoint_url=self.endpoint, log=lines.append, **options)
        return outputs, lines

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.client("glue").get_table(DatabaseName="smart_hub", Name=name)["Table"]
        return table


@pytest.fixture(scope="module")
def deployed(session: boto3.Session, endpoint: str) -> Deployed:
    return Deployed(session, endpoint)
