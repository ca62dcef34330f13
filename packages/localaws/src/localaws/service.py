"""What all services of our own share: their interface, their error, who calls, and clients to the store."""

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
    """An error that goes to the caller as AWS words it: a code, a message and an HTTP status."""

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
    """Where our services find S3 and the Glue catalog: at the server's own endpoint, over AWS's protocols."""

    endpoint: str
    access_key_id: str = "test"
    secret_access_key: str = "test"
    session_token: str | None = None

    def client(self, service: str) -> Any:
        """A boto3 client of `service` ("s3", "glue", ...) that retries nothing: what fails here stays so."""
        with _making:
            return _client(self, service)


# Sessions of roles come and go, and each has clients of its own; they share what botocore has read.
_session: Any = boto3.session.Session()  # whose stubs know services by literal names alone
_making = threading.Lock()  # for clients are thread-safe, but not their making


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
    _ = client.exceptions  # made on first use: two threads at once would each look for classes of their own
    return client


class Service:
    """A service that speaks AWS JSON 1.1, or a part of one.

    `target` is the prefix of its X-Amz-Target header. It answers `actions` itself; ministack answers `amended`
    ones first and this service corrects the answer.
    """

    target: ClassVar[str]
    actions: ClassVar[frozenset[str]] = frozenset()
    amended: ClassVar[frozenset[str]] = frozenset()

    def handle(self, action: str, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Answer one of `actions`, in a worker thread.

        The answer is JSON; a datetime in it goes out as epoch seconds. Raises ServiceError.
        """
        raise ServiceError("UnknownOperationException", f"The local AWS does not answer {self.target}.{action}")

    def amend(self, action: str, body: dict[str, Any], answer: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Correct ministack's successful answer to the request `body`; called in a worker thread."""
        return answer

    def close(self) -> None:
        """Stop what runs in the background. The server answers no more requests by then."""
