"""Theorem 4: mutants that reach a task otherwise than through a legal channel, and calls that look where their caller can't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3
from support.mutants import Change, mutant, not_proved, quick, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.kernel.profiles import MANUAL
from sendright.model.invariants import sight
from sendright.model.language.rule import DELIVER, RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED, Term
from sendright.model.language.state import FIELDS, After, sort_named
from sendright.model.proof.any_state import ANY_STATE, ANYTHING
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


def looking(title: str, at: Callable[[Context], Term]) -> Change:
    """The case ``title`` applies only if also this is so."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.And(case.when, at(k))) if case.title == title else case

    return change


def not_consistent(rule: str, *changes: Change) -> set[str]:
    part = ProofTask("rule", rule, 0, ("T4",))
    assert not_proved(decide("manual", part)) == set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, rule, mutant(rule, *changes))
        return not_proved(decide("manual", part))


@pytest.mark.parametrize(
    ("rule", "title", "at"),
    [
        pytest.param("task_suspend", "task is not a task's port", lambda k: k.before.suspend_count(some("Task")) == 0, marks=pytest.mark.heavy),
        pytest.param(
            "mach_port_set_seqno", "the name denotes nothing", lambda k: k.before.empty(k.slot(k["name"], some("Task"))), marks=pytest.mark.heavy
        ),
        ("vm_deallocate", "the page is not allocated", lambda k: k.before.clock() > 7),
    ],
)
def test_an_answer_that_depends_on_what_the_caller_does_not_see(rule: str, title: str, at: Callable[[Context], Term]) -> None:
    """Output consistency."""
    assert not_consistent(rule, looking(title, at)) == THEOREM


def test_a_result_and_an_effect_that_depend_on_others() -> None:
    """Step consistency: what the caller's page contains afterwards."""
    secret = then("the page is written", lambda k, after: after.store("content", (here(k),), k.before.content(some("Object"))))
    assert not_consistent("vm_write", secret) == THEOREM


def here(k: Context) -> Term:
    return k.before.mapped(k.task_behind(k["task"]), k["address"])


@pytest.mark.heavy
def test_where_step_consistency_is_not_decided() -> None:
    """It is said by ``steps_are_compared``: where ports die, and where exception ports are set."""
    left: set[str] = set()
    for name, rule in RULES.items():
        if MANUAL.serves(name.partition(":")[0]) and not rule.pending:
            k = Context(rule, ANY_STATE, MANUAL)
            for case in rule.cases(k):
                after = After(ANY_STATE, MANUAL)
                case.effect(after)
                if not noninterference.steps_are_compared(k, after) and case.code in (None, ReturnCode.KERN_SUCCESS):
                    left.add(name)
    assert {"task_terminate", "the message is destroyed", "task_set_exception_ports", "task_create"} <= left
    assert not left & {"mach_msg_send", "copy in a right", "copy out a right", "mach_port_insert_right", "vm_write"}
    assert ANYTHING.sorts is UNBOUNDED
