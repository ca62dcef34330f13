"""What Docker sends of a folder: its .dockerignore, read as Docker reads it."""

import re
from pathlib import Path


def sent(path: str, ignore_file: Path) -> bool:
    """Whether a file is sent: the last line that matches it, or a folder that it lies in, decides.

    https://docs.docker.com/build/concepts/context/#dockerignore-files; `make test-compose` asks Docker itself.
    """
    parents = [Path(path), *Path(path).parents][:-1]
    answer = True
    for line in ignore_file.read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.compile(_regex(line.removeprefix("!").strip("/")))
            if any(pattern.fullmatch(parent.as_posix()) for parent in parents):
                answer = line.startswith("!")
    return answer


def context(root: Path) -> list[str]:
    """The files that are sent of a folder without `-f`, sorted."""
    ignore_file = root / ".dockerignore"
    # Environments hold tens of thousands of files: a folder of which no name could be sent is not entered.
    tops = [top for top in root.iterdir() if sent(top.name, ignore_file)]
    files = [file for top in tops for file in (top.rglob("*") if top.is_dir() else [top]) if file.is_file()]
    names = (file.relative_to(root).as_posix() for file in files)
    return sorted(name for name in names if sent(name, ignore_file))


def _regex(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join({"**/": "(.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
