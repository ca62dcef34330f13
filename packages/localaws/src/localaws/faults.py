"""Fault injection: failures that occur on AWS now and then, by rule. The package's docs/faults.md describes the rules.

`Faults` wraps the application and matches each request. It responds itself with errors, delays and time-outs; the
service that handles the request looks up the other effects with `injected`.
"""

import asyncio
import json
import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ministack.core.router import detect_service

from localaws.asgi import App, Message, Receive, Send, read, replaying, respond, send_error
from localaws.invocations import PATH as INVOCATION
from localaws.service import AwsClients

PATH = "/_localaws/faults"
SERVICES = ("athena", "glue", "s3", "lambda")
FIELDS = {"name", "service", "action", "match", "effect", "times", "after"}
# The effects that apply to one action: its service, its name, and the values of the effect.
BOUND = {
    "query": ("athena", "StartQueryExecution", ("fails", "hangs", "fails_after_writing", "two_files")),
    "lambda": ("lambda", "Invoke", ("times_out",)),
    "job": ("glue", "StartJobRun", ("STOPPED", "ERROR", "FAILED")),
    "crawl": ("glue", "StartCrawler", ("FAILED",)),
}
CODES = {500: "InternalFailure", 503: "ServiceUnavailable"}
S3_CODES = {500: "InternalError", 503: "SlowDown"}
_CTAS = r"(?is)\A(\s|--[^\n]*\n|/\*.*?\*/)*CREATE\s+TABLE\b"
_STATEMENTS = {"fails_after_writing": _CTAS, "two_files": rf"{_CTAS}.*\bbucket_count\s*=\s*1\b"}

_effect: ContextVar[dict[str, Any]] = ContextVar("effect")


def injected(kind: str) -> str:
    """The effect of this kind (a key of BOUND) on the current request; "" for none."""
    return str(_effect.get({}).get(kind, ""))


class InvalidRule(ValueError):
    """The message names the invalid rule and the reason."""


@dataclass(frozen=True)
class Request:
    """words: all strings of a JSON request, name and payload of an invocation, or bucket/key?query of S3."""

    service: str
    action: str
    words: str
    sql: str = ""


@dataclass
class FaultRule:
    """source: the rule as JSON; matches, hits: how many requests it has matched, and how many it has affected."""

    source: dict[str, Any]
    match: re.Pattern[str]
    matches: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, source: Any, two_files: bool) -> "FaultRule":
        """two_files: whether the engine supports that effect. Raises InvalidRule."""
        _check(isinstance(source, dict), "a rule is an object")
        unknown = source.keys() - FIELDS
        _check(not unknown, f"unknown: {', '.join(sorted(unknown))}; a rule has {', '.join(sorted(FIELDS))}")
        _check(source.get("service") in SERVICES, f"service is one of {', '.join(SERVICES)}")
        for field in ("name", "action", "match"):
            _check(isinstance(source.get(field, ""), str), f"{field} is a string")
        for field in ("times", "after"):
            number = source.get(field, 0)
            _check(type(number) is int and number >= 0, f"{field} is a number >= 0")
        _check_effect(source, two_files)
        try:
            return cls(source, re.compile(source.get("match", "")))
        except re.error as error:
            raise InvalidRule(f"match {source['match']!r}: {error}") from error

    def applies_to(self, request: Request) -> bool:
        """Whether the rule affects this request, which is counted."""
        ((kind, value),) = self.source["effect"].items()
        action = BOUND[kind][1] if kind in BOUND else self.source.get("action", "*")
        if request.service != self.source["service"] or action not in ("*", request.action):
            return False
        if kind == "query" and not re.search(_STATEMENTS.get(value, ""), request.sql):
            return False
        if not self.match.search(request.words) or self.hits == self.source.get("times"):
            return False
        self.matches += 1
        hit: bool = self.matches > self.source.get("after", 0)
        self.hits += hit
        return hit


def _check(valid: bool, message: str) -> None:
    if not valid:
        raise InvalidRule(message)


def _check_effect(source: dict[str, Any], two_files: bool) -> None:
    effect = source.get("effect")
    kinds = ("error", "delay_seconds", *BOUND)
    if not isinstance(effect, dict) or len(effect) != 1 or next(iter(effect)) not in kinds:
        raise InvalidRule(f"effect is an object with one of {', '.join(kinds)}")
    ((kind, value),) = effect.items()
    if kind == "delay_seconds":
        _check(type(value) in (int, float) and value >= 0, "delay_seconds is a number >= 0")
    elif kind == "error" and isinstance(value, dict):
        fields = {"code", "status", "message"}
        complete = {"code", "status"} <= value.keys() <= fields and type(value["status"]) is int
        _check(complete and 400 <= value["status"] <= 599, "an error has code, status (400 to 599), maybe message")
        _check(all(isinstance(value.get(one, ""), str) for one in ("code", "message")), "code and message are strings")
    elif kind == "error":
        _check(type(value) is int and value in CODES, "error is 500, 503 or an object with code and status")
    else:
        service, action, values = BOUND[kind]
        _check(source["service"] == service, f"effect {kind} belongs to service {service}")
        _check(source.get("action", "*") in ("*", action), f"effect {kind} belongs to action {action}")
        _check(value in values, f"effect {kind} is one of {', '.join(values)}")
        _check(value != "two_files" or two_files, "effect two_files needs the DuckDB engine")


