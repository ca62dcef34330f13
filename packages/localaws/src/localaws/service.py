"""The interface of our services, their error, the caller of a request, and the clients that services use."""

from __future__ import annotations  # localaws.testing imports this module, on Python 3.9, too

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import boto3
from botocore.config import Config

ACCOUNT = "000000000000"
REGION = "us-east-1"


class ServiceError(Exception):
    """An error for the caller, as AWS reports it: a code, a message and an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Caller:
    """Who sent a request: its access key id ("" when unsigned), account and region."""

    access_key_id: str
    account: str
    region: str


@dataclass(frozen=True)
class AwsClients:
    """Credentials with which our services call S3, the Glue catalog and others, at the server's own endpoint."""

    endpoint: str
    access_key_id: str = "test"
    secret_access_key: str = "test"
    session_token: str | None = None

    def client(self, service: str) -> Any:
        """A boto3 client of `service` ("s3", "glue", ...) without retries: a local failure is not transient."""
        with _creation:
            return _client(self, service)


# Each session of a role has clients of its own; all share the service models that botocore has loaded.
_session: Any = boto3.session.Session()  # Any: its stubs know services by literal names only
_creation = threading.Lock()  # clients are thread-safe, their creation is not


@lru_cache(maxsize=128)
def _client(clients: AwsClients, service: str) -> Any:
    client = _session.client(
        service,
        endpoint_url=clients.endpoint,
        region_name=REGION,
        aws_access_key_id=clients.access_key_id,
        aws_secret_access_key=clients.secret_access_key,
        aws_session_token=clients.session_token,
        config=Config(
            retries={"total_max_attempts": 1},
            max_pool_connections=32,
            s3={"addressing_style": "path"},
        ),
    )
    _ = client.exceptions  # created on first use: two threads at once would create different classes
    return client


class Service:
    """A service with the protocol AWS JSON 1.1, or a part of one.

    `target` is the prefix of its X-Amz-Target header. It handles `actions` itself; of the `amended` actions, it
    corrects ministack's response.
    """

    target: ClassVar[str]
    actions: ClassVar[frozenset[str]] = frozenset()
    amended: ClassVar[frozenset[str]] = frozenset()

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Handle one of `actions`, in a worker thread.

        Returns a JSON document, in which a datetime stands for epoch seconds. Raises ServiceError.
        """
        raise ServiceError("UnknownOperationException", f"The local AWS does not cover {self.target}.{action}")

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Correct ministack's successful response to the request `body`; called in a worker thread."""
        return answer

    def close(self) -> None:
        """Stop background work. The server has stopped accepting requests by then."""
