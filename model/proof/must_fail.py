"""Must-fail invariants: subtly wrong ones, which must be found to be broken.

Each looks as true as an invariant, and isn't. ``sendright prove`` looks for a reachable state that breaks it, among
those that the witnesses go through. If none of them breaks it, the witnesses have a hole, or it isn't wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache

import msgspec
import z3

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.property_check import CompiledClause, broken_clause, compile_clauses
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.witnesses import replay, witnesses
from sendright.model.language.invariant import LIMITS, Clauses, Invariant, Variables, forall, named
from sendright.model.language.sorts import KIND, PLACE, STAGE, UNBOUNDED, WAIT, Term
from sendright.model.language.state import State


class MustFail(msgspec.Struct, frozen=True):
    """A wrong invariant, and in which profiles it is wrong (a kernel without tokens can't break what is said of
    tokens).
    """

    name: str
    about: str
    clauses: Clauses
    applies: Callable[[Profile], bool]


MUST_FAIL: list[MustFail] = []


def must_fail(name: str, applies: Callable[[Profile], bool] = lambda profile: True) -> Callable[[Clauses], Clauses]:
    """Declare a must-fail invariant. Its docstring says why it is wrong."""

    def declare(clauses: Clauses) -> Clauses:
        MUST_FAIL.append(MustFail(name, " ".join((clauses.__doc__ or "").split()), clauses, applies))
        return clauses

    return declare


def carries_changeable_tokens(profile: Profile) -> bool:
    """Whether messages carry their senders' tokens, and those can change."""
    return profile.trailer_is_senders and profile.serves("host_security_set_task_token")


