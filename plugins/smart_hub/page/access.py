"""Authorization of the page's requests, and the security headers of its responses."""

from typing import Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smart_hub.shared.layout import DAILY_DAG

# Airflow mounts a plugin's application without authentication, so each route needs this dependency. It takes the user
# from the UI's cookie or a bearer token, asks the deployment's auth manager, and responds with Airflow's 401 or 403.
REQUIRE_DAG_ACCESS: Any = Depends(requires_access_dag("GET", None, DAILY_DAG))

_HEADERS = {
    # plotly.js sets inline styles and uses data URLs for images; it does not need eval.
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
    """ASGI middleware that adds the headers above, and ``Cache-Control: no-store`` if the response sets none."""

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
