"""The commands of docs/mwaa.md."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "mwaa.md"
BUCKET, ENVIRONMENT, ROLE, ACCOUNT, REGION = (
    "my-airflow-bucket",
    "my-environment",
    "my-execution-role",
    "111122223333",
    "us-east-1",
)


def commands(beginning: str) -> list[str]:
    """Those of the page's shell blocks that begin so, each on one line, in order, none twice."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [" ".join(line.split()) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith(beginning)))


def options(command: str) -> dict[str, str]:
    """A command's options: --name value."""
    words = shlex.split(command)
    first = next(number for number, word in enumerate(words) if word.startswith("--"))
    return dict(zip(words[first::2], words[first + 1 :: 2], strict=True))
