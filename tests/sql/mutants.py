"""Makes small changes to each quality rule's SQL, and checks whether a case of test_rules.py fails.

    PYTHONPATH=plugins python -m tests.sql.mutants [check ...]

In the environment of the local AWS, in one process, which changes no file. A case notices a change when it finds other
faults, or another number of things checked. Changes that the local Athena refuses are counted by themselves: they prove
nothing. See tests/README.md for what the last run found.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from localaws.testing.sql import QueryError, rows
from smart_hub.core.quality import QualityCheck, read_checks
from tests.sql.test_rules import CASES, SQL, VALUES, faults, source_of

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
SWAPS = {exp.And: exp.Or, exp.Or: exp.And, exp.Add: exp.Sub, exp.Sub: exp.Add, exp.Mul: exp.Div, exp.Div: exp.Mul}


def changed(part: exp.Expr) -> Iterator[exp.Expr | None]:
    """The replacements of a part; None deletes it."""
    kind = type(part)
    if kind in COMPARISONS:
        yield from (other(this=part.this, expression=part.expression) for other in COMPARISONS if other is not kind)
    elif kind in SWAPS:
        yield SWAPS[kind](this=part.this, expression=part.expression)
    if kind in SWAPS or kind is exp.DPipe:
        yield from (part.this, part.expression)
    elif kind is exp.Not:
        yield part.this
    elif kind is exp.Is:
        yield exp.Not(this=part.copy())
    elif kind is exp.Column:
        null = exp.Nullif(this=part.copy(), expression=part.copy())  # of its type
        yield exp.alias_(null, part.name) if isinstance(part.parent, exp.Select) else null
    elif kind is exp.Literal and not part.is_string:
        yield from (exp.Literal.number(int(part.this) + by) for by in (1, -1))
    elif kind is exp.Literal and part.this and "__" not in part.this:
        yield from (exp.Literal.string(text) for text in dict.fromkeys((part.this[1:], part.this[:-1])))
    elif kind is exp.Min:
        yield exp.Max(this=part.this)
    elif kind is exp.Join:
        yield exp.Join(**{**part.args, "side": None if part.args.get("side") else "LEFT", "kind": None})
    elif kind in (exp.Where, exp.Distinct):
        yield None
    elif isinstance(part, exp.Func) and isinstance(part.this, exp.Condition) and kind is not exp.If:
        yield part.this


def parsed(template: str) -> exp.Expr:
    return sqlglot.parse_one(re.sub(r"\$\{(\w+)\}", r"__\1__", template), read="athena")


def written(tree: exp.Expr) -> str:
    return re.sub(r"__(\w+?)__", r"${\1}", tree.sql("athena"))


def mutants(template: str) -> Iterator[tuple[str, str]]:
    """The template with one change each: the change in words, and the text."""
    tree = parsed(template)
    for index, part in enumerate(tree.walk()):
        for new in changed(part):
            mutant = tree.copy()
            next(one for at, one in enumerate(mutant.walk()) if at == index).replace(new and new.copy())
            yield f"{part.sql('athena')} -> {new.sql('athena') if new else 'nothing'}", written(mutant)


def outcome(check: QualityCheck, text: str) -> str:
    """The result of the cases of a check's rules with another text: refused, noticed or not noticed."""
    mutant = QualityCheck(check.name, check.rules, text)
    for rule in check.rules:
        for case in CASES[rule.name]:
            try:
                found = rows(faults(mutant, rule.name, {**VALUES, **case.values}), source_of(case.given))
            except QueryError:
                return "refused"
            if sorted(fault for (fault,) in found if fault is not None) != case.faults:
                return "noticed"
            if case.checked not in (None, len(found)):
                return "noticed"
    return "not noticed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks = {check.name: check for check in read_checks(SQL)}
    parser.add_argument("checks", nargs="*", metavar="check", help="names of files (all)")
    names = parser.parse_args().checks or list(checks)
    if unknown := sorted(set(names) - set(checks)):
        parser.error(f"there is no include/sql/quality/{unknown[0]}.sql")
    total: Counter[str] = Counter()
    for check in [checks[name] for name in names]:
        if outcome(check, written(parsed(check.text))) != "not noticed":
            raise RuntimeError(f"{check.name}: its cases fail without a change")
        outcomes = [(change, outcome(check, text)) for change, text in mutants(check.text)]
        counts = Counter(found for _, found in outcomes)
        print(f"{check.name}: {dict(counts)}", flush=True)
        for change, found in outcomes:
            if found == "not noticed":
                print(f"  {change}")
        total += counts
    print(f"rules: {total.total()} changes: {dict(total)}")


if __name__ == "__main__":
    main()
