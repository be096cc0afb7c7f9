"""Rules and invariants stated over a small scope, where ``small_scope.py`` has no formula to translate: whether a case
is possible (``possible.py``), and which edges a policy lacks (``policy.py``).
"""

from __future__ import annotations

import re
from typing import Any

import z3

from sendright.mach.abi.rights import SlotKind
from sendright.model.language.rule import Context
from sendright.model.language.sorts import STAGE, Scope, Sorts, Term
from sendright.model.language.state import State

SCOPE = Scope(tasks=2, ports=5, names=2, messages=2, descriptors=1, objects=2, pages=1)
SCOPES = (Scope(tasks=1, ports=3, names=2, messages=1, descriptors=1, objects=1, pages=1), SCOPE)
"""The scopes that are searched. Most of what is found is small, and is found sooner in small scopes."""

RLIMIT = 100_000_000
"""How much work the solver does for one look, in z3's own count: a minute or two, but the same on a machine that is
busy.
"""


def in_scope(k: Context, sorts: Sorts) -> list[Term]:
    """Arguments that are slots or indices are among those there are."""
    slots = list(sorts.elements(sorts.Slot))
    return [z3.Or(*[term == slot for slot in slots]) for term in k.constants.values() if z3.is_expr(term) and term.sort() == sorts.Slot]


def in_words(model: Any, k: Context, case: str, broken: list[str], before: State, after: State, sorts: Sorts) -> str:
    """The counterexample in words: the state, the call, its changes, and the clauses that are ``broken``."""

    def value(term: Term) -> str:
        return re.sub(r"!\d+|_slot", "", str(model.eval(term, model_completion=True)))

    lines = [f"before {k.rule.name}, {case}:"]
    lines += [f"  {line}" for line in _state_lines(before, sorts, value)]
    arguments = ", ".join(f"{name} = {value(term)}" for name, term in k.constants.items() if z3.is_expr(term))
    lines.append(f"{value(k.caller)} calls with {arguments or 'no arguments'}")
    was, now = dict(_slot_lines(before, sorts, value)), dict(_slot_lines(after, sorts, value))
    lines += [
        f"  {slot}: {was.get(slot, 'nothing')} becomes {now.get(slot, 'nothing')}" for slot in sorted(was | now) if was.get(slot) != now.get(slot)
    ]
    port_was, port_now = dict(_port_lines(before, sorts, value)), dict(_port_lines(after, sorts, value))
    lines += [f"  {port}: {port_was[port]} becomes {port_now[port]}" for port in port_was if port_was[port] != port_now[port]]
    return "\n".join([*lines, f"then this is broken: {'; '.join(broken) or 'the property'}"])


def _slot_lines(state: State, sorts: Sorts, value: Any) -> list[tuple[str, str]]:
    lines = []
    for slot in sorts.elements(sorts.Slot):
        kind = value(state.kind(slot))
        if kind != SlotKind.NONE.name:
            where = value(slot)
            lines.append((where, f"{kind} {value(state.port(slot))} with {value(state.urefs(slot))} references"))
    return lines


def _port_lines(state: State, sorts: Sorts, value: Any) -> list[tuple[str, str]]:
    fields = ("port_life", "object", "mscount", "srights", "sorights", "msgcount")
    return [(value(port), ", ".join(f"{name} {value(state.fields[name](port))}" for name in fields)) for port in sorts.members["Port"][1:]]


def _state_lines(state: State, sorts: Sorts, value: Any) -> list[str]:
    lines = [
        f"{value(task)}: {value(state.task_life(task))}, port {value(state.task_port(task))}, tokens {value(state.security(task))}"
        for task in sorts.elements(sorts.Task)
    ]
    lines += [f"{port}: {what}" for port, what in _port_lines(state, sorts, value)]
    lines += [f"{where}: {what}" for where, what in _slot_lines(state, sorts, value)]
    for message in sorts.elements(sorts.Message):
        if value(state.stage(message)) != str(STAGE.FREE):
            lines.append(f"{value(message)}: {value(state.stage(message))} on {value(state.queue(message))}")
    return lines
