"""Theorem 4: a rule by which a caller can tell two states apart that look the same to it is refuted, with both
states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import msgspec
import pytest
import z3
from support.mutants import Change, mutant, not_proved, telling, then

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.invariants.consistency import APPLIES
from sendright.model.language.actions import put_if
from sendright.model.language.invariant import Variables
from sendright.model.language.release import release
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import KIND, UNBOUNDED, Term
from sendright.model.language.state import After, sort_named
from sendright.model.proof import obligations
from sendright.model.proof.alike import TwoStates
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.counterexamples.counterexample import Nothing, Question, Search, mentioned
from sendright.model.proof.obligations import ProofTask, decide
from sendright.reports.counterexample import lines
from sendright.reports.html import page
from sendright.reports.rerun import Rerun

THEOREM = {"theorem 4", "well formed"}
"""What is not proved of a rule that looks at a constant which is none of its inputs."""


def some(sort: str) -> Term:
    return z3.Const("some", sort_named(UNBOUNDED, sort))


def looking(title: str, at: Callable[[Context], Term]) -> Change:
    """The case ``title`` applies only if also this is so."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        yield replace(case, when=z3.And(case.when, at(k))) if case.title == title else case

    return change


class _Told(NamedTuple):
    apart: str
    hidden: str
    obligation: Obligation


def refuted(rule: str, *changes: Change) -> _Told:
    """Two states that look the same to a caller, and in which the wrong rule doesn't: what its caller can tell apart,
    and what differs where the caller doesn't see it. The rule itself is proved.
    """
    part = ProofTask("rule", rule, 0, ("T4",))
    assert not_proved(decide("manual", part)) == set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, rule, mutant(rule, *changes))
        [one] = [one for one in decide("manual", part) if one.verdict is not Verdict.PROVED and one.property != "well formed"]
    assert (one.property, one.verdict) == ("theorem 4", Verdict.REFUTED), one.scope
    assert one.example is not None
    second = one.example.second
    assert second is not None
    assert second.trace.steps[0].call == one.example.trace.steps[0].call == rule
    assert second.told_apart
    assert all(differs.first != differs.second for differs in (*second.told_apart, *second.hidden))
    return _Told("; ".join(map(str, second.told_apart)), "; ".join(map(str, second.hidden)), one)


def others(k: Context, name: str = "name") -> Term:
    """The slot of the name in the space of some other task."""
    return k.slot(k[name], some("Task"))


@pytest.mark.heavy
def test_an_answer_that_depends_on_what_the_caller_does_not_see() -> None:
    """Output consistency: which case applies."""
    told = refuted("vm_deallocate", looking("the page is not allocated", lambda k: k.before.clock() > 7))
    assert told.apart.startswith("the call's answer: KERN_INVALID_ADDRESS: the page is not allocated in the first state, KERN_SUCCESS")
    assert told.hidden.startswith("the next arrival number: ")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("rule", "title", "at", "hidden"),
    [
        ("task_suspend", "task is not a task's port", lambda k: k.before.suspend_count(some("Task")) == 0, "suspend count"),
        ("mach_port_set_seqno", "the name denotes nothing", lambda k: k.before.empty(others(k)), "kind"),
    ],
)
def test_more_answers_that_depend_on_other_tasks(rule: str, title: str, at: Callable[[Context], Term], hidden: str) -> None:
    assert hidden in refuted(rule, looking(title, at)).hidden


@pytest.mark.heavy
def test_what_a_page_contains_afterwards_depends_on_another_tasks_memory() -> None:
    """Step consistency; and what the reports say."""
    secret = then("the page is written", lambda k, after: after.store("content", (here(k),), k.before.content(some("Object"))))
    told = refuted("vm_write", secret)
    assert "what the object contains" in told.apart
    assert "what the object contains" in told.hidden
    assert told.obligation.example is not None
    words = list(lines(told.obligation.example))
    assert words[1].startswith("Both states look the same to t0. After vm_write it doesn't: memory object")
    decoded = msgspec.json.decode(msgspec.json.encode(told.obligation), type=Obligation)
    assert decoded.example == told.obligation.example, "--json prints it"
    report = page(ProofResult(verdict=Verdict.REFUTED, profile="manual", solver="", obligations=(told.obligation,), seconds=0.0), Rerun())
    assert "Both states look the same to t0." in report
    assert report.count("<svg") == 4, "both states, before and after"


