"""Error messages of the commands that work on a laptop or in containers."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ops.settings import UserError
from smart_hub.shared.athena import QueryFailed, QueryTimedOut

FREE_BYTES = 64 * 2**20  # several times the size of the sample days


def run(command: Callable[[], int], interrupted: str = "Interrupted.") -> int:
    """The command's exit status; 1 after an error, which is printed on stderr, 130 after Ctrl-C."""
    try:
        return command()
    except (UserError, QueryFailed, QueryTimedOut) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPStatusError as error:
        print(f"error: Airflow rejected a request: {error}\n{error.response.text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return 130


def check_disk(folder: Path) -> None:
    """Raises UserError if the disk of a folder is full. The folder does not have to exist."""
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        raise UserError(
            f"the disk of {folder} is full: {free // 2**20} MB are free, {FREE_BYTES // 2**20} MB are needed. "
            "Free some space, or set SMART_HUB_LOCAL to a folder on another disk"
        )


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Replaces any error in the block with a UserError that names the folder, if the folder's disk is full."""
    try:
        yield
    except Exception:
        check_disk(folder)
        raise
