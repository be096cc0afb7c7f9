"""Mutants of the specification: a rule or an invariant with one mistake, and which obligation sees it.

Each mutant is small on purpose: a guard dropped, an operand exchanged, an effect left out. Only the part of the proof that must see it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import MANUAL, Profile
from sendright.mach.results import Obligation
from sendright.mach.rights import Place
from sendright.mach.verdicts import Verdict
from sendright.model import instantiate
from sendright.model import refute as refuter
from sendright.model.actions import clone, drop_held_send, place_slot, put, stamp_by_kernel
from sendright.model.invariants import INVARIANTS, Clauses, Invariant, Variables, forall
from sendright.model.prove import Part, decide
from sendright.model.rules import RULES, Case, Context
from sendright.model.sorts import KIND, LIFE, UNBOUNDED, Term
from sendright.model.state import After, State

Change = Callable[[Context, Case], Iterator[Case]]


@pytest.fixture(autouse=True)
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't proved is enough here: a counterexample takes seconds to find, and so does giving up."""
    monkeypatch.setattr(instantiate, "TIMEOUT", 2_000)
    monkeypatch.setattr(refuter, "refute", lambda *arguments: refuter.Outcome("not looked for", None, False))


def not_proved(obligations: list[Obligation]) -> set[str]:
    return {obligation.property for obligation in obligations if obligation.verdict is not Verdict.PROVED}


# ---- the base case


