"""Record where the proofs of ``sendright prove`` are found, in ``model/proof/hints.json``, and the counterexamples to
known breaks, in ``model/proof/counterexamples/recorded.json``.

For each goal that follows neither by instances at its own variables nor by the hint that it has: the batch of
instances that it needed, and the invariants, as few as are left when each is tried to be left out. Hints that are good
stay as they are, and so do counterexamples that still are some. (To record all again, write ``{}`` into the files
first.)::

    python benchmarks/hints.py                                            # all profiles (half an hour the first time)
    python benchmarks/hints.py --profile manual --call mach_port_destroy  # after a change of one call
    python benchmarks/hints.py --breaks                                   # only the counterexamples
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest.mock import patch

import msgspec
import z3

from sendright.mach.kernel.profiles import PROFILES, profile_named
from sendright.mach.results.checks import Obligation
from sendright.model.invariants.known_breaks import KNOWN_BREAKS
from sendright.model.language.term_walk import assert_all, term_at
from sendright.model.proof import obligations
from sendright.model.proof.counterexamples import counterexample
from sendright.model.proof.counterexamples import recorded as counterexamples
from sendright.model.proof.counterexamples.recorded import Values, values_of
from sendright.model.proof.hints import FILE, Hints, Recorded, clause_names, recorded
from sendright.model.proof.obligations import decide
from sendright.model.proof.prove import proof_tasks
from sendright.model.proof.solver import cache
from sendright.model.proof.solver.ground_terms import Terms
from sendright.model.proof.solver.instantiate import DEPTHS, RLIMIT, Formulas, Hint, Proof, skolemize, solver_without_quantifiers

KINDS = ("cases", "rule", "sequence", "follow-up")
EFFORT = 1_000_000
"""How much work goes into each try to do without an invariant."""


def both(needs: str, others: str) -> str:
    """All that is needed by either of two hints, as ``hints.json`` has them."""
    (batch, *names), (other_batch, *other_names) = needs.split(), others.split()
    return " ".join([max(batch, other_batch), *sorted({*names, *other_names}, key=float)])


class _Asked(NamedTuple):
    """One look-up of a hint: the prover wanted the hint for a clause, and got a stand-in."""

    stand_in: Hint
    """What the prover got. It is kept, because its ``id`` says which look-up it belongs to."""
    hint: Hint | None
    rule: str
    case: str
    clause: str


class _Recording(Hints):
    """Notes which hints the prover looks up. It gives the prover a stand-in for each."""

    asked: ClassVar[dict[int, _Asked]] = {}
    found: Recorded

    def __init__(self, profile: Any, rule: str, case: str, name: str) -> None:
        super().__init__(profile, rule, case, name)
        self._rule, self._case = rule, case

    def of(self, title: str) -> Hint:
        stand_in = Hint(len(self.asked))
        self.asked[id(stand_in)] = _Asked(stand_in, super().of(title), self._rule, self._case, f"{self._name}: {title}")
        return stand_in

    @classmethod
    def note(cls, asked: _Asked, needs: str) -> None:
        """What a clause needs, beside what others of the same name do."""
        of_case = cls.found.setdefault(asked.rule, {}).setdefault(asked.case, {})
        of_case[asked.clause] = both(of_case.get(asked.clause, "0"), needs)


class _Recorder:
    """Decides as the prover does, and records what was needed."""

    def __init__(self, profile: Any) -> None:
        self._names = {number: name for name, number in clause_names(profile.name).items()}
        self._batch = -1
        self._hard: set[tuple[str, str, str]] = set()
        self._decide, self._batches = Proof.decide, Proof._batches

    def decide(self, proof: Proof, goal: Any, stand_in: Hint | None = None) -> z3.CheckSatResult:
        asked = None if stand_in is None else _Recording.asked[id(stand_in)]
        verdict = self._decide(proof, goal, asked and asked.hint)
        if asked is None or z3.is_false(goal):
            return verdict
        clause = asked.rule, asked.case, asked.clause
        if verdict != z3.unsat:
            self._hard.add(clause)  # for the first effort, perhaps
        elif 0 < self._batch <= len(DEPTHS) + 1 or (self._batch == 0 and clause in self._hard):
            needed = self._needed(proof, goal)
            if needed is not None:
                _Recording.note(asked, " ".join([str(self._batch), *needed]))
        return verdict

    def batches(self, proof: Proof, negated: Any, point: Any, hint: Any) -> Iterator[Formulas]:
        for number, batch in enumerate(self._batches(proof, negated, point, hint), 0 if hint is None else -1):
            self._batch = number
            yield batch

    def _needed(self, proof: Proof, goal: Any) -> list[str] | None:
        """The invariants that are needed. None, if the proof isn't found again: then no hint is better."""
        body, point = skolemize(goal)
        terms = Terms(proof.terms.reader)
        terms.collect(z3.Not(body))
        if self._batch <= len(DEPTHS):
            terms = terms.no_deeper_than((0, *DEPTHS)[self._batch])
        solver = solver_without_quantifiers()
        solver.set("rlimit", RLIMIT)
        assert_all(solver, [*proof.solver.assertions(), z3.Not(body)])
        guards = []
        for assumption in proof.universals:
            found = Formulas()
            assumption.at(point, found)
            assumption.fork().instantiate(terms, found)
            instances = [term_at(address) for address in found.addresses]
            if (name := self._names.get(assumption.number)) is not None and instances:
                guards.append(z3.Bool(name))
                instances = [z3.Implies(guards[-1], instance) for instance in instances]
            assert_all(solver, instances)
        if solver.check(*guards) != z3.unsat:
            return None
        core = list(solver.unsat_core())
        solver.set("rlimit", EFFORT)
        for guard in list(core):
            left = [other for other in core if not other.eq(guard)]
            if solver.check(*left) == z3.unsat:
                core = left
        return sorted(map(str, core))


