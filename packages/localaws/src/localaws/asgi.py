"""ASGI helpers of our applications: read a request, send a response."""

import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from xml.sax.saxutils import escape

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


async def read(receive: Receive) -> bytes:
    """The request's whole body."""
    chunks, more = [], True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns a body which was already read, then all later messages."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def respond(send: Send, status: int, text: str, kind: str = "application/json", **headers: str) -> None:
    """Send a whole response of content type `kind`, with a request id as AWS has it."""
    body = text.encode()
    headers |= {"content-type": kind, "content-length": str(len(body)), "x-amzn-requestid": str(uuid.uuid4())}
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def send_error(service: str, method: str, code: str, message: str, status: int, send: Send) -> None:
    """Send an error in the protocol of the service: XML for "s3", otherwise JSON."""
    if service == "s3":
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        await respond(send, status, "" if method == "HEAD" else text, "application/xml")
    else:
        await respond(send, status, json.dumps({"__type": code, "message": message}), **{"x-amzn-errortype": code})
