"""Run the local AWS: localaws --port 4566 --state .local/aws"""

import argparse
import asyncio
import errno
import fcntl
import gc
import logging
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import IO, cast

import yaml

from localaws.environment import isolated
from localaws.service import REGION

HOST = "127.0.0.1"  # its own functions, jobs and queries use this address, wherever it listens
EVERYWHERE = "0.0.0.0"
# Method, path, query, status, bytes of the response, requested range, and the action (of services other than S3).
_ACCESS_LINE = "%(m)s %(U)s ?%(q)s %(s)s %(b)s %({range}i)s %({x-amz-target}i)s"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = parse_arguments()
    state = Path(arguments.state).absolute()
    lock = lock_folder(state)
    listener = listen(arguments.host, arguments.port)
    endpoint = f"http://{HOST}:{listener.getsockname()[1]}"
    configure_ministack(listener.getsockname()[1], endpoint, state, arguments.log_level)
    asyncio.run(serve(listener, endpoint, state, arguments))
    lock.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="localaws",
        description="A local AWS on 127.0.0.1: S3, IAM, CloudFormation, Lambda, Glue, Athena.",
    )
    parser.add_argument(
        "--host",
        default=HOST,
        choices=[HOST, EVERYWHERE],
        help=f"address to listen on; {EVERYWHERE}, all addresses, is for containers alone ({HOST})",
    )
    parser.add_argument("--port", type=int, default=4566, help="port to listen on; 0 takes a free one (4566)")
    parser.add_argument("--state", default=".local/aws", help="folder for all data (.local/aws)")
    parser.add_argument(
        "--engine", default="duckdb", choices=["duckdb", "trino"], help="engine of Athena's queries (duckdb)"
    )
    parser.add_argument(
        "--trino-url",
        default=f"http://{HOST}:8090",
        help="the Trino of --engine trino (http://127.0.0.1:8090)",
    )
    parser.add_argument(
        "--query-memory",
        type=_bytes,
        default="2G",
        help="memory of each query on DuckDB before it spills to disk, as 2G or 500M (2G)",
    )
    parser.add_argument("--faults", type=Path, help="JSON file of fault rules, as for PUT /_localaws/faults (none)")
    parser.add_argument("--access-log", type=Path, help="file for one line per request (none)")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    return parser.parse_args()


def _bytes(size: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]*[MG]", size):
        raise argparse.ArgumentTypeError(f"{size} is not a size: write it as 2G or 500M")
    return int(size[:-1]) * {"M": 10**6, "G": 10**9}[size[-1]]


def lock_folder(state: Path) -> IO[str]:
    """Lock the state folder: two servers would overwrite each other's state."""
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another local AWS uses the state folder {state}: stop it, or choose another folder with --state")
    return lock


def listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(f"Port {port} on {host} is taken: stop what uses it, or choose another port with --port")
    return listener


def configure_ministack(port: int, endpoint: str, state: Path, log_level: str) -> None:
    """Set ministack's documented settings, which it reads at import, in an environment without the user's settings."""
    temporary = state / "tmp"  # the code of running functions; the next start does not need it
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    isolated_variables = isolated(temporary)
    os.environ.clear()
    os.environ.update(
        isolated_variables,
        AWS_ENDPOINT_URL=endpoint,  # Lambdas get it, so they call back through this server
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION=REGION,
        AWS_REGION=REGION,
        MINISTACK_REGION=REGION,
        MINISTACK_HOST="localhost",
        GATEWAY_PORT=str(port),
        BIND_HOST=HOST,
        PERSIST_STATE="1",
        STATE_DIR=str(state / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(state / "s3"),
        LOG_LEVEL=log_level.upper(),
        LAMBDA_EXECUTOR="local",
        AUTH="true",  # IAM is enforced: see localaws/access.py
        # Listeners of services that are not needed, one of them on all addresses.
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
    )
    # ministack parses a template several times per deployment; libyaml does it in a tenth of the time.
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # type: ignore[misc]


def access_logger(path: Path) -> logging.Logger:
    """A separate logger, because hypercorn's has the level of all loggers."""
    logger = logging.getLogger("localaws.requests")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.FileHandler(path))
    return logger


async def serve(listener: socket.socket, endpoint: str, state: Path, arguments: argparse.Namespace) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from hypercorn.typing import Framework

    from localaws.app import create_app
    from localaws.faults import InvalidRule

    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = os.environ["LOG_LEVEL"]
    if arguments.access_log:
        config.accesslog = access_logger(arguments.access_log)
        config.access_log_format = _ACCESS_LINE
    trino_url = arguments.trino_url if arguments.engine == "trino" else None
    app = create_app(endpoint, state, trino_url, arguments.query_memory)
    if arguments.faults:
        try:
            app.load(arguments.faults.read_text())
        except (OSError, InvalidRule) as error:
            sys.exit(f"--faults {arguments.faults}: {error}")
    print(f"Local AWS on {endpoint}, state in {state}", flush=True)
    # Imported modules are never garbage, but the collector spent a tenth of the CPU time on them.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await hypercorn_serve(cast(Framework, app), config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    main()
