"""Random expressions and queries of the functions and types that the DuckDB engine covers.

Hypothesis draws them, by default from a fixed seed. Statements that the engine does not cover are left out; those that
it takes for wrong are compared. Expressions run in batches. If the answers for a batch differ, or an engine refuses it,
each expression runs by itself, and a difference is narrowed down to the smallest part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from conformance.compare import Finding, Verdict
from conformance.data import PARQUET, SampleTable
from conformance.environment import DUCKDB
from conformance.judge import Judge
from localaws.athena.catalog import Column, Table
from localaws.athena.duck import aggregates, expressions, functions
from localaws.athena.duck.compiler import Compiler
from localaws.athena.duck.syntax import parse
from localaws.athena.errors import QueryError
from localaws.athena.types import from_hive

EXPRESSIONS, QUERIES, REFUSED = 600, 120, 60
_BATCH = 10
_DEPTH = 3
_EXPRESSION_TOPIC, _QUERY_TOPIC = "expressions", "queries"

# Expressions by kind: columns of the table `mixed`, literals, types to cast to.
_COLUMNS = {
    "integers": ["n", "ti", "si", "i", "b", "epoch"],
    "decimal": ["price", "exact", "wide"],
    "double": ["d"],
    "varchar": ["s", "c", "tz"],
    "boolean": ["flag"],
    "date": ["day"],
    "timestamp": ["ts"],
}
_LITERALS = {
    "integers": ["0", "1", "-1", "2", "3", "7", "100", "2147483647", "2147483648", "-9223372036854775807"],
    "decimal": ["0.0", "1.5", "-2.50", "0.05", "999.99", "DECIMAL '3'", "123456789.123456789"],
    "double": ["0e0", "-0e0", "1.5e0", "-2.5e0", "0.1e0", "1e17", "1e308", "nan()", "infinity()"],
    "varchar": ["''", "'a'", "'ABC'", "'%b%'", "'12'", "'1.5'", "'2019-12-21'", "'UTC'", "'Ärger'", "'month'"],
    "boolean": ["true", "false"],
    "date": ["DATE '2019-12-21'", "DATE '2020-02-29'", "DATE '1969-12-31'"],
    "timestamp": ["TIMESTAMP '2019-12-21 10:15:30.123'", "TIMESTAMP '2019-03-10 02:30:00'"],
}
_TYPES = {
    "integers": ["tinyint", "smallint", "integer", "bigint"],
    "decimal": ["decimal(5, 2)", "decimal(18, 9)", "decimal(38, 0)", "decimal(10, 4)"],
    "double": ["double"],
    "varchar": ["varchar", "varchar(3)"],
    "boolean": ["boolean"],
    "date": ["date"],
    "timestamp": ["timestamp", "timestamp(0)"],
}
KINDS = tuple(_COLUMNS)
_NUMBERS = ("integers", "decimal", "double")
# Argument kinds and result kinds of functions with their own translation; other functions get any arguments.
_FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "concat": (("varchar", "varchar"), "varchar"),
    "date": (("timestamp",), "date"),
    "date_trunc": (("varchar", "timestamp"), "timestamp"),
    "from_unixtime": (("integers", "varchar"), "timestamp"),
    "to_unixtime": (("timestamp",), "double"),
}
_PATTERNS = ["a", "^[a-z]+$", "(b|c)d?", "[^0-9]$", ".b", r"\s\d*", "^(?:ab)*"]


@dataclass(frozen=True)
class Expression:
    """template: the text with ``{}`` for each part."""

    template: str
    parts: tuple["Expression", ...] = ()

    def __str__(self) -> str:
        return self.template.format(*self.parts)

    @property
    def all(self) -> Iterator["Expression"]:
        yield self
        for part in self.parts:
            yield from part.all


@dataclass(frozen=True)
class _SingleTable:
    """A source for the compiler: the columns of one table, without files."""

    only_table: Table

    def table(self, database: str, name: str) -> Table | None:
        return self.only_table if name == self.only_table.name else None

    def scan(self, table: Table, alias: str, conditions: Sequence[str], hidden_path: bool) -> str:
        return f"{table.name} AS {alias}"


def run(judge: Judge, table: SampleTable, seed: int | None) -> list[Finding]:
    """Compare random expressions and queries over `table`."""
    columns = tuple(Column(name, from_hive(type_)) for name, type_ in table.columns.items())
    source = _SingleTable(Table(DUCKDB, table.name, columns, (), "s3://x/", PARQUET, {}, {}, None, ""))
    supported, refused = _by_support(
        source, drawn(_expressions(), EXPRESSIONS, seed), f"SELECT n, {{}} FROM {table.name}"
    )
    findings: list[Finding] = []
    for start in range(0, len(supported), _BATCH):
        findings += _agree(judge, table.name, supported[start : start + _BATCH])
    findings += judge.compare_all("refused", [f"SELECT n, {one} FROM {table.name}" for one in refused[:REFUSED]])
    queries, _ = _by_support(source, drawn(_queries(table.name), QUERIES, seed), "{}")
    findings += judge.compare_all(_QUERY_TOPIC, [str(query) for query in queries])
    return list({(one.topic, one.statement): one for one in findings}.values())  # narrowed down to the same part


def drawn(strategy: st.SearchStrategy[Expression], count: int, seed: int | None) -> list[Expression]:
    """At most `count` different expressions."""
    found: dict[str, Expression] = {}

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=seed is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: Expression) -> None:
        found.setdefault(str(one), one)

    (collect if seed is None else seeded(seed)(collect))()
    return list(found.values())


def _by_support(
    source: _SingleTable, drawn: Sequence[Expression], statement: str
) -> tuple[list[Expression], list[Expression]]:
    """The expressions that the engine supports, and those that it takes for wrong; without those not covered."""
    supported, refused = [], []
    for one in drawn:
        sql = statement.format(one)
        try:
            Compiler(source, sql, DUCKDB).query(parse(sql))
        except QueryError as error:
            if error.code != "NOT_SUPPORTED":
                refused.append(one)
        else:
            supported.append(one)
    return supported, refused


def _agree(judge: Judge, table: str, batch: Sequence[Expression]) -> list[Finding]:
    together = judge.compare(_EXPRESSION_TOPIC, f"SELECT n, {', '.join(map(str, batch))} FROM {table}")
    if together.verdict == Verdict.SAME:
        return [Finding(_EXPRESSION_TOPIC, str(one), Verdict.SAME, together.duckdb, together.trino) for one in batch]
    alone = judge.compare_all(_EXPRESSION_TOPIC, [f"SELECT n, {one} FROM {table}" for one in batch])
    # A batch that fails on one row can differ on another.
    alone += judge.compare_all(
        _EXPRESSION_TOPIC,
        [
            f"SELECT {one} FROM {table} WHERE n = {row}"
            for one, finding in zip(batch, alone, strict=True)
            if finding.verdict in (Verdict.BOTH_REFUSE, Verdict.UNSUPPORTED)
            for row in (5, 12)
        ],
    )
    return [
        _smallest(judge, finding, one) if finding.verdict.fails else finding
        for finding in alone
        for one in [next(one for one in batch if f" {one} FROM" in finding.statement)]
    ]


def _smallest(judge: Judge, finding: Finding, whole: Expression) -> Finding:
    """The smallest part of an expression for which the engines differ, too; the whole expression if there is none."""
    for part in sorted(set(whole.all), key=lambda one: len(str(one))):
        smaller = judge.compare(finding.topic, finding.statement.replace(f" {whole} FROM", f" {part} FROM"))
        if smaller.verdict.fails:
            return smaller
    return finding


# Expressions


def _expressions() -> st.SearchStrategy[Expression]:
    return st.sampled_from(KINDS).flatmap(lambda kind: _of_kind(kind, _DEPTH))


@st.composite
def _of_kind(draw: st.DrawFn, kind: str, depth: int) -> Expression:
    """An expression of a kind; one in fifteen is of another kind, to test refusals."""
    if draw(st.integers(0, 14)) == 0:
        kind = draw(st.sampled_from(KINDS))
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(_leaf(kind))
    template, kinds = draw(st.sampled_from(_productions(kind)))
    kinds = [draw(st.sampled_from(KINDS)) if one == "any" else one for one in kinds]
    kinds = [draw(st.sampled_from(_NUMBERS)) if one == "numbers" else one for one in kinds]
    if "same" in kinds:
        same = draw(st.sampled_from(KINDS))
        kinds = [same if one == "same" else one for one in kinds]
    return Expression(template, tuple(draw(_of_kind(one, depth - 1)) for one in kinds))


def _leaf(kind: str) -> st.SearchStrategy[Expression]:
    return st.sampled_from(_COLUMNS[kind] * 2 + _LITERALS[kind] + ["NULL"]).map(Expression)


def _productions(kind: str) -> list[tuple[str, list[str]]]:
    """Templates of a kind, with the kinds of their parts."""
    found = [
        ("CASE WHEN {} THEN {} ELSE {} END", ["boolean", kind, kind]),
        ("CASE {} WHEN {} THEN {} END", ["same", "same", kind]),
        ("IF({}, {}, {})", ["boolean", kind, kind]),
        ("({})", [kind]),
        *((f"CAST({{}} AS {type_})", ["any"]) for type_ in _TYPES[kind]),
        *((f"CAST({{}} AS {type_})", [kind]) for type_ in _TYPES[kind]),
        *((f"TRY_CAST({{}} AS {type_})", ["any"]) for type_ in _TYPES[kind]),
        *((f"TRY(CAST({{}} AS {type_}))", ["any"]) for type_ in _TYPES[kind]),
    ]
    if kind in _NUMBERS:
        signs = [sign for sign in expressions._OPERATORS.values() if sign in "+-*/%"]
        found += [(f"({{}} {sign} {{}})", [kind, kind]) for sign in signs] + [("(- {})", [kind])]
        found += [(f"({{}} {sign} {{}})", [kind, "integers"]) for sign in signs]
    if kind == "boolean":
        signs = [sign for sign in expressions._OPERATORS.values() if sign not in "+-*/%"]
        found += [(f"({{}} {sign} {{}})", ["same", "same"]) for sign in signs]
        found += [(f"({{}} {sign} {{}})", ["numbers", "numbers"]) for sign in signs]
        found += [("({} AND {})", ["boolean", "boolean"]), ("({} OR {})", ["boolean", "boolean"])]
        found += [("(NOT {})", ["boolean"]), ("({} IS NULL)", ["any"]), ("({} IS NOT NULL)", ["any"])]
        found += [("({} BETWEEN {} AND {})", ["same"] * 3), ("({} IN ({}, {}))", ["same"] * 3)]
        found += [("({} IS DISTINCT FROM {})", ["same"] * 2), ("({} IS NOT DISTINCT FROM {})", ["same"] * 2)]
        found += [(f"regexp_like({{}}, '{pattern}')", ["varchar"]) for pattern in _PATTERNS]
        found += [("({} NOT IN ({}, {}))", ["same"] * 3), ("({} LIKE {})", ["varchar", "varchar"])]
        found += [
            (f"{name}(split({{}}, 'a'), x -> x >= {{}})", ["varchar"] * 2)
            for name in ("any_match", "all_match", "none_match")
        ]
    if kind == "integers":
        found += [("TRY(CAST(json_parse({}) AS bigint))", ["varchar"]), ("regexp_count({}, '[a-c]')", ["varchar"])]
        found += [("cardinality(filter(split({}, 'a'), x -> length(x) > {}))", ["varchar", "integers"])]
    if kind == "timestamp":
        found += [
            ("TRY(CAST(at_timezone(from_unixtime({}, 'UTC'), nullif({}, '')) AS timestamp))", ["integers", "varchar"])
        ]
    if kind == "double":
        found += [("to_unixtime(with_timezone({}, {}))", ["timestamp", "varchar"])]
        found += [("TRY(CAST(json_parse({}) AS double))", ["varchar"])]
    if kind == "varchar":
        found += [
            ("regexp_extract({}, '^([a-z]*)', 1)", ["varchar"]),
            ("array_join(slice(ARRAY[{}, {}], 1, 1), ',')", ["varchar"] * 2),
        ]
        found += [("({} || {})", ["varchar", "varchar"])]
        found += [("regexp_replace({}, '[0-9a]+', '#')", ["varchar"]), ("replace({}, 'a', {})", ["varchar", "varchar"])]
        found += [("substr({}, 2, 3)", ["varchar"]), ("TRY(json_format(json_parse({})))", ["varchar"])]
        found += [("array_join(transform(split({}, 'b'), x -> x || {}), '|')", ["varchar", "varchar"])]
    for name, signatures in functions._SCALARS.items():
        for wanted, result, _ in signatures:
            gives = wanted[0] if result is None else "integers" if result.is_integer else result.name
            if gives == kind or (gives == "numbers" and kind in _NUMBERS):
                found.append((_call(name, len(wanted)), [_kind(one) for one in wanted]))
    for name, (count, _) in functions._FORMS.items():
        kinds, gives = _FORMS.get(name, ((kind,) * (count or 2), kind))
        if gives == kind:
            found.append((_call(name, len(kinds)), list(kinds)))
    return found


def _kind(name: str) -> str:
    return name if name in KINDS or name == "numbers" else "any"


def _call(name: str, count: int) -> str:
    return f"{name}({', '.join(['{}'] * count)})"


# Queries


@st.composite
def _queries(draw: st.DrawFn, table: str) -> Expression:
    def some(kind: str | None = None) -> Expression:
        return draw(_of_kind(kind or draw(st.sampled_from(KINDS)), 1))

    shape = draw(st.sampled_from([_plain, _grouped, _windowed, _joined]))
    return Expression(str(shape(draw, some, table)).replace("{", "{{").replace("}", "}}"))


def _plain(draw: st.DrawFn, some: Any, table: str) -> str:
    columns = [str(some()) for _ in range(draw(st.integers(1, 3)))]
    distinct = draw(st.sampled_from(["", "DISTINCT "]))
    return f"SELECT {distinct}{', '.join(columns)} FROM {table} WHERE {some('boolean')}{_order(draw, len(columns))}"


def _grouped(draw: st.DrawFn, some: Any, table: str) -> str:
    keys = [str(some()) for _ in range(draw(st.integers(0, 2)))]
    values = [_aggregate(draw, some) for _ in range(draw(st.integers(1, 2)))]
    grouping = f" GROUP BY {', '.join(keys)}" if keys else ""
    having = draw(st.sampled_from(["", "", " HAVING count(*) > 1", " HAVING min(n) < 6"]))
    columns = [*keys, *values]
    return f"SELECT {', '.join(columns)} FROM {table}{grouping}{having}{_order(draw, len(columns))}"


def _windowed(draw: st.DrawFn, some: Any, table: str) -> str:
    rankings = [f"{name}()" for name, arguments in aggregates.WINDOW_FUNCTIONS.items() if arguments == 0]
    call = draw(st.sampled_from(rankings)) if draw(st.booleans()) else _aggregate(draw, some)
    parts = f"PARTITION BY {some()} " if draw(st.booleans()) else ""
    direction = draw(st.sampled_from(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]))
    return f"SELECT n, {call} OVER ({parts}ORDER BY {some()}{direction}, n) FROM {table}"


def _joined(draw: st.DrawFn, some: Any, table: str) -> str:
    side = draw(st.sampled_from(["INNER", "LEFT"]))
    kind = draw(st.sampled_from(KINDS))
    ours, theirs = (draw(st.sampled_from(_COLUMNS[kind])) for _ in range(2))
    sign = draw(st.sampled_from(["=", "<", ">="]))
    where = draw(st.sampled_from(["", " WHERE b.flag", " WHERE a.d > 0", " WHERE b.n IS NULL OR b.s <> 'a'"]))
    return f"SELECT a.n, b.n FROM {table} AS a {side} JOIN {table} AS b ON a.{ours} {sign} b.{theirs}{where}"


def _aggregate(draw: st.DrawFn, some: Any) -> str:
    name = draw(st.sampled_from(sorted(aggregates.AGGREGATES)))
    kind = "boolean" if name in ("bool_and", "bool_or", "every", "count_if") else None
    if name in ("sum", "avg"):
        kind = draw(st.sampled_from(_NUMBERS))
    distinct = draw(st.sampled_from(["", "", "DISTINCT "]))
    value = some(kind)
    order = f" ORDER BY {value}" if name == "array_agg" else ""
    return f"{name}({distinct}{value}{order})"


def _order(draw: st.DrawFn, count: int) -> str:
    if not draw(st.booleans()):
        return ""
    keys = (f"{place}{draw(st.sampled_from(['', ' DESC', ' NULLS FIRST']))}" for place in range(1, count + 1))
    return f" ORDER BY {', '.join(keys)}"
