"""Counterexamples: small states, in words, of every kind of property; and runs from boot that break the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest
import z3
from support.mutants import instead, mutant, then, without

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import CALL_GOES_ON, ReturnCode
from sendright.mach.abi.rights import PortObject, SlotKind
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Obligation
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import slots
from sendright.model.execution import system
from sendright.model.language.actions import clear, put
from sendright.model.language.invariant import INVARIANTS, Invariant, Variables, forall, named
from sendright.model.language.release import Release
from sendright.model.language.rule import COPY_IN, RULES, TAKE, Case, Context
from sendright.model.language.sorts import KIND, LIFE, OBJECT, UNBOUNDED, Scope, Term
from sendright.model.language.state import After, State
from sendright.model.proof.counterexamples.counterexample import Nothing, Question, search
from sendright.model.proof.counterexamples.refute import expand, refute
from sendright.model.proof.counterexamples.small_scope import SmallScope
from sendright.model.proof.obligations import CaseProof, ProofTask, decide
from sendright.model.proof.properties import in_own_words, properties_of_case
from sendright.properties.coverage.reach import reach

DEALLOCATE, CREATE = "mach_port_deallocate", "host_security_create_task_token"
LAST = "MOVE_SEND takes the last reference"


def case_named(rule: str, title: str) -> int:
    cases = RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), MANUAL))
    return next(index for index, case in enumerate(cases) if case.title == title)


def refuted(part: ProofTask) -> list[tuple[Obligation, Counterexample]]:
    """What isn't proved: each must be refuted, with a counterexample."""
    left = [one for one in decide("manual", part) if one.verdict is not Verdict.PROVED]
    assert left
    for one in left:
        assert one.verdict is Verdict.REFUTED, f"{one.property}: {one.scope}"
        assert one.example is not None
    return [(one, one.example) for one in left if one.example is not None]


def keep_the_sent_right(k: Context, after: After) -> None:
    put(after, k["place"], KIND.SEND, k.before.port(k.slot(k["name"], k["space"])))


# ---- translation into a small scope


def test_a_formula_means_the_same_in_a_small_scope() -> None:
    here = SmallScope(Scope(tasks=2, ports=2, names=1, messages=1, places=()))
    state, v = State.arbitrary(UNBOUNDED), Variables(UNBOUNDED)
    all_alive = z3.ForAll([v.t], state.task_life(v.t) == LIFE.ALIVE)
    one_dead = z3.Exists([v.t], state.task_life(v.t) == LIFE.ENDED)
    reserved = UNBOUNDED.null == UNBOUNDED.dead
    held = z3.And(state.kind(UNBOUNDED.Slot.name_slot(v.t, v.n)) == KIND.SEND, UNBOUNDED.Slot.is_name_slot(v.s), UNBOUNDED.Slot.space(v.s) == v.t)

    def verdict(*formulas: Term) -> z3.CheckSatResult:
        solver = z3.Solver()
        solver.add([expand(here.term(formula), here.sorts) for formula in formulas])
        return solver.check()

    assert verdict(all_alive) == z3.sat
    assert verdict(all_alive, one_dead) == z3.unsat
    assert verdict(reserved) == z3.unsat
    assert verdict(held) == z3.sat
    assert here.term(held).sort() == z3.BoolSort()
    assert not here.term(v.t).eq(v.t)


# ---- small states, in words


