"""Rules of audits that a plugin adds."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sendright.mach.extensions import PluginError
from sendright.plugins.changes import Changes
from sendright.plugins.guarded import guarded_generator
from sendright.plugins.plugin import Declared, Plugin, shown


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a rule, where the packages are that audits need. (Where they aren't, no audit runs.)"""
    if find_spec("duckdb") is None or find_spec("numpy") is None:
        return
    from sendright.properties.audit.audit import RULES
    from sendright.properties.audit.rules.rule import Rule
    from sendright.properties.audit.tables import NUMBERS

    tables = set(NUMBERS)
    needs, invariants = one.options["needs"], one.options["invariants"]
    if not needs or any(table not in tables for table in needs):
        raise PluginError(f"needs must name tables that it reads: choose from {', '.join(sorted(tables))}")
    if any(not isinstance(number, int) for number in invariants):
        raise PluginError("invariants must be numbers")
    about = shown(" ".join((one.value.__doc__ or "").split()), "its docstring")
    if not about:
        raise PluginError("has no docstring, which must state it in words")
    find = guarded_generator(plugin.name, one.words, one.value, _check)
    rule = Rule(name=one.name, invariants=invariants, title=one.options["title"], about=about, needs=needs, find=find)
    changes.put(RULES, one.name, rule, one.words)
    changes.adds.append(one.words)


def _check(found: Any) -> None:
    from sendright.properties.audit.rules.rule import Suspect

    if not isinstance(found, Suspect):
        raise PluginError(f"yields {type(found).__name__}, not a Suspect")
