"""Whether one of Airflow's components is alive, as a container's health check: python ops/heartbeat.py scheduler

Airflow's own check, `airflow jobs check`, takes ten seconds of CPU each time; this asks the API server, which has the
heartbeats. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from http.client import HTTPException
from urllib.request import urlopen

URL = "http://api-server:8080"


def healthy(component: str, url: str = URL, seconds: float = 5) -> bool:
    """Whether the API server at `url` has had a heartbeat of the component lately; False when it does not answer."""
    try:
        with urlopen(f"{url}/api/v2/monitor/health", timeout=seconds) as answer:
            report = json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        print(f"{url} does not tell: {error}", file=sys.stderr)
        return False
    print(report[component])
    return bool(report[component]["status"] == "healthy")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python ops/heartbeat.py", description=__doc__.splitlines()[0])
    parser.add_argument("component", choices=["scheduler", "dag_processor", "triggerer"])
    return 0 if healthy(parser.parse_args(arguments).component) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
