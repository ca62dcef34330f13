"""Invocations of functions by ministack, with the class of a handler's exception as the error type, as on AWS.

ministack reports "Runtime.HandlerError" for any exception. The class is at the end of the log, in the traceback.
"""

import base64
import json
import re

from localaws.asgi import App, Message, Receive, Send

PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_LOG_TYPE, _LOG = b"x-amz-log-type", b"x-amz-log-result"


async def invoke(ministack: App, scope: Message, receive: Receive, send: Send) -> None:
    """Let ministack invoke the function and return its log, which the caller gets only if they requested it."""
    log_requested = dict(scope["headers"]).get(_LOG_TYPE, b"").lower() == b"tail"
    others = [(name, value) for name, value in scope["headers"] if name != _LOG_TYPE]
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await ministack({**scope, "headers": [*others, (_LOG_TYPE, b"Tail")]}, receive, keep)
    if not messages:
        return
    start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
    headers = {name.lower(): value for name, value in start["headers"]}
    log = base64.b64decode(headers[_LOG]).decode(errors="replace") if _LOG in headers else ""
    if not log_requested:
        headers.pop(_LOG, None)
    if b"x-amz-function-error" in headers:
        body = _named(body, log)
        headers[b"content-length"] = str(len(body)).encode()
    await send({**start, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})


def _named(body: bytes, log: str) -> bytes:
    """The error, with the exception class that precedes the same message in the log's traceback, if any."""
    error = json.loads(body)
    if not isinstance(error, dict) or error.get("errorType") != "Runtime.HandlerError":
        return body
    first_line = str(error["errorMessage"]).split("\n")[0]
    classes = re.findall(rf"^(?:\w+\.)*(\w+): {re.escape(first_line)}$", log, re.MULTILINE)
    return json.dumps({**error, "errorType": classes[-1]}).encode() if classes else body
