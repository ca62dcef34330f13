"""The artifacts of a deployment: the functions' code as one zip file, the Glue job's script, and templates.

Keys contain a hash of the content: the same content has the same key on every machine, and CloudFormation detects each
change.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "rates_xml_to_parquet.py"

# The earliest date that a zip file supports.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_READABLE_FILE = 0o100644 << 16


@dataclass(frozen=True)
class Artifact:
    """An object of the artifacts bucket."""

    key: str
    body: bytes


def lambda_zip(root: Path = ROOT) -> bytes:
    """One zip file for all functions: the handlers in its root, ``sql/`` and ``smart_hub/shared/``."""
    lambdas, sql, plugins = root / "include" / "lambdas", root / "include" / "sql", root / "plugins"
    sources = {path.name: path for path in lambdas.glob("*.py")}
    sources |= {f"sql/{path.relative_to(sql).as_posix()}": path for path in sql.rglob("*.sql")}
    shared = [plugins / "smart_hub" / "__init__.py", *(plugins / "smart_hub" / "shared").glob("*.py")]
    sources |= {path.relative_to(plugins).as_posix(): path for path in shared}
    return zip_of(sources)


def zip_of(sources: Mapping[str, Path]) -> bytes:
    """A zip file of these files with these names.

    The same content gives the same bytes: entries are sorted, dated 1980, and not compressed, because compressors
    differ between machines.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(sources.items()):
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE_FILE
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def code(root: Path = ROOT) -> Artifact:
    """The functions' code, at ``lambda/<hash>.zip``."""
    body = lambda_zip(root)
    return Artifact(f"lambda/{_hash(body)}.zip", body)


def script(root: Path = ROOT) -> Artifact:
    """The Glue job's script, at ``glue/<hash>/rates_xml_to_parquet.py``."""
    body = (root / "include" / "glue" / SCRIPT).read_bytes()
    return Artifact(f"glue/{_hash(body)}/{SCRIPT}", body)


def main_template(root: Path = ROOT) -> Artifact:
    """The main template, which is too long for a request, at ``template/<hash>.yaml``."""
    body = (root / "include" / "infrastructure" / "smart_hub.yaml").read_bytes()
    return Artifact(f"template/{_hash(body)}.yaml", body)


def quicksight(template: str) -> Artifact:
    """QuickSight's template without aliases, at ``quicksight/<hash>.yaml``."""
    body = template.encode()
    return Artifact(f"quicksight/{_hash(body)}.yaml", body)


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
