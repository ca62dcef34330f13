"""Parses statements: Trino's own grammar validates them, sqlglot builds the tree."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import sqlglot
from antlr4 import CommonTokenStream, InputStream, Token
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.generators.trino import TrinoGenerator
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token as Word
from sqlglot.tokenizer_core import TokenType
from trino_query_parser import TrinoSyntaxError, parse_statement  # type: ignore[import-untyped]
from trino_query_parser.SqlBaseLexer import SqlBaseLexer  # type: ignore[import-untyped]

from localaws.athena.errors import QueryError, not_supported
from localaws.athena.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, JSON, VARCHAR, Type, decimal, map_of


class TypedLiteral(exp.Expression):
    """``DATE '2019-12-21'``: unlike with a cast, the type depends on the text."""

    arg_types: ClassVar = {"this": True, "to": True}


class UnaryPlus(exp.Unary):
    """``+x``, which sqlglot would drop together with the check of x's type."""


class _TrinoAsWritten(Trino):
    """Trino's syntax, with the original names of functions, and with Trino's precedence."""

    class Parser(TrinoParser):
        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar = {name: TrinoParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")}
        # sqlglot gives % the precedence of + and -.
        TERM: ClassVar = {TokenType.PLUS: exp.Add, TokenType.DASH: exp.Sub}
        FACTOR: ClassVar = {TokenType.STAR: exp.Mul, TokenType.SLASH: exp.Div, TokenType.MOD: exp.Mod}
        UNARY_PARSERS: ClassVar = {
            **TrinoParser.UNARY_PARSERS,
            TokenType.PLUS: lambda self: self.expression(UnaryPlus(this=self._parse_unary())),
        }
        TYPE_LITERAL_PARSERS: ClassVar = dict.fromkeys(
            (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.DECIMAL),
            lambda self, this, to: self.expression(TypedLiteral(this=this, to=to)),
        )

        def expression(self, instance: Any, token: Word | None = None, comments: Any = None) -> Any:
            node = super().expression(instance, token, comments)
            node.meta["last"] = self._prev.end  # an operator begins after its left operand
            return node

    class Generator(TrinoGenerator):
        TRANSFORMS: ClassVar = {
            **TrinoGenerator.TRANSFORMS,
            TypedLiteral: lambda self, node: f"{self.sql(node, 'to')} {self.sql(node, 'this')}",
            UnaryPlus: lambda self, node: f"+{self.sql(node, 'this')}",
        }


def tokens(sql: str) -> list[Word]:
    """The statement's tokens. Raises QueryError SYNTAX_ERROR for an unclosed string or comment."""
    try:
        return Trino().tokenize(sql)
    except sqlglot.TokenError as error:
        raise QueryError("SYNTAX_ERROR", str(error).splitlines()[0]) from None


def parse(sql: str) -> exp.Expr:
    """The statement's tree. Raises QueryError SYNTAX_ERROR if Trino's grammar rejects the statement."""
    digest = _digest(sql)
    if digest not in _accepted(CACHE):
        try:
            parse_statement(sql)
        except TrinoSyntaxError as error:
            raise QueryError("SYNTAX_ERROR", _as_trino_says(str(error))) from None
        _accept(digest)
    try:
        return sqlglot.parse_one(sql, read=_TrinoAsWritten)
    except (sqlglot.ParseError, sqlglot.TokenError) as error:
        raise not_supported(f"this syntax ({str(error).splitlines()[0]})") from None


# The parser sees a statement as a sequence of token types. It takes ten times as long as the lexer, and repeated
# statements differ only in names and literals. So the hashes of accepted sequences are cached in a file: a server's is
# in its state folder, that of all other processes in the user's folder for caches.
_USERS_CACHES = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
CACHE = Path(_USERS_CACHES, "localaws", f"accepted-{version('trino-query-parser')}.txt")
_MAX_CACHED = 10_000  # 650 kB


def cache_in(folder: Path) -> None:
    """Cache accepted statements in a file in this folder from now on."""
    global CACHE
    CACHE = folder / CACHE.name


@cache
def _accepted(file: Path) -> set[str]:
    try:
        return set(file.read_text().split())
    except OSError:
        return set()


def _accept(digest: str) -> None:
    accepted = _accepted(CACHE)
    is_full = len(accepted) >= _MAX_CACHED
    if is_full:
        accepted.clear()
    accepted.add(digest)
    with suppress(OSError):  # the cache is only for speed
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with CACHE.open("w" if is_full else "a") as file:
            file.write(f"{digest}\n")


def _digest(sql: str) -> str:
    words = CommonTokenStream(SqlBaseLexer(InputStream(sql.upper())))
    words.fill()
    kinds = [word.type for word in words.tokens if word.channel == Token.DEFAULT_CHANNEL]
    return sha256(repr(kinds).encode()).hexdigest()


def _as_trino_says(message: str) -> str:
    """``1:0 mismatched …`` of the grammar as ``line 1:1: mismatched …``: Trino counts columns from 1."""
    match = re.match(r"(\d+):(\d+) (.*)", message, re.DOTALL)
    return f"line {match[1]}:{int(match[2]) + 1}: {match[3]}" if match else message


def location(node: exp.Expr, text: str) -> str:
    """``line 1:8: ``: the position of an operator, or else of the node's first token; "" if it is not known."""
    if isinstance(node, exp.Binary):
        ends = _positions(node.this, "last") or _positions(node.this, "end")
        after = max(ends, default=-1) + 1
        starts = [after + len(text[after:]) - len(text[after:].lstrip(" \t\r\n)]"))] if ends else []
    else:
        starts = _positions(node, "start")
    if not starts:
        return ""
    before = text[: min(starts)]
    return f"line {before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "


def _positions(node: exp.Expr, name: str) -> list[int]:
    return [int(one.meta[name]) for one in node.walk() if name in one.meta]


def only(node: exp.Expr, *known: str) -> None:
    """Raises QueryError for a node with arguments that its translation does not read."""
    for name, value in node.args.items():
        if name not in known and value not in (None, False, [], ""):
            raise not_supported(f"{name.strip('_').upper()} ({shown(node)})")


def shown(node: exp.Expr) -> str:
    """The node's SQL, shortened, for messages."""
    return node.sql(dialect=_TrinoAsWritten, comments=False, normalize_functions=False)[:60]


def own_nodes(node: exp.Expr) -> Iterator[exp.Expr]:
    """The node and its descendants, without those in subqueries."""
    return node.walk(prune=lambda one: one is not node and isinstance(one, exp.Query))


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that AND combines."""
    if isinstance(node, exp.Paren):
        return conjuncts(node.this)
    if isinstance(node, exp.And):
        return conjuncts(node.this) + conjuncts(node.expression)
    return [node]


def name_of(node: exp.Expr) -> str:
    """An identifier for comparisons: Trino ignores case, even in quotes."""
    return node.name.lower()


_TYPES = {
    "BOOLEAN": BOOLEAN,
    "TINYINT": Type("tinyint"),
    "SMALLINT": Type("smallint"),
    "INT": INTEGER,
    "BIGINT": BIGINT,
    "DOUBLE": DOUBLE,
    "DATE": DATE,
    "JSON": JSON,
}


def type_of(node: exp.DataType) -> Type:
    """The type that a cast or a literal names. Raises QueryError for an unsupported type."""
    name = node.this.name
    if name == "MAP" and len(node.expressions) == 2:
        key, value = map(type_of, node.expressions)
        return map_of(key, value)
    if name == "STRUCT" and all(isinstance(one, exp.ColumnDef) and one.kind for one in node.expressions):
        names = [one.name for one in node.expressions if not one.this.quoted]
        if len({one.lower() for one in names}) == len(node.expressions):
            return Type("row", fields=tuple((name_of(one.this), type_of(one.kind)) for one in node.expressions))
    arguments = tuple(int(one.this.this) for one in node.expressions if isinstance(one, exp.DataTypeParam))
    if len(arguments) != len(node.expressions):
        raise not_supported(f"the type {shown(node)}")
    if name == "DECIMAL" and len(arguments) <= 2:
        precision, scale = (*arguments, 0, 0)[:2] if arguments else (38, 0)
        if 1 <= precision <= 38 and scale <= precision:
            return decimal(precision, scale)
    if name == "VARCHAR" and len(arguments) <= 1:
        return Type("varchar", arguments) if arguments else VARCHAR
    if name == "TIMESTAMP" and all(digits <= 3 for digits in arguments):
        return Type("timestamp", arguments or (3,))
    if name in _TYPES and not arguments:
        return _TYPES[name]
    raise not_supported(f"the type {shown(node)}")
