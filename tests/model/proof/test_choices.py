"""A case assumes nothing that would leave the kernel without a choice in some state: rules with one such assumption
too many, which every invariant lets through.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import z3
from support.mutants import Change, not_proved, quick, seen, then  # noqa: F401 - quick is a fixture

from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.mach.results.verdicts import Verdict
from sendright.model import language
from sendright.model.language.choices import choose_oldest
from sendright.model.language.rule import RULES, TAKE, Context
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import After
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.choices import CHOICES
from sendright.model.proof.obligations import ProofTask, decide
from sendright.model.proof.prove import proof_tasks

ALLOCATE, PORT = "mach_port_allocate", "a receive right with a new port"
VM_ALLOCATE, PAGE = "vm_allocate", "a page of the kernel's choice"
RECEIVE, MEMBER = "mach_msg_receive", "from a member of the port set"
OLDEST = "the oldest message"
DEALLOCATE, NOTIFIES = "mach_port_deallocate", "the send-once right becomes a notification"

Assumed = Callable[[Context], Term]


def also(title: str, assumed: Assumed) -> Change:
    return then(title, lambda k, after: after.assumptions.append(assumed(k)))


def new(k: Context) -> Term:
    return k["new_port"]


WRONG: dict[str, tuple[str, str, Assumed]] = {
    "of the state": (ALLOCATE, PORT, lambda k: k.before.srights(k.sorts.no_port) < 5),
    "of an argument": (ALLOCATE, PORT, lambda k: k.sends(k["task"]) == (k.caller != k.task_behind(k["task"]))),
    "nothing at all": (ALLOCATE, PORT, lambda k: z3.BoolVal(False)),
    "a new port that is in use": (ALLOCATE, PORT, lambda k: k.before.active(new(k))),
    "NULL as a new name, or few rights": (
        ALLOCATE,
        PORT,
        lambda k: z3.Or(k["new_name"] == k.sorts.null, k.before.srights(k.sorts.no_port) < 5),
    ),
    "a new port beside a condition on the state": (ALLOCATE, PORT, lambda k: z3.And(new(k) != k.sorts.no_port, k.before.clock() < 40)),
    "a page that need not be free": (VM_ALLOCATE, PAGE, lambda k: k["new_page"] == 0),
    "a member that need not exist": (RECEIVE, MEMBER, lambda k: k.before.msgcount(k["source"]) > 1),
    "the oldest message, and it is small": (TAKE, OLDEST, lambda k: k.before.size(k["oldest"]) < 1000),
    "a ghost": (DEALLOCATE, NOTIFIES, lambda k: k.before.sending_slots(k.sorts.no_port) == 1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_assumption_too_many(wrong: str) -> None:
    rule, title, assumed = WRONG[wrong]
    assert seen(rule, title, (CHOICES,), also(title, assumed)) == {CHOICES}


def test_a_message_that_is_the_oldest_of_two_queues() -> None:
    """Each is argued, but not both."""

    def another(k: Context, after: After) -> None:
        other = z3.Const("another_port", k.sorts.Port)
        choose_oldest(after, k["oldest"], other)

    assert seen(TAKE, OLDEST, (CHOICES,), then(OLDEST, another)) == {CHOICES}


def test_the_oldest_message_of_a_queue_that_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RULES[TAKE]
    monkeypatch.setitem(RULES, TAKE, replace(original, requires=lambda k: original.requires(k)[:-1]))
    cases = [case.title for case in original.cases(Context(original, ANY_STATE, PROFILES["manual"]))]
    assert not_proved(decide("manual", ProofTask("case", TAKE, cases.index(OLDEST), (CHOICES,)))) == {CHOICES}


@pytest.mark.parametrize("rule", [ALLOCATE, RECEIVE, "task_create"])
def test_a_first_rule_may_require_nothing(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule before it would establish it. So everything could be proved of few states."""
    assert not_proved(decide("manual", ProofTask("sequence", rule))) == set()
    monkeypatch.setitem(RULES, rule, replace(RULES[rule], requires=lambda k: [k.before.kind(k.slot(k.sorts.dead)) == KIND.SEND]))
    assert not_proved(decide("manual", ProofTask("sequence", rule))) == {"sequence"}


def test_only_argued_choices_go_without_a_proof() -> None:
    """``After.assume_argued`` is called where the reasons stand, and nowhere else."""
    package = Path(language.__file__).parent.parent
    callers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(isinstance(node, ast.Attribute) and node.attr == "assume_argued" for node in ast.walk(ast.parse(path.read_text())))
    }
    assert callers == {"language/choices.py", "language/release.py"}


@pytest.mark.heavy
@pytest.mark.parametrize("rule", ["mach_msg_send: deliver", "mach_msg_receive: resumed", "mach_port_allocate"])
def test_a_rule_that_is_left_out_is_not_needed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is left out isn't proved. So it has to resume calls, and no task may wait for it."""
    call = rule.partition(":")[0]
    monkeypatch.setitem(RULES, rule, replace(RULES[rule], applies=lambda profile: False))
    asked = any(task.rule == rule for task in proof_tasks(MANUAL, [call]))
    assert asked or not_proved(decide("manual", ProofTask("sequence", call))) == {"sequence"}


def test_a_creation_in_one_step_has_no_rest() -> None:
    [unused] = [one for one in decide("manual", ProofTask("sequence", "host_security_create_task_token")) if "isn't used" in one.case]
    assert unused.verdict is Verdict.PROVED
