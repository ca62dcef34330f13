"""The tokens of ``WITH (name = value, …)`` in CREATE TABLE AS and UNLOAD."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType

from localaws.athena.errors import QueryError


@dataclass(frozen=True)
class Property:
    """One ``name = value`` of a WITH clause and the comma after it."""

    tokens: Sequence[Token]
    after: Token

    @property
    def name(self) -> str:
        return self.tokens[0].text.lower()

    @property
    def value(self) -> str:
        return self.tokens[2].text

    @property
    def span(self) -> tuple[int, int]:
        return self.tokens[0].start, self.tokens[-1].end + 1

    @property
    def comma(self) -> tuple[int, int]:
        return self.after.start, self.after.end + 1


def properties(tokens: Sequence[Token], start: int) -> tuple[list[Property], int]:
    """The properties from the token `start` on, and the index of the closing parenthesis."""
    listed, depth, first = [], 0, start
    for at in range(start, len(tokens)):
        kind = tokens[at].token_type
        if not depth and kind in (TokenType.COMMA, TokenType.R_PAREN):
            if at - first < 3 or tokens[first + 1].token_type != TokenType.EQ:
                raise unexpected(tokens, first, "a property")
            listed.append(Property(tokens[first:at], tokens[at]))
            if kind == TokenType.R_PAREN:
                return listed, at
            first = at + 1
        depth += (kind in (TokenType.L_PAREN, TokenType.L_BRACKET)) - (kind in (TokenType.R_PAREN, TokenType.R_BRACKET))
    raise unexpected(tokens, len(tokens), "')'")


def after_name(tokens: Sequence[Token], start: int) -> int:
    """The index after a name of one to three parts."""
    at = start + 1
    while at < len(tokens) and tokens[at].token_type == TokenType.DOT:
        at += 2
    return at


def unexpected(tokens: Sequence[Token], at: int, expected: str) -> QueryError:
    """The error of a statement with an unexpected token or end."""
    token = tokens[min(at, len(tokens) - 1)]
    actual = token.text if at < len(tokens) else "<EOF>"
    return QueryError("SYNTAX_ERROR", f"{place(token)}: mismatched input '{actual}'. Expecting: {expected}")


def place(token: Token) -> str:
    """``line 1:8``, as Trino counts: both from 1."""
    return f"line {token.line}:{token.col - (token.end - token.start)}"
