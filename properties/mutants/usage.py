"""What the functions of the specification are used for: in which rules they have a part, and what their names denote.

Every function is run once for each rule and profile, with code that reports its names when it ends.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import z3

from sendright.mach.kernel.profiles import PROFILES, profile_named
from sendright.properties.mutants.meaning import meaning_of, served_rules
from sendright.properties.mutants.source import Unit, compiled, rule_modules, running, units_of

Place = tuple[str, str]
"""A function: its module, and its qualified name."""


LOOKS = 5
"""How often a function's names are looked at before they are known."""


class Usage:
    """What was seen."""

    def __init__(self) -> None:
        self.rule = ""
        """The rule that is being built."""
        self.rules: dict[Place, dict[str, None]] = defaultdict(dict)
        """The rules in which a function has a part."""
        self.sorts: dict[Place, dict[str, str]] = defaultdict(dict)
        """The sorts of what its names denote; "" if that isn't a term, or varies."""
        self.looked_at: Counter[Place] = Counter()

    def ended(self, place: Place, names: dict[str, Any]) -> None:
        """A function ends, and has these names."""
        self.rules[place][self.rule] = None
        known, often = self.sorts[place], self.looked_at[place] >= LOOKS
        self.looked_at[place] += 1
        for name, value in names.items():
            if often and name in known:
                continue
            sort = value.sort().name() if isinstance(value, z3.ExprRef) else ""
            if known.setdefault(name, sort) != sort:
                known[name] = ""


_seeing: list[Usage] = []


def report(module: str, name: str, names: dict[str, Any]) -> None:
    """Reporting functions call this when they end."""
    _seeing[-1].ended((module, name), names)


def _reporting(unit: Unit) -> ast.FunctionDef:
    """The function, and those in it, with a report at the end."""

    def wrap(node: ast.FunctionDef, name: str) -> None:
        for inner in _inner(node):
            wrap(inner, f"{name}.<locals>.{inner.name}")
        call = f'__import__({__name__!r}, fromlist=["usage"]).report({unit.module!r}, {name!r}, locals())'
        node.body = [ast.Try(node.body, [], [], ast.parse(call).body)]

    node = copy.deepcopy(unit.node())
    wrap(node, unit.qualname)
    return node


def _inner(node: ast.AST) -> list[ast.FunctionDef]:
    """The functions in ``node``, but not those in them."""
    found: list[ast.FunctionDef] = []
    for child in ast.iter_child_nodes(node):
        found += [child] if isinstance(child, ast.FunctionDef) else _inner(child)
    return found


def usage_in(rules: Mapping[str, Sequence[str]]) -> Usage:
    """What the functions are used for in these rules, by the profiles that have them."""
    _seeing.append(Usage())
    with ExitStack() as stack:
        for module in rule_modules():
            for unit in units_of(module):
                stack.enter_context(running(compiled(unit, _reporting(unit)), unit))
        for profile, names in rules.items():
            for rule in names:
                _seeing[-1].rule = rule
                meaning_of(rule, profile_named(profile))
    return _seeing.pop()


@cache
def usage() -> Usage:
    """What the functions are used for, in all profiles."""
    return usage_in({name: served_rules(profile) for name, profile in PROFILES.items()})
