"""What the commands that work on a laptop or in containers say when they fail or are interrupted."""

import sys
from collections.abc import Callable

import httpx

from ops.settings import UserError
from smart_hub.athena import QueryFailed, QueryTimedOut


def run(command: Callable[[], int], interrupted: str = "Interrupted.") -> int:
    """The command's exit status; 1 after an error, which is a line on stderr, 130 after Ctrl-C."""
    try:
        return command()
    except (UserError, QueryFailed, QueryTimedOut) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPStatusError as error:
        print(f"error: Airflow refused: {error}\n{error.response.text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return 130
