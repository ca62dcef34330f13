"""Free ports for environments of the tests' own."""

import random
import socket

# Below those from which Linux and macOS give ports to connections: none of these can take one before a server does.
_PORTS = range(20_000, 32_000)


def free_ports() -> tuple[int, int]:
    """A port for Airflow, which takes the one after it too, and one for the local AWS."""
    while True:
        airflow, aws = random.sample(_PORTS, 2)
        if aws != airflow + 1 and all(_is_free(port) for port in (airflow, airflow + 1, aws)):
            return airflow, aws


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers bind: what only waits for its end (TIME_WAIT) is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
