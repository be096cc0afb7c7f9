"""Witnesses: for every case of every rule a run from boot that goes through it, so that no rule is vacuous.

A run is a list of calls with the answers that some kernel gave. It counts as a witness only if the specification, step
by step, allows those answers. (``sendright witnesses`` makes the runs; any kernel would do.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from sendright.mach.json_text import read_json
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import LIMITS
from sendright.model.execution.compiler import CompiledCase
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.property_check import broken_in_state
from sendright.model.execution.satisfied import CaseAssumptions, Unknown
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.system import System


class RecordedCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a witness and its answer."""

    task: int
    call: Call
    result: Result


class Witness(msgspec.Struct, frozen=True):
    """A run, and the profile and limits in which it was made."""

    profile: str
    urefs_max: int
    queue_limit: int
    pages: int
    steps: tuple[RecordedCall, ...]
    queue_limit_max: int = 16


ADDED_WITNESSES: list[Witness] = []
"""Recorded runs that plugins bring."""


@cache
def all_witnesses() -> tuple[Witness, ...]:
    """The recorded runs that come with the specification."""
    text = files("sendright.model.execution").joinpath("witnesses.json").read_bytes()
    return read_json(text, tuple[Witness, ...])


def recorded_in(path: Path) -> tuple[Witness, ...]:
    """The recorded runs of all profiles in a file; none if there is no such file, or an empty one.

    Raises OSError and msgspec.DecodeError.
    """
    content = path.read_bytes() if path.is_file() else b""
    return read_json(content, tuple[Witness, ...]) if content else ()


def witnesses(profile: Profile) -> Iterator[Witness]:
    """The recorded runs of a profile; of an added one, its own and those of the profile on which it is based."""
    return (witness for witness in (*all_witnesses(), *ADDED_WITNESSES) if witness.profile in (profile.name, base_of(profile.name)))


def witnessed_calls(profile: Profile) -> list[list[tuple[int, Call]]]:
    """What the recorded runs of a profile do: in each, the task number and the call of every step."""
    return [calls_of(witness) for witness in witnesses(profile)]


def calls_of(witness: Witness) -> list[tuple[int, Call]]:
    """What a recorded run does: the task number and the call of every step."""
    return [(step.task, tupled(step.call)) for step in witness.steps]


def tupled(call: Call) -> Call:
    """``call`` with its arrays as tuples, as the vocabulary has them (JSON has lists)."""
    return Call(call.name, {name: _tuple(value) for name, value in call.arguments.items()}, call.shortage, call.stop, call.resume)


def _tuple(value: object) -> object:
    return tuple(_tuple(part) for part in value) if isinstance(value, (list, tuple)) else value


Visitor = Callable[[Oracle, int], object]


def replay(
    witness: Witness,
    profile: Profile,
    visit: Visitor | None = None,
    before_rule: Callable[[System], None] | None = None,
    before_effect: Callable[[System, CompiledCase, list[Any]], object] | None = None,
) -> list[tuple[str, ...]]:
    """The cases of each step. Stops at a step that the specification doesn't allow.

    ``visit`` sees the state after each step, ``before_rule`` the one before each rule of a step, ``before_effect`` the
    case that applies there.
    """
    limits = {name: getattr(witness, name) for name in LIMITS}
    oracle = Oracle(msgspec.structs.replace(profile, **limits))
    oracle.before_rule, oracle.system.before_effect = before_rule, before_effect
    cases: list[tuple[str, ...]] = []
    if visit:
        visit(oracle, -1)
    for index, step in enumerate(witness.steps):
        outputs = {name: _tuple(value) for name, value in step.result.outputs.items()}
        judgement = oracle.judge(step.task, tupled(step.call), Result(step.result.code, outputs, step.result.created_task))
        if not judgement.agreed:
            break
        cases.append(judgement.cases)
        if visit:
            visit(oracle, index)
    return cases


Possible = Callable[[str, str], bool]
"""Whether a case, by its rule and its id, is possible with all its assumptions in a small scope."""


