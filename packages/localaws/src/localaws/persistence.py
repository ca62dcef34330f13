"""Saves ministack's state after every change; ministack itself saves it only when it stops cleanly.

Objects do not need this: with S3_PERSIST, ministack writes them and their metadata to files before it responds.
"""

import asyncio
import pickle
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ministack.app import SERVICE_REGISTRY
from ministack.core.persistence import STATE_DIR, save_state
from ministack.core.router import detect_service

READ_PREFIXES = ("Get", "List", "Describe", "Search", "BatchGet", "Query", "Check")
S3_CONTROL_PATH = "/v20180820/"


def service_changed_by(method: str, path: str, headers: dict[str, str]) -> str | None:
    """The service, by its name in ministack's registry, whose state must be saved before the response is sent.

    These are all requests that can change something: all but reads and S3 objects, which are files.
    """
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if method in ("GET", "HEAD", "OPTIONS") or action.startswith(READ_PREFIXES):
        return None
    service = detect_service(method, path, headers, {})
    if service == "s3" and "/" in path.strip("/") and not path.startswith(S3_CONTROL_PATH):
        return None
    return service if service in SERVICE_REGISTRY else None


class StateSaver:
    """Saves the state of ministack's services; callers who wait for the same service share a save."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._stacks = b""

    async def save(self, service: str) -> None:
        """Return when all that the service had changed before the call is on disk. Raises OSError."""
        if service != "cloudformation":
            await self._save_all([service])
            return
        # It provisions resources of all services in the background, and its own state changes with each step.
        get_state = _get_state("cloudformation")
        stacks = await asyncio.to_thread(lambda: pickle.dumps(_consistent(get_state))) if get_state else b""
        if stacks != self._stacks:
            await self._save_all(SERVICE_REGISTRY)
            self._stacks = stacks

    async def _save_all(self, services: Iterable[str]) -> None:
        saves = [asyncio.shield(self._save_begun_after_now(key)) for key in _state_keys(services)]
        await asyncio.gather(*saves)

    def _save_begun_after_now(self, key: str) -> asyncio.Task[None]:
        if key not in self._waiting:
            self._waiting[key] = asyncio.create_task(self._save(key))
        return self._waiting[key]

    async def _save(self, key: str) -> None:
        async with self._locks.setdefault(key, asyncio.Lock()):
            del self._waiting[key]  # a change from here on needs a later save
            await asyncio.to_thread(_save_state, key)


def _state_keys(services: Iterable[str]) -> set[str]:
    keys = set()
    for service in services:
        entry = SERVICE_REGISTRY[service]
        for key in (entry.get("state_key", entry["module"]), *entry.get("sub_modules", ())):
            if _get_state(key) is not None:
                keys.add(key)
    return keys


def _get_state(key: str) -> Callable[[], dict[str, Any]] | None:
    """The function that returns the service's state; None while ministack has not loaded the service."""
    modules = {entry.get("state_key", entry["module"]): entry["module"] for entry in SERVICE_REGISTRY.values()}
    module = sys.modules.get(f"ministack.services.{modules.get(key, key)}")
    return getattr(module, "get_state", None)


def _save_state(key: str) -> None:
    get_state = _get_state(key)
    assert get_state is not None
    path = Path(STATE_DIR, f"{key}.json")
    before = path.stat().st_ino if path.exists() else None
    save_state(key, _consistent(get_state))
    # save_state logs errors and returns: the state is saved only if its file was replaced.
    if not path.exists() or path.stat().st_ino == before:
        raise OSError(f"The state of {key} could not be saved to {path}; the log says why. Is the disk full?")


def _consistent(get_state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The state, copied again if another thread changed it during the copy."""
    while True:
        try:
            return get_state()
        except RuntimeError as error:
            if "changed size during iteration" not in str(error):
                raise
