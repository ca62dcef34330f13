"""The ASGI application: our services in front of ministack, whose state is on disk before a response is sent."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ministack.app import app as ministack
from ministack.core import lambda_runtime

from localaws import access, cloudformation, invocations
from localaws.asgi import Message, Receive, Send, read, replaying, respond
from localaws.athena.duck import syntax
from localaws.athena.duck.engine import MEMORY_BYTES, DuckEngine
from localaws.athena.service import Athena
from localaws.athena.trino import TrinoEngine
from localaws.crawlers import Crawlers
from localaws.disk import DiskGuard
from localaws.faults import Faults
from localaws.glue_catalog import GlueCatalog
from localaws.jobs import Jobs
from localaws.persistence import StateSaver, service_changed_by
from localaws.records import Records
from localaws.service import ACCOUNT, REGION, AwsClients, Caller, Service, ServiceError

HEALTH_PATH = "/_localaws/health"

# ministack answers these with made-up data, and none of our services handles them: they are refused.
STUBBED = frozenset({"AmazonAthena.GetQueryRuntimeStatistics", "AWSGlue.StartTrigger", "AWSGlue.StartWorkflowRun"})


class Application:
    """The application; ministack handles all actions that `services` do not have."""

    def __init__(
        self, services: Sequence[Service], clients: AwsClients, permissions: access.Access, sessions: access.Sessions
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._clients = clients
        self._permissions = permissions
        self._handlers = {f"{s.target}.{action}": s for s in services for action in s.actions}
        self._amenders = {f"{s.target}.{action}": s for s in services for action in s.amended}
        self._saver = StateSaver()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await ministack(scope, self._closing(receive), send)
            return
        if scope["type"] != "http":
            await ministack(scope, receive, send)
            return
        # Requests over loopback count as TLS: policies that require it are enforced, and fulfilled.
        scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        target = headers.get("x-amz-target", "")
        if scope["path"] == HEALTH_PATH:
            await _respond(send, 200, {"status": "ok"})
        elif target.partition(".")[0] in access.SERVICES:
            await self._decide(target, headers, scope, receive, send)
        elif invocations.PATH.fullmatch(scope["path"]):
            await invocations.invoke(ministack, scope, receive, self._saving(scope, headers, send))
        else:
            await ministack(scope, receive, self._saving(scope, headers, send))

    async def _decide(self, target: str, headers: dict[str, str], scope: Message, receive: Receive, send: Send) -> None:
        """Check the caller's permissions, then let Athena or Glue respond."""
        body, caller = await read(receive), _caller(headers)
        try:
            document = self._permissions.check(target, caller, scope, body)
        except ServiceError as error:
            await _respond_error(send, error)
            return
        receive = replaying(body, receive)
        if not access.is_root(caller):
            scope = access.as_root(scope, self._clients)
        if target in self._handlers or target in STUBBED:
            await self._handle(target, caller, document, send)
        elif target in self._amenders:
            await self._amend(target, caller, headers, scope, document, receive, send)
        else:
            await ministack(scope, receive, self._saving(scope, headers, send))

    async def _handle(self, target: str, caller: Caller, document: dict[str, Any], send: Send) -> None:
        action = target.rpartition(".")[2]

        def answer() -> dict[str, Any]:
            if target not in self._handlers:
                raise ServiceError("InvalidRequestException", f"The local AWS does not cover {action}")
            return self._handlers[target].handle(action, document, caller)

        await _respond_with(send, answer)

    async def _amend(
        self,
        target: str,
        caller: Caller,
        headers: dict[str, str],
        scope: Message,
        document: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await ministack(scope, receive, self._saving(scope, headers, keep))
        if not messages or messages[0]["status"] != 200:
            for message in messages:
                await send(message)
            return
        answer = json.loads(b"".join(message.get("body", b"") for message in messages[1:]))
        amender, action = self._amenders[target], target.rpartition(".")[2]
        await _respond_with(send, lambda: amender.amend(action, document, answer, caller))

    def _saving(self, scope: Message, headers: dict[str, str], send: Send) -> Send:
        """A `send` that saves what the request changed to disk before the response starts."""
        service = service_changed_by(scope["method"], scope["path"], headers)
        if service is None:
            return send

        async def saving(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._saver.save(service)
            elif service == "sts":
                await asyncio.to_thread(self._sessions.save, message.get("body", b""))
            await send(message)

        return saving

    def _closing(self, receive: Receive) -> Receive:
        async def closing() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                for service in self._services:
                    await asyncio.to_thread(service.close)
                await asyncio.to_thread(lambda_runtime.reset)  # ends the functions' processes
            return message

        return closing


def create_app(endpoint: str, state: Path, trino_url: str | None = None, query_memory: int = MEMORY_BYTES) -> Faults:
    """The application with all our services; `endpoint` is its own URL, `state` its folder.

    `trino_url` is the Trino that runs the queries; without it DuckDB runs them, each with `query_memory` bytes.
    """
    access.register()
    cloudformation.register()
    syntax.cache_in(state)
    clients = AwsClients(endpoint)
    records = Records(state / "records.sqlite")
    engine = TrinoEngine(trino_url) if trino_url else DuckEngine(state / "tmp" / "duckdb", memory=query_memory)
    athena = Athena(clients, records, engine)
    services = [athena, GlueCatalog(clients), Crawlers(clients, records), Jobs(clients, records, state / "jobs")]
    permissions = access.Access(athena.workgroup_of)
    app = Application(services, clients, permissions, access.Sessions(records))
    return Faults(DiskGuard(app, state), clients, two_files=trino_url is None)


def _caller(headers: dict[str, str]) -> Caller:
    scope = re.search(r"Credential=([^/,]+)/\d{8}/([^/]+)/", headers.get("authorization", ""))
    key, region = scope.groups() if scope else ("", REGION)
    return Caller(key, key if re.fullmatch(r"\d{12}", key) else ACCOUNT, region)


async def _respond_with(send: Send, answer: Callable[[], dict[str, Any]]) -> None:
    """Send the document that `answer` returns, called in a worker thread, or the error that it raises."""
    try:
        await _respond(send, 200, await asyncio.to_thread(answer))
    except ServiceError as error:
        await _respond_error(send, error)


async def _respond_error(send: Send, error: ServiceError) -> None:
    await _respond(send, error.status, {"__type": error.code, "message": error.message}, error.code)


async def _respond(send: Send, status: int, document: dict[str, Any], code: str | None = None) -> None:
    headers = {"x-amzn-errortype": code} if code else {}
    await respond(send, status, json.dumps(document, default=_epoch_seconds), "application/x-amz-json-1.1", **headers)


def _epoch_seconds(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
