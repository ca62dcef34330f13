"""The Markdown of the repository, and what it spells as code.

Blocks of the language sh are commands; those without a language are what something prints, or a file's text.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("packages/*/*.md"),
        *ROOT.glob("tests/*.md"),
        *ROOT.glob("include/**/*.md"),
    ]
}
pages = pytest.mark.parametrize("page", sorted(PAGES))
# Folders of the repository whose files the pages name by their path.
SHOWN = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."} - {"dist", "__pycache__"}
FOLDERS = SHOWN | {".astro", ".ci"}

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


def shell(text: str) -> Iterator[list[str]]:
    """The words of each simple command in its shell blocks, and of those that it spells as code and that have some.

    What stands in $(…) is a command by itself; assignments before a command are left out.
    """
    found = [*blocks(text, "sh"), *(re.sub("<[^<>]+>", "X", span) for span in spans(text) if " " in span)]
    while found:
        code = re.sub(r"(^|\s)#[^\n]*|<<'(\w+)'.*?\n\2$", r"\1", found.pop(0).replace("\\\n", " "), flags=re.M | re.S)
        while inner := re.search(r"\$\(([^()]*)\)", code):
            found.append(inner[1])
            code = code.replace(inner[0], "X")
        words = shlex.shlex(code, posix=True, punctuation_chars=";|&()\n")
        words.whitespace, words.whitespace_split, words.commenters = " \t", True, ""
        command: list[str] = []
        for word in [*_tokens(words), "\n"]:
            if set(word) <= set(";|&()\n"):
                if command:
                    yield command
                command = []
            elif command or not re.fullmatch(r"\w+=.*", word, re.DOTALL):
                command.append(word)


def _tokens(words: shlex.shlex) -> list[str]:
    try:
        return list(words)
    except ValueError:  # an apostrophe: what is spelled as code is no command
        return []


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
