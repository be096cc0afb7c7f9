"""Theorem 4: mutants that reach a task otherwise than through a legal channel, and calls that look where their caller
can't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3
from support.mutants import mutant, not_proved, quick, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.kernel.profiles import XNU
from sendright.model.invariants import sight
from sendright.model.language.rule import DELIVER, LOOK_AT_NAME, LOOK_AT_RIGHT, RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED, Term
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.proof.obligations import ProofTask, decide

THEOREM = {"theorem 4"}


def some(sort: str) -> Term:
    return z3.Const("some", sort_named(UNBOUNDED, sort))


def test_every_field_is_seen_somewhere_or_nowhere() -> None:
    assert sight.SEEN.keys() == {name for name, field in FIELDS.items() if not field.ghost}


@pytest.mark.parametrize(
    ("rule", "title", "more"),
    [
        ("vm_write", "the page is written", lambda k, after: after.store("security", (some("Task"),), k.before.security(k.caller))),
        ("vm_write", "the page is written", lambda k, after: after.store("content", (k.before.mapped(some("Task"), k["address"]),), k["value"])),
        ("mach_port_set_attributes", "the queue limit is set", lambda k, after: after.store("seqno", (some("Port"),), z3.IntVal(0))),
        (DELIVER, "the message is queued", lambda k, after: after.store("data", (some("Message"),), k.before.data(k["message"]))),
        ("task_info", "the security token", lambda k, after: after.store("kind", (some("Slot"),), KIND.NONE)),
        ("ledger_transfer", "the child has more", lambda k, after: after.add("ledger_limit", some("Port"), 1)),
    ],
)
def test_a_step_that_reaches_others(rule: str, title: str, more: Callable[[Context, After], None]) -> None:
    """Local respect."""
    assert seen(rule, title, ("T4",), then(title, more)) == THEOREM  # type: ignore[arg-type]


@pytest.mark.parametrize(("rule", "argument"), [(LOOK_AT_RIGHT, "second"), (LOOK_AT_NAME, "name")])
def test_a_look_that_depends_on_a_queue_of_others(rule: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the request of a call that may be a trap looks at what its names lead to."""

    def if_its_queue_is_empty(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.And(case.when, k.before.msgcount(k.before.port(k.slot(k[argument]))) == 0))

    part = ProofTask("rule", rule, 0, ("T4",))
    assert not_proved(decide(XNU.name, part)) == set()
    monkeypatch.setitem(RULES, rule, mutant(rule, if_its_queue_is_empty))
    assert not_proved(decide(XNU.name, part)) >= THEOREM
