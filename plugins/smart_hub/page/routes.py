"""The page's application, mounted in Airflow's API server."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from airflow.configuration import conf
from botocore.config import Config
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from smart_hub.core.settings import Settings
from smart_hub.orchestration.connection import clients
from smart_hub.page import document, figures
from smart_hub.page.access import MAY_READ_DAG, SecurityHeaders
from smart_hub.page.choice import Choice, ChoiceError
from smart_hub.page.parquet import Cache
from smart_hub.page.store import Store, Unavailable
from smart_hub.page.view import View, build, usage_rows

_log = logging.getLogger(__name__)

# Clients are made anew that often, so that a connection that was changed is seen.
_STORE_SECONDS = 300
# A page is waited for: where AWS cannot be reached (a web server without a way out) it has to say so soon.
_PATIENCE = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 2}, max_pool_connections=16)
_CACHE = Cache()
_FAILED = "The page failed at its own fault. Airflow's log of the web server has the reason."


def create_app(make_store: Callable[[], Store] | None = None) -> FastAPI:
    """The application. ``make_store`` gives the tables; without it they are those of the deployment.

    Every route, the assets too, wants a user who may read the DAG. No failure gets out of it.
    """
    stores = _Kept(make_store or _store)
    app = FastAPI(
        title="Smart Hub",
        dependencies=[MAY_READ_DAG],
        # They would answer anybody.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        def answer() -> Response:
            view = build(stores.get(), Choice.of(request.query_params))
            return HTMLResponse(document.page(view), view.status)

        return _told(answer, lambda sentence, status: HTMLResponse(document.page(_problem(sentence)), status))

    @app.get("/usage.csv")
    def usage_csv(request: Request) -> Response:
        def answer() -> Response:
            choice = Choice.of(request.query_params)
            rows = usage_rows(stores.get(), choice)
            if not len(rows):
                return PlainTextResponse("This hub has no published usage in these days.", 404)
            name = f"smart-hub-{choice.hub}-{min(rows['dt'].to_pylist())}-{max(rows['dt'].to_pylist())}.csv"
            return Response(
                document.csv_text(figures.csv_rows(rows)),
                media_type="text/csv",
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )

        return _told(answer, PlainTextResponse)

    @app.get("/assets/{name}")
    def asset(request: Request, name: str) -> Response:
        if name not in document.MEDIA_TYPES:
            return PlainTextResponse("There is no such asset.", 404)
        # The page names an asset by its content's hash.
        headers = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(document.asset(name), media_type=document.MEDIA_TYPES[name], headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(document.zipped_asset(name), media_type=document.MEDIA_TYPES[name], headers=headers)

    return app


def _told(answer: Callable[[], Response], tell: Callable[[str, int], Response]) -> Response:
    """The answer, or what tells the reader why there is none."""
    try:
        return answer()
    except ChoiceError as error:
        return tell(str(error), 400)
    except Unavailable as reason:
        return tell(str(reason), 503)
    except Exception:  # noqa: BLE001 - the outermost edge: a defect of the page is the page's own affair
        _log.exception("The page Smart Hub failed")
        return tell(_FAILED, 500)


def _problem(sentence: str) -> View:
    return View(Choice(), problems=[sentence])


def _store() -> Store:
    """The tables of the deployment, as the DAG's settings and connection have them."""
    settings = Settings.from_environment(dags=Path(conf.get("core", "dags_folder")))
    if problems := settings.page_problems:
        raise Unavailable(f"The deployment's settings are missing or wrong: {'; '.join(problems)}.")
    return Store(
        database=settings.database,
        bucket=settings.data_bucket,
        client=clients(settings.aws_conn_id, _PATIENCE),
        source=f"Airflow's connection {settings.aws_conn_id}",
        cache=_CACHE,
    )


class _Kept:
    """One store for all requests, for a while; safe among threads."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._until = 0.0

    def get(self) -> Store:
        with self._lock:
            if self._store is None or time.monotonic() > self._until:
                self._store = self._make()
                self._until = time.monotonic() + _STORE_SECONDS
            return self._store
