"""Translates regular expressions of Trino's Joni to DuckDB's RE2.

Trino's syntax: https://trino.io/docs/current/functions/regexp.html. Syntax that this parser does not cover is refused.
"""

import re

from localaws.athena.errors import not_supported

# The classes in RE2: Joni's are ASCII, and its \s has one character more than RE2's.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t-\r "}
_CONTROLS = frozenset("tnr")
_QUANTIFIER = re.compile(r"[*+?]\??|\{(\d{1,2})(?:,(\d{1,2})?)?\}")
_ESCAPED = frozenset(r".^$*+?()[]{}|\/-,:" + '"')
_RANGE = re.compile(r"[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z]")


class Pattern:
    """A regular expression translated to RE2's syntax.

    duck: its text; groups: for each capturing group, whether it takes part in every match; may_be_empty: whether it can
    match an empty string; has_end: whether it has a ``$``, whose translation also consumes a line end.
    captures: whether the caller uses the content of the groups.
    Raises QueryError NOT_SUPPORTED for syntax whose meaning can differ between the two.
    """

    def __init__(self, text: str, captures: bool = True) -> None:
        self.text = text
        self.captures = captures
        self.place = 0
        self.groups: list[bool] = []
        self.has_end = False
        self.duck, self.may_be_empty = self._alternatives(depth=0, always=True)

    def _unsupported(self) -> Exception:
        return not_supported(f"the regular expression {self.text!r}")

    def _take(self, word: str) -> bool:
        found = self.text.startswith(word, self.place)
        self.place += len(word) if found else 0
        return found

    def _alternatives(self, depth: int, always: bool) -> tuple[str, bool]:
        """Branches up to the end or the closing parenthesis, and whether they can match an empty string."""
        first = len(self.groups)
        branches = [self._branch(depth, always)]
        while self._take("|"):
            branches.append(self._branch(depth, always))
        if depth == 0 and self.place < len(self.text):
            raise self._unsupported()
        if len(branches) > 1:
            self.groups[first:] = [False] * (len(self.groups) - first)
        return "|".join(text for text, _ in branches), any(empty for _, empty in branches)

    def _branch(self, depth: int, always: bool) -> tuple[str, bool]:
        texts, empty = [], True
        while self.place < len(self.text) and self.text[self.place] not in "|)":
            if self._take("^"):
                texts.append(r"\A")
            elif depth == 0 and self._take("$"):  # also before a line's end that is the text's last character
                if self.place < len(self.text) and self.text[self.place] != "|":
                    raise self._unsupported()
                texts.append(r"\n?\z")
                self.has_end = True
            else:
                first = len(self.groups)
                atom, atom_empty, repeatable = self._atom(depth, always)
                found = _QUANTIFIER.match(self.text, self.place)
                if found:
                    low, high = found[1], found[2]
                    captures = len(self.groups) > first
                    if not repeatable or captures or (high and int(low) > int(high)):
                        raise self._unsupported()
                    self.place = found.end()
                    if self.place < len(self.text) and self.text[self.place] in "*+?{":
                        raise self._unsupported()
                    atom += found[0]
                    atom_empty = found[0][0] in "*?" or (low is not None and int(low) == 0)
                texts.append(atom)
                empty = empty and atom_empty
        return "".join(texts), empty

    def _atom(self, depth: int, always: bool) -> tuple[str, bool, bool]:
        """One character, class or group; whether it can match an empty string, and whether it can be repeated."""
        character = self.text[self.place]
        self.place += 1
        if character == "(":
            plain = self._take("?:")
            if not plain:
                if self._take("?"):
                    raise self._unsupported()
                plain = not self.captures
                self.groups += [] if plain else [always and depth == 0]
            inner, empty = self._alternatives(depth + 1, always)
            if not self._take(")"):
                raise self._unsupported()
            return f"({'?:' if plain else ''}{inner})", empty, not empty
        if character == "[":
            return self._class(), False, True
        if character == "\\":
            return self._escaped(inside=False), False, True
        if character == ".":
            return r"[^\n]", False, True
        if character in "*+?{}]^$" or not character.isprintable():
            raise self._unsupported()
        return re.escape(character) if character.isascii() else character, False, True

    def _class(self) -> str:
        members = "^" if self._take("^") else ""
        first = self.place
        while not self._take("]"):
            found = _RANGE.match(self.text, self.place)
            if found and found[0][0] <= found[0][2]:
                members += found[0]
                self.place = found.end()
                continue
            character = self.text[self.place : self.place + 1]
            self.place += 1
            if character == "\\":
                members += self._escaped(inside=True)
            elif not character.isprintable() or character in ("", "[", "^", "&", "-"):
                raise self._unsupported()
            else:
                members += re.escape(character) if character.isascii() else character
        if self.place == first + 1:
            raise self._unsupported()
        return f"[{members}]"

    def _escaped(self, inside: bool) -> str:
        character = self.text[self.place : self.place + 1]
        self.place += 1
        if character in _CLASSES:
            return _CLASSES[character] if inside else f"[{_CLASSES[character]}]"
        if character in _CONTROLS or character in _ESCAPED:
            return f"\\{character}"
        raise self._unsupported()
