"""The page's authorization, in Airflow's real API server with the FAB auth manager."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

ROOT = Path(__file__).parents[2]
PATHS = ["/smart-hub/", "/smart-hub/usage.csv", "/smart-hub/assets/page.js", "/smart-hub/assets/plotly.js"]

_HOME = tempfile.TemporaryDirectory(prefix="smart-hub-fab-")
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__API_AUTH__JWT_SECRET": "not a secret, but as long as one: 0123456789012345678901234567890123456789",
}
os.environ.pop("SMART_HUB_DATA_BUCKET", None)


@pytest.fixture(scope="session")
def server() -> TestClient:
    """Airflow's core API with this repository's plugins, on a database of its own."""
    from airflow.api_fastapi.app import create_app
    from airflow.utils.db import initdb

    initdb()
    return TestClient(create_app(apps="core"), raise_server_exceptions=False)


@pytest.fixture
def bearer(server: TestClient) -> Callable[[str], dict[str, str]]:
    """Returns the authorization header of a user with this role."""
    from airflow.api_fastapi.app import get_auth_manager

    manager: Any = get_auth_manager()

    def make(role: str) -> dict[str, str]:
        with manager.flask_app.app_context():
            security = manager.security_manager
            user = security.find_user(username=role) or security.add_user(
                role, "Some", "Body", f"{role}@example.com", security.find_role(role), password="x"
            )
            return {"Authorization": f"Bearer {manager.generate_jwt(user)}"}

    return make


@pytest.mark.parametrize("path", PATHS)
def test_requests_without_credentials_are_refused(server: TestClient, path: str) -> None:
    assert server.get(path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_role_without_the_dag_is_refused(
    server: TestClient, bearer: Callable[[str], dict[str, str]], path: str
) -> None:
    assert server.get(path, headers=bearer("Public")).status_code == 403


def test_a_viewer_sees_the_page(server: TestClient, bearer: Callable[[str], dict[str, str]]) -> None:
    response = server.get("/smart-hub/", headers=bearer("Viewer"))
    # the deployment has no bucket, so the page shows an error
    assert response.status_code == 503
    assert "SMART_HUB_DATA_BUCKET: not set" in response.text
