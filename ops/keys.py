"""Random keys of an environment: python -m ops.keys adds missing keys to .env, for Docker Compose.

Needs only Python's standard library. Existing keys are not changed: with another Fernet key, Airflow cannot decrypt its
database, and with another password it cannot open the database.
"""

from __future__ import annotations

import argparse
import base64
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def airflow() -> dict[str, str]:
    """Airflow's internal keys, by the names of its settings."""
    return {
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(64),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def compose() -> dict[str, str]:
    """All keys that docker-compose.yaml needs. The password is part of a URL, so no character needs escaping."""
    return {"POSTGRES_PASSWORD": secrets.token_urlsafe(32), **airflow()}


def complete(file: Path, example: Path) -> list[str]:
    """Generate a value for each key that is empty or missing in `file`. A missing file is copied from `example`.

    Returns the names of these keys. Only the owner can read the file.
    """
    text = (file if file.exists() else example).read_text(encoding="utf-8")
    generated = []
    for name, value in compose().items():
        line = re.compile(rf"^{name}=(.*)$", re.MULTILINE)
        match = line.search(text)
        if match and match[1].strip():
            continue
        generated.append(name)
        text = line.sub(f"{name}={value}", text) if match else f"{text.rstrip()}\n{name}={value}\n"
    if generated:
        part = file.with_name(f"{file.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    return generated


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.keys", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--file", type=Path, default=ROOT / ".env", help="file to which missing keys are added (default: .env)"
    )
    file: Path = parser.parse_args(arguments).file
    generated = complete(file, ROOT / ".env.example")
    print(f"{file}: generated {', '.join(generated)}" if generated else f"{file} has all keys")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