@must_fail("a port has no more send rights than were made")
def no_more_than_made(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: COPY_SEND multiplies send rights without making any."""
    yield "", forall([v.p], z3.Implies(s.active(v.p), s.srights(v.p) <= s.mscount(v.p)))


@must_fail("a port with send rights has a make-send count")
def send_rights_were_made(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: moving the receive right resets the make-send count while send rights live on."""
    yield "", forall([v.s], z3.Implies(s.sends(v.s), s.mscount(s.port(v.s)) > 0))


@must_fail("a queue is never longer than its limit")
def queue_limit(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: messages by send-once rights, and the kernel's, ignore the limit."""
    yield "", forall([v.p], z3.Implies(s.active(v.p), s.msgcount(v.p) <= LIMITS.queue_limit))


@must_fail("a space knows every port by one name")
def one_name_for_all(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: every send-once right has a name of its own."""
    slot = named(v)
    holds = z3.And(z3.Not(s.empty(slot)), s.kind(slot) != KIND.DEAD_NAME, s.kind(slot) != KIND.PORT_SET)
    yield "", forall([v.t, v.n], z3.Implies(holds, s.known_as(v.t, s.port(slot)) == v.n))


@must_fail("a task's self port is its port", lambda profile: Place.KERNEL not in profile.protected_places)
def self_is_self(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: task_set_special_port can change what mach_task_self gives (hazard H-23)."""
    slot = v.S.place_slot(v.t, PLACE.of(Place.KERNEL))
    yield "", forall([v.t], z3.Implies(s.alive(v.t), z3.And(s.kind(slot) == KIND.SEND, s.port(slot) == s.task_port(v.t))))


@must_fail("a dead name has as many references as a send right may have")
def dead_name_references(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: a dead name may have one more."""
    slot = named(v)
    yield "", forall([v.t, v.n], z3.Implies(s.kind(slot) == KIND.DEAD_NAME, s.urefs(slot) <= LIMITS.urefs_max - 1))


@must_fail(
    "a waiting message carries its sender's present tokens",
    carries_changeable_tokens,
)
def present_tokens(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: the tokens are those at the time of sending.

    They may change, or the sender may end, before the message is received.
    """
    waits = z3.And(s.stage(v.m) == STAGE.QUEUED, z3.Not(s.from_kernel(v.m)), s.alive(s.owner(v.m)))
    yield "", forall([v.m], z3.Implies(waits, s.sender_security(v.m) == s.security(s.owner(v.m))))


@must_fail(
    "only the kernel's messages carry the kernel's tokens",
    carries_changeable_tokens,
)
def kernel_tokens_are_the_kernels(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: a holder of the host security port can give a task those very tokens (an ambiguity of the
    security token).
    """
    waits = z3.And(s.stage(v.m) == STAGE.QUEUED, s.sender_security(v.m) == v.sorts.kernel_security_token)
    yield "", forall([v.m], z3.Implies(waits, s.from_kernel(v.m)))


@must_fail("a waiting sender's port is alive")
def waits_for_a_live_port(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: the port may die while the sender waits. The sender finds out when it goes on."""
    waits = s.stage(v.m) == STAGE.WAITING
    yield "", forall([v.m], z3.Implies(waits, s.kind(v.S.destination_slot(v.m)) == KIND.SEND))


@must_fail("a waiting receiver has the receive right")
def waits_with_the_right(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: it may be taken away, or die, while the receiver waits."""
    waits = z3.And(s.wait(v.t) == WAIT.RECEIVING, s.waits_for(v.t) != v.sorts.no_port)
    yield "", forall([v.t], z3.Implies(waits, s.receives(v.S.name_slot(v.t, s.waits_at(v.t)))))


@must_fail("a port with a context is guarded", lambda profile: profile.has_guards)
def contexts_are_guards(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: a context is any word of the receiver's. It is a guard only if the port is guarded."""
    yield "", forall([v.p], z3.Implies(z3.And(s.active(v.p), s.context(v.p) != 0), s.is_guarded(v.p)))


@must_fail("a receive right is immovable only while its port is guarded", lambda profile: profile.has_guards)
def immovable_ports_are_guarded(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: taking the guard off leaves the receive right immovable."""
    yield "", forall([v.p], z3.Implies(z3.And(s.active(v.p), s.is_immovable(v.p)), s.is_guarded(v.p)))


@must_fail("a stopped call holds a send right or nothing")
def in_hand_lives(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: its port may die before the call goes on."""
    slot = v.S.place_slot(v.t, PLACE.PLACE_IN_HAND)
    yield "", forall([v.t], z3.Or(s.empty(slot), s.kind(slot) == KIND.SEND))


@must_fail("a stopped creation has a living child", lambda profile: profile.tokens_in_two_steps)
def the_child_lives(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """Wrong: any holder of its port may end it, the child itself among them."""
    yield "", forall([v.t], z3.Implies(s.wait(v.t) == WAIT.CREATING, s.alive(s.waits_child(v.t))))


@cache
def _compiled(name: str) -> tuple[CompiledClause, ...]:
    [wrong] = [one for one in MUST_FAIL if one.name == name]
    invariant = Invariant(0, wrong.name, wrong.about, wrong.clauses)
    return compile_clauses([invariant], Variables(UNBOUNDED), State.arbitrary(UNBOUNDED))


class MustFailWatch:
    """Tests, state by state, which must-fail invariants are broken."""

    def __init__(self, profile: Profile, only: set[str] | None = None) -> None:
        self.invariants = [one for one in MUST_FAIL if one.applies(profile) and (only is None or one.name in only)]
        self.waiting = {one.name: _compiled(one.name) for one in self.invariants}
        self.found: dict[str, str] = {}
        """Must-fail invariant -> where it is broken, in words."""

    def look(self, oracle: Oracle) -> set[str]:
        """The must-fail invariants that the oracle's state is the first to break."""
        state = ghosts_of(oracle.system.state)
        news = {}
        for name, clauses in self.waiting.items():
            where = next((where for clause in clauses if (where := broken_clause(state, clause, oracle.profile)) is not None), None)
            if where is not None:
                news[name] = where
        self.found |= news
        for name in news:
            del self.waiting[name]
        return set(news)


def decide_must_fail(profile: Profile) -> list[Obligation]:
    """One obligation for each must-fail invariant: PROVED (to be wrong) if a reachable state breaks it, with that
    state; else UNDETERMINED.
    """
    start = time.perf_counter()
    watch = MustFailWatch(profile)
    places: dict[str, str] = {}

    for number, witness in enumerate(witnesses(profile)):

        def visit(oracle: Oracle, index: int, number: int = number) -> None:
            for name in watch.look(oracle):
                places[name] = f"{watch.found[name]}, after call {index + 1} of witness {number}"

        replay(witness, profile, visit)
        if not watch.waiting:
            break
    seconds = (time.perf_counter() - start) / max(len(watch.invariants), 1)
    return [
        Obligation(
            call="the specification",
            case=one.name,
            property="must fail",
            title=one.about,
            verdict=Verdict.PROVED if one.name in places else Verdict.UNDETERMINED,
            seconds=seconds,
            counterexample=places.get(one.name),
            reachable="from boot" if one.name in places else None,
        )
        for one in watch.invariants
    ]
