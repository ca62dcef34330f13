"""Airflow's way to the page Smart Hub: its application, and the entry in the UI's navigation."""

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
    """The ASGI application, imported when it is first asked for.

    Every process of Airflow imports plugins, but only the API server has use for the page; and one that cannot be
    imported, say for a package that was not installed, must say so itself and leave Airflow's own pages alone.
    """
    try:
        application = await asyncio.to_thread(_application)
    except Exception:  # noqa: BLE001 - whatever it is, Airflow's API server goes on
        _log.exception("The page Smart Hub cannot be imported")
        text = b"The page Smart Hub cannot be imported. Airflow's log of the web server has the reason."
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": text})
    else:
        await application(scope, receive, send)


class SmartHubPlugin(AirflowPlugin):
    name = "smart_hub"
    fastapi_apps = [{"app": page, "url_prefix": "/smart-hub", "name": "Smart Hub"}]  # noqa: RUF012 - as Airflow has it
    external_views = [  # noqa: RUF012
        {
            "name": "Smart Hub",
            # Relative, so that it holds behind a proxy with a path of its own.
            "href": "smart-hub/",
            "destination": "nav",
            "url_route": "smart-hub",
            "nav_top_level": True,
        }
    ]
