"""A container's health check of one of Airflow's components: python ops/heartbeat.py scheduler

Airflow's own check, `airflow jobs check`, takes ten seconds of CPU time. This one gets the heartbeats from the API
server. Needs only Python's standard library.
"""

from __future__ import annotations

import argparse
import json
import sys
from http.client import HTTPException
from urllib.request import urlopen

URL = "http://api-server:8080"


def healthy(component: str, url: str = URL, seconds: float = 5) -> bool:
    """Whether the API server at `url` has a recent heartbeat of the component; False if it does not respond."""
    try:
        with urlopen(f"{url}/api/v2/monitor/health", timeout=seconds) as response:
            components = json.load(response)
    except (OSError, HTTPException, ValueError) as error:
        print(f"no response of {url}: {error}", file=sys.stderr)
        return False
    print(components[component])
    return bool(components[component]["status"] == "healthy")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python ops/heartbeat.py", description=__doc__.splitlines()[0])
    parser.add_argument("component", choices=["scheduler", "dag_processor", "triggerer"])
    return 0 if healthy(parser.parse_args(arguments).component) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