@pytest.mark.heavy
def test_a_result_that_depends_on_another_tasks_memory() -> None:
    told = refuted("vm_read", telling("the page's contents", value=lambda k: k.before.content(some("Object"))))
    assert told.apart.startswith("the result value: ")


@pytest.mark.heavy
def test_a_name_that_a_secret_chooses() -> None:
    def by_secret(k: Context) -> Term:
        return z3.If(k.before.suspend_count(some("Task")) > 3, k.sorts.null, k["new_name"])

    assert refuted("mach_port_allocate", telling("a receive right with a new port", name=by_secret)).apart.startswith("the result name: ")


@pytest.mark.heavy
def test_a_count_that_is_revealed() -> None:
    """Send-once rights are counted for the receiver only."""
    told = refuted("mach_port_type", telling("the kind of the entry", ptype=lambda k: k.before.sorights(k.before.port(k.slot(k["name"])))))
    assert told.apart.startswith("the result ptype: ")


@pytest.mark.heavy
def test_a_child_with_a_strangers_token() -> None:
    foreign = then("a child like its parent", lambda k, after: after.store("security", (k["child"],), k.before.security(some("Task"))))
    told = refuted("task_create", foreign)
    assert "its security token" in told.apart
    assert "its security token" in told.hidden


@pytest.mark.heavy
def test_a_release_that_leaves_a_trace_of_another_task() -> None:
    def trace(k: Context, after: After) -> None:
        after.store("urefs", (k.slot(k["name"]),), k.before.suspend_count(some("Task")))

    told = refuted("mach_port_mod_refs", then("the receive right goes, and its port dies", trace))
    assert "user references" in told.apart
    assert "suspend count" in told.hidden


def test_a_result_that_depends_on_another_tasks_memory_is_not_proved() -> None:
    assert not_proved_with("vm_read", telling("the page's contents", value=lambda k: k.before.content(some("Object")))) == THEOREM


@pytest.mark.heavy
def test_which_ports_die_depends_on_another_task() -> None:
    def secretly(k: Context, after: After) -> None:
        release(after, lambda slot: z3.BoolVal(False), lambda port: z3.And(port == some("Port"), k.before.suspend_count(some("Task")) > 3))

    assert not_proved_with("mach_port_get_refs", then("the user references", secretly)) == THEOREM


@pytest.mark.heavy
def test_whether_a_right_is_held_depends_on_another_task() -> None:
    """The condition of a store, not only its value."""

    def only_if(k: Context, after: After) -> None:
        put_if(after, k.before.suspend_count(some("Task")) > 3, k.slot(k["name"]), KIND.DEAD_NAME, k.sorts.no_port)

    assert not_proved_with("mach_port_get_refs", then("the user references", only_if)) == THEOREM


def not_proved_with(rule: str, *changes: Change) -> set[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RULES, rule, mutant(rule, *changes))
        patch.setattr(obligations, "looked_closer", lambda profile, unproved, question, known=None: unproved)
        return not_proved(decide("manual", ProofTask("rule", rule, 0, ("T4",))))


def here(k: Context) -> Term:
    return k.before.mapped(k.task_behind(k["task"]), k["address"])


DIES = "the receive right goes, and its port dies"


@pytest.fixture
def whether_it_applies() -> Question:
    """The question whether the case of mach_port_mod_refs in which a port dies applies to two states that look the
    same, whatever differs in them. It does.
    """
    k = Context(RULES["mach_port_mod_refs"], ANY_STATE, MANUAL)
    two = TwoStates(k, Variables(UNBOUNDED))
    [case] = [case.id for case in two.twins.cases if case.title == DIES]
    return list(two.questions(f"{case}: {APPLIES}", []))[-1]


def test_whether_a_case_applies_is_no_question_of_what_the_kernel_would_choose(whether_it_applies: Question) -> None:
    [(_, goal)] = whether_it_applies.goals
    choices = {declaration.name() for release_ in whether_it_applies.releases for declaration in release_.chosen}
    assert choices
    assert not choices & {term.decl().name() for term in mentioned([goal])}


@pytest.mark.heavy
def test_two_states_to_which_the_same_case_applies_are_no_counterexample(whether_it_applies: Question) -> None:
    """What the kernel chooses in the first state need not be possible in the second one."""
    assert isinstance(Search(MANUAL, whether_it_applies).search(), Nothing)