@pytest.mark.heavy
def test_the_state_has_next_to_nothing_and_the_words_say_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, COPY_IN, mutant(COPY_IN, instead(LAST, keep_the_sent_right)))
    unit = CaseProof(RULES[COPY_IN], case_named(COPY_IN, LAST), MANUAL)
    [goals] = [one.goals for one in properties_of_case(unit.k, unit.case, unit.after, lambda number: number == 8) if one.name == "invariant 8"]
    outcome = refute(MANUAL, Question(unit.k, goals, unit.assumptions, unit.case, unit.after), in_own_words("invariant 8", MANUAL))
    example = outcome.example
    assert outcome.clause == "the count"
    assert example is not None
    assert pickle.loads(pickle.dumps(example)) == example, "worker processes send it"
    assert msgspec.json.decode(msgspec.json.encode(example), type=Counterexample).trace == example.trace, "--json prints it"
    before, [step] = example.trace.initial, example.trace.steps
    assert len(before.tasks) == 1
    assert len(before.ports) <= 3
    assert [entry.kind for entry in slots(before).values()] == [SlotKind.SEND]
    assert [change.before for change in example.changes] == ["nothing"]
    assert "how many slots hold a send right to it: 1 → 2" in "; ".join(map(str, example.there))
    assert example.sentence.startswith("The kernel's count of a port's send rights is the number of slots that hold one.")
    assert "t0 is the caller" in example.who[0]
    assert (step.task, step.code, step.arguments["disposition"]) == (0, CALL_GOES_ON, 17)
    assert [change.after.kind for change in step.changes] == [SlotKind.SEND]
    assert example.trace.urefs_max == MANUAL.urefs_max, "the kernel's own limits, if they don't matter"


def test_what_holds_has_no_counterexample() -> None:
    unit = CaseProof(RULES["mach_port_type"], 0, MANUAL)
    found = search(MANUAL, Question(unit.k, [("true", z3.BoolVal(True))], unit.assumptions, unit.case, unit.after))
    assert found == Nothing(str(found.scope) if isinstance(found, Nothing) else "", True)


def test_assumptions_that_contradict_each_other_show_nothing() -> None:
    unit = CaseProof(RULES["mach_port_type"], 0, MANUAL)
    found = search(MANUAL, Question(unit.k, [("false", z3.BoolVal(False))], [*unit.assumptions, z3.BoolVal(False)], unit.case, unit.after))
    assert isinstance(found, Nothing)
    assert not found.finished
    assert found.scope.endswith("too small for the case")


# ---- every property can be refuted

Change = Callable[[Context, Case], Iterator[Case]]


def only_for_itself(k: Context, case: Case) -> Iterator[Case]:
    if case.code is ReturnCode.KERN_SUCCESS:
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "not its own", k.task_behind(k["task"]) != k.caller)
    yield case


def peep(k: Context, case: Case) -> Iterator[Case]:
    if case.code is ReturnCode.KERN_SUCCESS:
        stranger = z3.Const("stranger", k.sorts.Task)
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "the name is used elsewhere", z3.Not(k.before.empty(k.slot(k["name"], stranger))))
    yield case


def draws_on_the_callers(k: Context, case: Case) -> Iterator[Case]:
    def effect(after: After) -> None:
        case.effect(after)
        after.at("wired")[k["child"]] = k.before.wired(k.caller)

    yield replace(case, effect=effect) if case.code is ReturnCode.KERN_SUCCESS else case


def leak(k: Context, after: After) -> None:
    security = z3.Const("security_port", k.sorts.Port)
    after.assumptions += [k.before.active(security), k.before.object(security) == OBJECT.of(PortObject.HOST_SECURITY)]
    put(after, k.slot(z3.Const("some_name", k.sorts.Name)), KIND.SEND, security, 1)


def clear_the_reply(k: Context, after: After) -> None:
    clear(after, k.sorts.Slot.reply_slot(k["message"]))


def lose_the_token(k: Context, after: After) -> None:
    after.at("security")[k["child"]] = k.before.security(k.task_behind(k["parent_task"]))


def vanish(k: Context, after: After) -> None:
    put(after, k.slot(k["name"], k.task_behind(k["task"])), KIND.NONE, k.sorts.no_port)


