"""The Markdown of the repository, and what it spells as code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")


def prose(text: str) -> str:
    """The page without its blocks of code."""
    return _BLOCK.sub("", text)


def blocks(text: str, language: str | None = None) -> list[str]:
    """Its blocks of code; of one language, or of all."""
    return [block for found, block in _BLOCK.findall(text) if language in (None, found)]


def spans(text: str) -> list[str]:
    """What it spells as code within its sentences and tables, each on one line."""
    return [" ".join(span.split()) for span in _SPAN.findall(prose(text))]


def anchors(text: str) -> set[str]:
    """The anchors of its headings, as GitHub makes them: https://github.com/gjtorikian/html-pipeline, TOC filter."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number, anchor = 0, slug
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found
