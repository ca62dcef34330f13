"""The functions that a real Trino lists: recorded for the DuckDB engine, and compared with those recorded."""

import json
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from conformance.compare import Finding, Verdict
from conformance.environment import Environment
from conformance.judge import Judge
from localaws.athena.duck.signatures import FILE


def run(judge: Judge) -> list[Finding]:
    """One comparison for each signature that is recorded or listed."""
    recorded, listed = set(FILE.read_text(encoding="utf-8").splitlines()[1:]), set(_listed(judge.environment))
    differences = dict.fromkeys(recorded - listed, "is recorded, not listed")
    differences |= dict.fromkeys(listed - recorded, "is listed, not recorded: run make record-trino-functions")
    return [
        Finding("signatures", line, Verdict.WRONG if line in differences else Verdict.SAME, None, None, found)
        for line in sorted(recorded | listed)
        for found in [differences.get(line, "")]
    ]


def _listed(environment: Environment) -> list[str]:
    """Name, return type, argument types, kind and determinism, separated by tabs."""
    rows: list[list[Any]] = []
    page = _fetch(Request(f"{environment.trino.url}/v1/statement", b"SHOW FUNCTIONS", {"X-Trino-User": "recorder"}))
    while "nextUri" in page:
        page = _fetch(Request(page["nextUri"]))
        rows += page.get("data", [])
    return sorted({"\t".join(map(str, row[:5])) for row in rows})


def _fetch(request: Request) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
        return dict(json.loads(response.read()))


def record(environment: Environment) -> None:
    """Write the signatures that Trino lists to the engine's file."""
    lines = _listed(environment)
    version = environment.trino_version()
    title = f"# SHOW FUNCTIONS of Trino {version}, written by `make record-trino-functions`: do not edit."
    FILE.write_text("".join(f"{line}\n" for line in (title, *lines)), encoding="utf-8")
    print(f"Written to {FILE.name}: {len(lines)} signatures")