ONCE, HOST = "the send-once right becomes a notification", "a right to the host port"
GIVEN, COPY = "a child with the given tokens", "COPY_SEND copies the send right"
LARGE = "the message is too large, and is destroyed"
WRONG: list[tuple[str, Change, ProofTask]] = [
    (DEALLOCATE, lambda k, case: iter([] if "the receive right stays" in case.title else [case]), ProofTask("rule", DEALLOCATE)),
    ("task_terminate", only_for_itself, ProofTask("rule", "task_terminate", 0, (23,))),
    ("mach_port_type", peep, ProofTask("rule", "mach_port_type", 0, (26,))),
    (CREATE, draws_on_the_callers, ProofTask("theorem 1")),
    ("mach_host_self", then(HOST, leak), ProofTask("case", "mach_host_self", 0, (32, "T2"))),
    (CREATE, then(GIVEN, lose_the_token), ProofTask("case", CREATE, case_named(CREATE, GIVEN), (30, "T3"))),
    (DEALLOCATE, instead(ONCE, vanish), ProofTask("case", DEALLOCATE, case_named(DEALLOCATE, ONCE), (9,))),
    ("mach_port_extract_right", without(ReturnCode.KERN_INVALID_RIGHT), ProofTask("sequence", "mach_port_extract_right")),
    (COPY_IN, then(COPY, clear_the_reply), ProofTask("sequence", COPY_IN)),
    (TAKE, instead(LARGE, lambda k, after: None), ProofTask("sequence", TAKE)),
]


@pytest.mark.heavy
@pytest.mark.parametrize(("rule", "change", "part"), WRONG, ids=[f"{part.kind} {rule}" for rule, _, part in WRONG])
def test_every_property_can_be_refuted(monkeypatch: pytest.MonkeyPatch, rule: str, change: Change, part: ProofTask) -> None:
    monkeypatch.setitem(RULES, rule, mutant(rule, change))
    for _, example in refuted(part):
        assert len(example.trace.initial.tasks) <= 2
        assert len(example.trace.initial.ports) <= 6
        assert example.broken
        assert example.who


@pytest.mark.heavy
def test_counting_can_be_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that a dying port's queue holds aren't destroyed."""

    def kill(release: Release, after: After, b: State) -> None:
        after.sweep("port_life", "ports", lambda p: (release.dying(p), LIFE.ENDED))

    monkeypatch.setattr(Release, "_kill", kill)
    found = refuted(ProofTask("case", "task_terminate", case_named("task_terminate", "the task ends"), (2, 8)))
    assert {one.property for one, _ in found} == {"invariant 2", "counting"}


# ---- runs from boot


def sets_with_a_reference(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    slot = named(v)
    yield "a reference", forall([v.t, v.n], z3.Implies(s.kind(slot) == KIND.PORT_SET, s.urefs(slot) == 1))


def an_obligation(call: str, case: str, property_: str) -> Obligation:
    return Obligation(call=call, case=case, property=property_, title="", verdict=Verdict.REFUTED, seconds=0.0)


def test_a_run_that_breaks_the_same_is_found_and_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INVARIANTS, 901, Invariant(901, "a port set has a reference", "", sets_with_a_reference))
    found = reach(an_obligation("mach_port_allocate", "KERN_SUCCESS/a port set", "invariant 901"), ReferenceKernel, MANUAL, 5.0)
    assert found.run is not None
    calls = [step.call for step in found.run.steps]
    assert calls == ["mach_task_self", "mach_port_allocate"], "at boot the task has no name for its own port"
    assert found.words.startswith("reached in 2 calls; ")
    assert found.script is not None
    assert [step["call"] for step in found.script["cases"][0]["steps"]] == calls


@pytest.mark.heavy
def test_a_step_that_breaks_its_property_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_compiled", {})
    monkeypatch.setitem(RULES, CREATE, mutant(CREATE, then(GIVEN, lose_the_token)))
    found = reach(an_obligation(CREATE, f"KERN_SUCCESS/{GIVEN}", "step invariant 30"), ReferenceKernel, MANUAL, 5.0)
    assert found.run is not None
    assert found.run.steps[-1].call == CREATE


def test_what_no_run_breaks_is_not_reached_and_the_bounds_are_said() -> None:
    found = reach(an_obligation("mach_port_allocate", "KERN_SUCCESS/a port set", "invariant 7"), ReferenceKernel, MANUAL, 0.0)
    assert found.run is None
    assert found.words.startswith("not reached within 1 run of ")


def test_what_one_run_cannot_show_is_not_looked_for() -> None:
    found = reach(an_obligation("mach_host_self", f"KERN_SUCCESS/{HOST}", "theorem 2"), ReferenceKernel, MANUAL, 5.0)
    assert found.run is None
    assert found.words.startswith("not looked for: ")