def reachable_cases(profile: Profile, possible: Possible = lambda rule, case: False) -> list[Obligation]:
    """One obligation for each case of the profile's rules: PROVED if a witness goes through it, in a state that has all
    invariants, and that satisfies all that the case assumes.

    Such a state is a model of all that the proofs of the case assume: they are not proofs from contradictions. If an
    assumption can't be evaluated, ``possible`` decides.
    """
    start = time.perf_counter()
    reached: dict[str, str] = {}
    spoilt: dict[str, str] = {}
    found: dict[str, str] = {}
    watch = InvariantWatch()
    for number, witness in enumerate(witnesses(profile)):
        watch.begin()
        steps = replay(witness, profile, watch.after_step, watch.before_rule, watch.before_effect)
        watch.at_end()
        for step, cases in enumerate(steps):
            for case in cases:
                broken, unmet, where = watch.before.popleft(), watch.unmet.popleft(), f"witness {number}, call {step + 1}"
                if broken or unmet:
                    spoilt.setdefault(case, f"{where} goes through it, but {f'the state before breaks {broken}' if broken else unmet}")
                else:
                    reached.setdefault(case, where)
        if watch.broken:
            found.setdefault(watch.broken, f"witness {number}")
    for case in watch.unknown.keys() - reached.keys():
        if possible(*case.split("/", 1)):
            reached[case] = "a state of a small scope; a witness goes through it, where not all assumptions can be evaluated"
    every = Oracle(profile).all_cases
    seconds = (time.perf_counter() - start) / max(len(every), 1)
    return [
        Obligation(
            call=case.partition("/")[0],
            case=case.partition("/")[2],
            property="reachable",
            title="a run from boot goes through the case, in a state that satisfies the invariants and all assumptions",
            verdict=Verdict.PROVED if case in reached else Verdict.UNDETERMINED,
            seconds=seconds,
            scope=None if case in reached else spoilt.get(case, "no witness is known: run sendright witnesses"),
            reachable=reached.get(case),
        )
        for case in every
    ] + [
        Obligation(
            call="the specification",
            case="every state of every witness",
            property="reachable",
            title="the invariants hold in the states that witnesses go through, their counts counted",
            verdict=Verdict.REFUTED if found else Verdict.PROVED if reached else Verdict.UNDETERMINED,
            seconds=seconds,
            counterexample="; ".join(f"{where}: {words}" for words, where in found.items()) or None,
            reachable="from boot",
        )
    ]


class InvariantWatch:
    """Looks at the state before each rule of a run, and at the last one. (Each call leaves the state in which the next
    one's first rule begins.)
    """

    def __init__(self) -> None:
        self._satisfied: set[str] = set()
        self._assumptions: dict[str, CaseAssumptions] = {}
        self.unknown: dict[str, str] = {}
        """The cases of which an assumption can't be evaluated, and why."""
        self.begin()

    def begin(self) -> None:
        """Another run begins."""
        self._system: System | None = None
        self.before: deque[str] = deque()
        """For each rule in turn the first invariant that is broken before it, or nothing."""
        self.unmet: deque[str] = deque()
        """For each rule in turn why it isn't known that all that its case assumes holds, or nothing."""
        self.broken = ""
        """The first that was broken at all."""

    def before_rule(self, system: System) -> None:
        self.before.append(self._first_broken(system))

    def before_effect(self, system: System, case: CompiledCase, values: list[Any]) -> None:
        """A case for which everything held once isn't looked at again."""
        unmet = "" if case.id in self._satisfied else self._first_unmet(system, case, values)
        self.unmet.append(unmet)
        if not unmet and not self.before[-1]:
            self._satisfied.add(case.id)

    def _first_unmet(self, system: System, case: CompiledCase, values: list[Any]) -> str:
        assumptions = self._assumptions.setdefault(case.id, CaseAssumptions(case))
        try:
            unmet = assumptions.unmet(system.state, system.env, values)
        except Unknown as error:
            self.unknown[case.id] = str(error)
            return f"an assumption can't be evaluated there: {error}"
        return unmet and f"this assumption doesn't hold there: {unmet}"

    def after_step(self, oracle: Oracle, step: int) -> None:
        self._system = oracle.system

    def at_end(self) -> None:
        """Look at the state that the run leaves."""
        assert self._system is not None
        self._first_broken(self._system)

    def _first_broken(self, system: System) -> str:
        broken = broken_in_state(ghosts_of(system.state), system.profile)
        words = f"{broken[0].name}: {broken[0].words}" if broken else ""
        self.broken = self.broken or words
        return words


__all__ = ["RecordedCall", "Witness", "all_witnesses", "calls_of", "reachable_cases", "replay", "tupled", "witnessed_calls", "witnesses"]
