"""Full disks: if a request fails while the disk is full, the response is an error that names the disk."""

import shutil
import sqlite3
from pathlib import Path

from ministack.core.router import detect_service

from localaws.asgi import App, Message, Receive, Send, send_error

FULL_BYTES = 16 * 2**20  # with less free space, errors are attributed to the full disk


def full(folder: Path) -> str:
    """An error message for the user if the disk of the state folder is full, otherwise ""."""
    free = shutil.disk_usage(folder).free
    if free >= FULL_BYTES:
        return ""
    return f"the disk of the local AWS's state folder {folder} is full ({free // 2**20} MB are free): free some space"


class DiskGuard:
    """Wraps the application: while the disk is full, its server errors (500 and above) name the disk."""

    def __init__(self, app: App, folder: Path) -> None:
        self._app = app
        self._folder = folder

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = refused = False

        async def guarded(message: Message) -> None:
            nonlocal begun, refused
            if not begun and message["type"] == "http.response.start":
                begun = True
                if message["status"] >= 500 and (reason := full(self._folder)):
                    refused = True
                    await self._send_disk_full(scope, reason, send)
            if not refused:
                await send(message)

        try:
            await self._app(scope, receive, guarded)
        except (OSError, sqlite3.Error):
            reason = full(self._folder)
            if begun or not reason:
                raise
            await self._send_disk_full(scope, reason, send)

    async def _send_disk_full(self, scope: Message, reason: str, send: Send) -> None:
        # Clients do not retry after a 507.
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        service = detect_service(scope["method"], scope["path"], headers, {})
        await send_error(service, scope["method"], "DiskFull", reason, 507, send)