def with_invariant(patch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    patch.setitem(INVARIANTS, 199, Invariant(199, "a mutant", "", clauses))


def everybody_is_dead(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Contradicts that calls have callers: from it everything follows, and it is preserved."""
    yield "", forall([v.t], s.task_life(v.t) != LIFE.ALIVE)


def everybody_lives(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Leaves no task that a creation could make: true of all that exists, and no creation would ever happen."""
    yield "", forall([v.t], s.task_life(v.t) == LIFE.ALIVE)


@pytest.mark.parametrize("clauses", [everybody_is_dead, everybody_lives])
def test_an_invariant_that_contradicts_the_boot_state(monkeypatch: pytest.MonkeyPatch, clauses: Clauses) -> None:
    with_invariant(monkeypatch, clauses)
    assert not_proved(decide("manual", Part("base case"))) == {"invariant 199"}
    [one] = decide("manual", Part("base case", invariants=(199,)))
    assert one.verdict is Verdict.REFUTED
    assert one.reachable == "from boot"


def test_an_invariant_that_makes_cases_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """True at boot and preserved by what it leaves possible; the witnesses go through states that it forbids."""

    def one_task(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
        yield "", forall([v.t, v.u], z3.Implies(z3.And(s.alive(v.t), s.alive(v.u)), v.t == v.u))

    with_invariant(monkeypatch, one_task)
    assert not_proved(decide("manual", Part("base case"))) == set()
    lost = [one for one in decide("manual", Part("reachable")) if one.verdict is not Verdict.PROVED]
    assert "every state of every witness" in {one.case for one in lost}
    assert any("a mutant" in str(one.counterexample) for one in lost)


# ---- rules: one change to one case each


def mutate(patch: pytest.MonkeyPatch, rule: str, change: Change) -> None:
    original = RULES[rule]
    patch.setitem(RULES, rule, replace(original, cases=lambda k: (new for case in original.cases(k) for new in change(k, case))))


def without(code: ReturnCode) -> Change:
    """The guard that answers ``code`` is dropped."""
    return lambda k, case: iter([] if case.code is code else [case])


def then(title: str, more: Callable[[Context, After], None]) -> Change:
    """The case ``title`` does something more, in the end."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        def effect(after: After) -> None:
            case.effect(after)
            more(k, after)

        yield replace(case, effect=effect) if case.title == title else case

    return change


def instead(title: str, effect: Callable[[Context, After], None]) -> Change:
    """The case ``title`` does something else."""
    return lambda k, case: iter([replace(case, effect=lambda after: effect(k, after)) if case.title == title else case])


def telling(title: str, **outputs: Callable[[Context], Term]) -> Change:
    """The case ``title`` has other results."""

    def change(k: Context, case: Case) -> Iterator[Case]:
        told = {name: tell(k) for name, tell in outputs.items()}
        yield replace(case, outputs={**case.outputs, **told}) if case.title == title else case

    return change


def decide_titled(rule: str, title: str, *numbers: int, profile: Profile = MANUAL) -> set[str]:
    """What isn't proved of the case ``title``: of the properties ``numbers``, or of all."""
    cases = list(RULES[rule].cases(Context(RULES[rule], State.arbitrary(UNBOUNDED), profile)))
    index = next(index for index, case in enumerate(cases) if case.title == title)
    return not_proved(decide(profile.name, Part("case", rule, index, numbers or None)))


CREATE = "host_security_create_task_token"
GIVEN = "a child with the given tokens"


def test_tokens_for_a_child_without_the_security_port(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, CREATE, without(ReturnCode.KERN_INVALID_SECURITY))
    assert decide_titled(CREATE, GIVEN, 30, 36) == {"step invariant 30", "step invariant 36"}


# ---- messages

SEND, DELIVER, RECEIVE = "mach_msg_send", "mach_msg_send: deliver", "mach_msg_receive"


def stamp(identity: Callable[[Context], Term]) -> Callable[[Context, After], None]:
    return lambda k, after: stamp_by_kernel(after, k.message, identity(k))


def test_a_message_stamped_with_the_kernels_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard H-3, at the sending and at the delivery."""
    mutate(monkeypatch, SEND, then("the header is good", stamp(lambda k: k.id)))
    mutate(monkeypatch, DELIVER, then("the message is queued", stamp(lambda k: k.before.id(k.message))))
    assert decide_titled(SEND, "the header is good", 31) == {"step invariant 31"}
    assert decide_titled(DELIVER, "the message is queued", 31) == {"step invariant 31"}


def test_a_receiver_told_its_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, RECEIVE, telling("the oldest message", security_token=lambda k: k.before.security(k.caller)))
    assert decide_titled(RECEIVE, "the oldest message", 31) == {"step invariant 31"}


def test_a_send_once_reply_right_that_a_receive_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(k: Context, after: After) -> None:
        b, reply = k.before, k.sorts.Slot.reply_slot(k.oldest)
        lost = z3.And(b.kind(reply) == KIND.SEND_ONCE, b.port(reply) != b.port(k.slot(k.port)))
        after.add("sorights", b.port(reply), z3.If(lost, -1, 0))
        put(after, reply, z3.If(lost, KIND.NONE, b.kind(reply)), z3.If(lost, k.sorts.no_port, b.port(reply)))

    mutate(monkeypatch, RECEIVE, then("the oldest message", lose))
    assert decide_titled(RECEIVE, "the oldest message", 9, 13) == {"step invariant 13"}


def test_a_receive_of_any_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def some(k: Context, after: After) -> None:
        after.assumptions[:] = [term for term in after.assumptions if not z3.is_quantifier(term)]

    mutate(monkeypatch, RECEIVE, then("the oldest message", some))
    assert decide_titled(RECEIVE, "the oldest message", 20) == {"step invariant 20"}


def test_a_message_that_jumps_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, DELIVER, then("the message is queued", lambda k, after: after.store("arrival", (k.message,), z3.IntVal(0))))
    assert decide_titled(DELIVER, "the message is queued", 20) == {"step invariant 20"}


def test_the_privileged_port_under_another_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given as ``host``, what the caller has under ``host_security`` becomes the host port."""
    title, rule = "tokens and the ordinary host port are set", "host_security_set_task_token"

    def keep(k: Context, after: After) -> None:
        held, given = place_slot(after, k.task_behind(k.target_task), Place.HOST), k.slot(k.host_security)
        after.assumptions.append(k.before.sends(given))
        put(after, held, KIND.SEND, k.before.port(given))

    mutate(monkeypatch, rule, then(title, keep))
    mutate(monkeypatch, rule, without(ReturnCode.KERN_INVALID_SECURITY))
    assert decide_titled(rule, title, 33) == {"step invariant 33"}


# ---- what a child gets


def test_a_child_with_its_parents_self_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def share(k: Context, after: After) -> None:
        source, slot = (place_slot(after, task, Place.KERNEL) for task in (k.task_behind(k.parent_task), k.child))
        drop_held_send(after, slot)
        clone(after, source, slot)

    mutate(monkeypatch, CREATE, then(GIVEN, share))
    assert decide_titled(CREATE, GIVEN, 8, 34) == {"step invariant 34"}


@pytest.mark.parametrize("place", [Place.BOOTSTRAP, Place.HOST, Place.REGISTERED_0, Place.WIRED_LEDGER])
def test_a_child_without_one_of_its_rights(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    mutate(monkeypatch, CREATE, then(GIVEN, lambda k, after: drop_held_send(after, place_slot(after, k.child, place))))
    assert decide_titled(CREATE, GIVEN, 8, 34) == {"step invariant 34"}
