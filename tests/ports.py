"""Free ports for environments of the tests' own."""

import socket


def free_ports() -> tuple[int, int]:
    """A port for Airflow, which takes the one after it too, and one for the local AWS."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as other:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            other.bind(("127.0.0.1", 0))
            return port, other.getsockname()[1]
