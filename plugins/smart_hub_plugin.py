"""The plugin with the Smart Hub page: its application and its entry in the UI's navigation."""

import asyncio
import logging
from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

_log = logging.getLogger(__name__)


@cache
def _application() -> Any:
    from smart_hub.page.routes import create_app

    return create_app()


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application, imported at the first request.

    Every process of Airflow imports plugins, but only the API server needs the page. If the import fails, for example
    because a package is not installed, the page reports it and Airflow's own pages keep working.
    """
    try:
        application = await asyncio.to_thread(_application)
    except Exception:  # noqa: BLE001 - no error of the import must affect the API server
        _log.exception("The Smart Hub page cannot be imported")
        text = b"The Smart Hub page cannot be imported; see the API server's log."
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": text})
    else:
        await application(scope, receive, send)


class SmartHubPlugin(AirflowPlugin):
    name = "smart_hub"
    fastapi_apps = [{"app": page, "url_prefix": "/smart-hub", "name": "Smart Hub"}]  # noqa: RUF012 - as in AirflowPlugin
    external_views = [  # noqa: RUF012
        {
            "name": "Smart Hub",
            # Relative, so that it works behind a proxy with a path prefix.
            "href": "smart-hub/",
            "destination": "nav",
            "url_route": "smart-hub",
            "nav_top_level": True,
        }
    ]
