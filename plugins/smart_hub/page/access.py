"""Who may see the page, and what a browser may do with it."""

from typing import Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smart_hub.shared.layout import DAILY_DAG

# Airflow mounts a plugin's application as it is: without this it answers anybody. The signed-in user comes from the
# UI's cookie or a bearer token, the answer from the deployment's auth manager; 401 and 403 are Airflow's own.
MAY_READ_DAG: Any = Depends(requires_access_dag("GET", None, DAILY_DAG))

_HEADERS = {
    # plotly.js sets the style of what it draws; it runs without eval and brings its images as data.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: the headers above on every answer, and no store unless the answer says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
