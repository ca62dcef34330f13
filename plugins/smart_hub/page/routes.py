"""The page's application, mounted in Airflow's API server."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from airflow.configuration import conf
from botocore.config import Config
from cachetools import TTLCache, cached
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from smart_hub.core.settings import Settings
from smart_hub.orchestration.connection import clients
from smart_hub.page import document, figures
from smart_hub.page.access import REQUIRE_DAG_ACCESS, SecurityHeaders
from smart_hub.page.filters import Filters, FiltersError
from smart_hub.page.parquet import Cache
from smart_hub.page.published_data import PublishedData, UnavailableError
from smart_hub.page.view import View, build_view, hub_rows

_log = logging.getLogger(__name__)

# After this time new clients are made, so that changes of the Airflow connection take effect.
_CLIENT_SECONDS = 300
# Short timeouts: if the API server cannot reach AWS, the user must see the error within seconds.
_CLIENT_CONFIG = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 2}, max_pool_connections=16)
_CACHE = Cache()


def create_app(open_data: Callable[[], PublishedData] | None = None) -> FastAPI:
    """The application; its data are those that ``open_data`` returns, by default the deployment's.

    Every route, including the assets, requires a user with read access to the DAG. Errors become responses.
    """
    published_data = cached(TTLCache(maxsize=1, ttl=_CLIENT_SECONDS), condition=threading.Condition())(
        open_data or _open_data
    )
    app = FastAPI(
        title="Smart Hub",
        dependencies=[REQUIRE_DAG_ACCESS],
        # FastAPI serves these without the dependency.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        def respond() -> Response:
            view = build_view(published_data(), Filters.parse(request.query_params))
            return HTMLResponse(document.render_page(view), view.status)

        def respond_with_error(message: str, status: int) -> Response:
            return HTMLResponse(document.render_page(View(Filters(), problems=[message])), status)

        return _handle_errors(respond, respond_with_error)

    @app.get("/usage.csv")
    def usage_csv(request: Request) -> Response:
        def respond() -> Response:
            filters = Filters.parse(request.query_params)
            rows = hub_rows(published_data(), filters)
            if not len(rows):
                return PlainTextResponse("This hub has no published usage on these days.", 404)
            days = rows["dt"].to_pylist()
            return Response(
                document.to_csv(figures.csv_rows(rows)),
                media_type="text/csv",
                headers={
                    "Content-Disposition": (
                        f'attachment; filename="smart-hub-{filters.hub}-{min(days)}-{max(days)}.csv"'
                    )
                },
            )

        return _handle_errors(respond, PlainTextResponse)

    @app.get("/assets/{name}")
    def asset(request: Request, name: str) -> Response:
        if name not in document.MEDIA_TYPES:
            return PlainTextResponse("Asset not found.", 404)
        # The URLs in the page contain a hash of the content.
        headers = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(document.read_asset(name), media_type=document.MEDIA_TYPES[name], headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(document.gzip_asset(name), media_type=document.MEDIA_TYPES[name], headers=headers)

    return app


def _handle_errors(respond: Callable[[], Response], respond_with_error: Callable[[str, int], Response]) -> Response:
    """The response, or one with an error message and status code."""
    try:
        return respond()
    except FiltersError as error:
        return respond_with_error(str(error), 400)
    except UnavailableError as error:
        return respond_with_error(str(error), 503)
    except Exception:  # noqa: BLE001 - the application's outermost layer; the log has the traceback
        _log.exception("The Smart Hub page failed")
        return respond_with_error("Something went wrong; see the API server's log.", 500)


def _open_data() -> PublishedData:
    """The deployment's data, with its settings and its Airflow connection. Raises UnavailableError."""
    settings = Settings.from_environment(dags=Path(conf.get("core", "dags_folder")))
    if problems := settings.page_problems:
        raise UnavailableError(f"The deployment's settings are missing or invalid: {'; '.join(map(str, problems))}.")
    return PublishedData(
        database=settings.database,
        bucket=settings.data_bucket,
        client=clients(settings.aws_conn_id, _CLIENT_CONFIG),
        credentials=f"Airflow's connection {settings.aws_conn_id}",
        cache=_CACHE,
    )