class _Breaks:
    """Records the counterexamples to known breaks that the prover finds."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, dict[str, Values]]] = {}
        self._look, self._search = obligations.looked_closer, counterexample.search
        self._last: counterexample.Found | counterexample.Nothing | None = None

    def search(self, *given: Any) -> counterexample.Found | counterexample.Nothing:
        self._last = self._search(*given)
        return self._last

    def look(self, profile: Any, unproved: Obligation, question: Any, known: Any = None) -> Obligation:
        looked = self._look(profile, unproved, question, known)
        if known is not None and isinstance(self._last, counterexample.Found):
            self.found.setdefault(unproved.call, {}).setdefault(unproved.case, {})[unproved.property] = values_of(self._last)
        return looked

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record those that are found in the block."""
        with patch.object(obligations, "looked_closer", self.look), patch.object(counterexample, "search", self.search):
            yield


def breaks_of(profile_name: str, calls: list[str] | None) -> dict[str, dict[str, dict[str, Values]]]:
    """The counterexamples to a profile's known breaks, or to those of ``calls``, and nothing else."""
    profile, breaks = profile_named(profile_name), _Breaks()
    of_profile = [each for each in KNOWN_BREAKS if each.breaks(profile)]
    rules = {rule for each in of_profile for rule, _ in each.cases}
    kinds = {"invariant": int, "theorem": "T{}".format}
    numbers = tuple(dict.fromkeys(kinds[kind](number) for kind, number in (each.property.split()[-2:] for each in of_profile)))
    with breaks.recording():
        for part in proof_tasks(profile, calls, numbers) if numbers else ():
            if part.kind == "cases" and part.rule in rules:
                decide(profile.name, part)
                print(f"{profile_name}: known breaks of {part.rule}", flush=True)
    return breaks.found


def record(profile_name: str, calls: list[str] | None) -> tuple[Recorded, dict[str, dict[str, dict[str, Values]]]]:
    """What all proofs of a profile need, or those of ``calls``; and the counterexamples to its known breaks."""
    profile, breaks = profile_named(profile_name), _Breaks()
    recorder, _Recording.found = _Recorder(profile), {}
    _Recording.asked.clear()
    with (
        breaks.recording(),
        patch.multiple(obligations, Hints=_Recording),
        patch.object(cache.Proof, "expect", lambda *_: None),
        patch.multiple(Proof, decide=lambda *given: recorder.decide(*given), _batches=lambda *given: recorder.batches(*given)),
    ):
        for part in proof_tasks(profile, calls):
            if part.kind in KINDS:
                decide(profile.name, part)
                print(f"{profile_name}: {part.kind} {part.rule}", flush=True)
    return _Recording.found, breaks.found


def merged(old: Recorded, new: Recorded) -> Recorded:
    """Both; of what both have, what is needed by either."""
    found = {rule: {case: dict(needs) for case, needs in cases.items()} for rule, cases in old.items()}
    for rule, cases in new.items():
        for case, needs in cases.items():
            of_case = found.setdefault(rule, {}).setdefault(case, {})
            for name, needed in needs.items():
                of_case[name] = both(of_case.get(name, "0"), needed)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Record where the proofs of sendright prove are found.")
    parser.add_argument("--profile", action="append", choices=sorted(PROFILES), help="only this profile (may be repeated)")
    parser.add_argument("--call", action="append", help="only this call and the rules that it uses (may be repeated)")
    parser.add_argument("--breaks", action="store_true", help="only the counterexamples to known breaks (a minute)")
    options = parser.parse_args(arguments)
    found, states = recorded(), counterexamples.recorded()
    for profile in options.profile or PROFILES:
        needs, breaks = ({}, breaks_of(profile, options.call)) if options.breaks else record(profile, options.call)
        found = merged(found, needs)
        for rule, cases in breaks.items():
            states.setdefault(profile, {}).setdefault(rule, {}).update(cases)
        _write(FILE, found)
        _write(counterexamples.FILE, states)
    return 0


def _write(file: Path, content: object) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=1) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