class Faults:
    """The application behind its fault rules, as an ASGI application; the rules are only in memory."""

    def __init__(self, app: App, clients: AwsClients, two_files: bool) -> None:
        self._app = app
        self._clients = clients
        self._two_files = two_files
        self._rules: list[FaultRule] = []
        self._invocations: set[asyncio.Task[None]] = set()

    def load(self, text: str | bytes) -> None:
        """Replace all rules by those of a JSON list. Raises InvalidRule, and changes nothing."""
        try:
            source = json.loads(text)
        except ValueError as error:
            raise InvalidRule(f"not JSON: {error}") from error
        _check(isinstance(source, list), "expected a list of rules")
        rules = []
        for number, one in enumerate(source, 1):
            try:
                rules.append(FaultRule.parse(one, self._two_files))
            except InvalidRule as error:
                raise InvalidRule(f"rule {number}: {error}") from error
        self._rules = rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._administer(scope["method"], await read(receive), send)
        elif scope["type"] != "http" or not self._rules or scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
        else:
            await self._judge(scope, receive, send)

    async def _administer(self, method: str, body: bytes, send: Send) -> None:
        status, document = 200, None
        if method == "PUT":
            try:
                self.load(body)
            except InvalidRule as error:
                status, document = 400, {"message": str(error)}
        elif method == "DELETE":
            self._rules = []
        elif method != "GET":
            status, document = 405, {"message": "GET, PUT or DELETE"}
        rules = [{**rule.source, "struck": rule.hits} for rule in self._rules]
        await respond(send, status, json.dumps(document or rules))

    async def _judge(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        service = detect_service(scope["method"], scope["path"], headers, {})
        body = b""
        if service in SERVICES and service != "s3":  # objects can be large
            body = await read(receive)
            receive = replaying(body, receive)
        request = _request(service, scope, headers, body)
        rule = next((rule for rule in self._rules if rule.applies_to(request)), None) if request else None
        if request is None or rule is None:
            await self._app(scope, receive, send)
            return
        effect = rule.source["effect"]
        if "error" in effect:
            await read(receive)  # some clients read the response only after they have sent the whole body
            await _send_injected(service, scope["method"], effect["error"], send)
        elif "lambda" in effect:
            await self._time_out(request, scope, body, send)
        else:
            await asyncio.sleep(effect.get("delay_seconds", 0))
            token = _effect.set(effect)
            try:
                await self._app(scope, receive, send)
            finally:
                _effect.reset(token)

    async def _time_out(self, request: Request, scope: Message, body: bytes, send: Send) -> None:
        """Respond as AWS does when a function has timed out, while the function runs on until the server stops."""
        name = request.words.partition("\n")[0]
        client = self._clients.client("lambda")
        configuration = await asyncio.to_thread(client.get_function_configuration, FunctionName=name)

        async def never() -> Message:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

        async def discard(message: Message) -> None:
            pass

        invocation = asyncio.ensure_future(self._app(scope, replaying(body, never), discard))
        self._invocations.add(invocation)
        invocation.add_done_callback(self._invocations.discard)
        text = f"{uuid.uuid4()} Task timed out after {configuration['Timeout']:.2f} seconds"
        answer = {"errorType": "Sandbox.Timedout", "errorMessage": text}
        headers = {"x-amz-function-error": "Unhandled", "x-amz-executed-version": "$LATEST"}
        await respond(send, 200, json.dumps(answer), **headers)


def _request(service: str, scope: Message, headers: dict[str, str], body: bytes) -> Request | None:
    """The parts of a request that rules match; None for a request that no rule applies to."""
    if service == "s3":
        query = scope["query_string"].decode("latin-1")
        place = unquote(scope["path"]).removeprefix("/") + (f"?{unquote(query)}" if query else "")
        return Request(service, scope["method"], place)
    if service == "lambda":
        invoked = INVOCATION.fullmatch(scope["path"])
        if invoked is None:
            return None
        return Request(service, "Invoke", f"{unquote(invoked[1])}\n{body.decode(errors='replace')}")
    if service not in SERVICES:
        return None
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return None
    sql = document.get("QueryString", "") if isinstance(document, dict) else ""
    return Request(service, headers.get("x-amz-target", "").rpartition(".")[2], "\n".join(_texts(document)), str(sql))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


async def _send_injected(service: str, method: str, error: Any, send: Send) -> None:
    if isinstance(error, int):
        error = {"code": (S3_CODES if service == "s3" else CODES)[error], "status": error}
    message = error.get("message", "An injected fault")
    await send_error(service, method, error["code"], message, error["status"], send)
