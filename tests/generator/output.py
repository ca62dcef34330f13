"""Runs the generator and reads its output."""

import csv
import json
from pathlib import Path
from typing import Any

from generator.__main__ import main

SAMPLE = Path(__file__).parents[2] / "include/data"


def generate(out: Path, arguments: str = "") -> dict[str, bytes]:
    assert main([*arguments.split(), "--out", str(out)]) == 0
    return files(out)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def usage_lines(source: dict[str, bytes], day: str) -> list[str]:
    names = [name for name in source if name.startswith(f"usage/dt={day}/")]
    return [line for name in names for line in source[name].decode().splitlines()]


def locations(source: dict[str, bytes]) -> list[dict[str, str]]:
    texts = [text.decode() for name, text in source.items() if name.startswith("locations/")]
    return [row for text in texts for row in csv.DictReader(text.splitlines())]


def mappings(source: dict[str, bytes]) -> list[dict[str, Any]]:
    texts = [text.decode() for name, text in source.items() if name.startswith("mappings/")]
    return [json.loads(line) for text in texts for line in text.splitlines()]
