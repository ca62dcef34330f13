"""The page's authorization, in Airflow's real API server with the Simple auth manager."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[3]
PATHS = ["/smart-hub/", "/smart-hub/usage.csv", "/smart-hub/assets/page.js", "/smart-hub/assets/plotly.js"]


@pytest.fixture(scope="module")
def server() -> Iterator[TestClient]:
    """Airflow's core API with this repository's plugins, on a database of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(ROOT / "plugins"))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET",
            "not a secret, but as long as one: 0123456789012345678901234567890123456789",
        )
        patch.delenv("SMART_HUB_DATA_BUCKET", raising=False)
        from airflow import plugins_manager, settings
        from airflow.api_fastapi.app import create_app, purge_cached_app
        from airflow.models import import_all_models
        from airflow.models.base import Base

        patch.setattr(settings, "PLUGINS_FOLDER", str(ROOT / "plugins"))
        plugins_manager._get_plugins.cache_clear()
        import_all_models()
        Base.metadata.create_all(settings.engine)
        yield TestClient(create_app(apps="core"), raise_server_exceptions=False)
        purge_cached_app()


def token(role: str | None) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))


@pytest.mark.parametrize("path", PATHS)
def test_requests_without_valid_credentials_are_refused(server: TestClient, path: str) -> None:
    assert server.get(path).status_code == 401
    assert server.get(path, headers={"Authorization": "Bearer nonsense"}).status_code in (401, 403)
    assert server.get(path, headers={"Cookie": "_token=nonsense"}).status_code in (401, 403)


@pytest.mark.parametrize("path", PATHS)
def test_a_user_without_a_role_is_refused(server: TestClient, path: str) -> None:
    assert server.get(path, headers={"Authorization": f"Bearer {token(None)}"}).status_code == 403


@pytest.mark.parametrize("how", ["Authorization", "Cookie"])
def test_a_viewer_sees_the_page(server: TestClient, how: str) -> None:
    header = f"Bearer {token('VIEWER')}" if how == "Authorization" else f"_token={token('VIEWER')}"
    response = server.get("/smart-hub/", headers={how: header})
    # the deployment has no bucket, so the page shows an error
    assert response.status_code == 503
    assert "SMART_HUB_DATA_BUCKET: not set" in response.text
    assert server.get("/smart-hub/assets/page.js", headers={how: header}).status_code == 200


def test_the_page_is_in_the_navigation(server: TestClient) -> None:
    plugins = server.get("/api/v2/plugins", headers={"Authorization": f"Bearer {token('ADMIN')}"}).json()["plugins"]
    (view,) = [view for plugin in plugins for view in plugin["external_views"]]
    assert (view["name"], view["destination"], view["href"]) == ("Smart Hub", "nav", "smart-hub/")
    assert not server.get("/api/v2/plugins/importErrors", headers={"Authorization": f"Bearer {token('ADMIN')}"}).json()[
        "import_errors"
    ]


def test_an_import_error_of_the_page_does_not_affect_airflow(
    server: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow import plugins_manager

    (plugin,) = [plugin for plugin in plugins_manager._get_plugins()[0] if plugin.name == "smart_hub"]
    plugin.fastapi_apps[0]["app"].__globals__["_application"].cache_clear()
    monkeypatch.setitem(sys.modules, "smart_hub.page.routes", None)  # as if one of its packages were missing
    response = server.get("/smart-hub/", headers={"Authorization": f"Bearer {token('VIEWER')}"})
    assert (response.status_code, "cannot be imported" in response.text) == (500, True)
    assert server.get("/api/v2/version").status_code == 200
    assert "cannot be imported" in caplog.text
