"""Random keys of an environment: python -m ops.keys adds those that are missing to .env, for Docker Compose.

Needs nothing but Python. Keys that .env already has are left alone: another Fernet key would make what Airflow's
database holds unreadable, and another password would not open the database.
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
    """All that docker-compose.yaml wants to be told. The password stands in a URL, so it has no character that
    would need quoting there."""
    return {"POSTGRES_PASSWORD": secrets.token_urlsafe(32), **airflow()}


def complete(file: Path, example: Path) -> list[str]:
    """Give `file`, made from `example` when it is not there, a value for each key that is empty or missing.

    Gives the names of the keys made. The file is readable by its owner alone.
    """
    text = (file if file.exists() else example).read_text(encoding="utf-8")
    made = []
    for name, value in compose().items():
        line = re.compile(rf"^{name}=(.*)$", re.MULTILINE)
        found = line.search(text)
        if found and found[1].strip():
            continue
        made.append(name)
        text = line.sub(f"{name}={value}", text) if found else f"{text.rstrip()}\n{name}={value}\n"
    if made:
        part = file.with_name(f"{file.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    return made


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.keys", description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=ROOT / ".env", help="the file to complete (.env)")
    file: Path = parser.parse_args(arguments).file
    made = complete(file, ROOT / ".env.example")
    print(f"{file}: made {', '.join(made)}" if made else f"{file} has all keys")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
