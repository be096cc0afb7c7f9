"""How a proof notices a mutant: what is proved of the original isn't proved of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType

import msgspec

from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation
from sendright.mach.results.mutants import Judgement, Outcome
from sendright.mach.results.verdicts import Verdict
from sendright.model import calls
from sendright.model.invariants.known_breaks import KnownBreak
from sendright.model.language.rule import RULES, Context
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.obligations import ProofTask, decide, decide_case, decide_sequence
from sendright.model.proof.preconditions import forget_driven
from sendright.model.proof.solver import instantiate
from sendright.properties.mutants.source import Unit, running

RLIMIT, ROUNDS = 3_000_000, 1
"""How hard the prover tries. What it then doesn't prove of a mutant counts only if it proves that of the original."""


class Deadline:
    """The end of a judge's processor time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds

    @property
    def passed(self) -> bool:
        return time.process_time() > self._end


class Enough(Exception):
    """One thing has noticed the mutant."""


class Findings:
    """What noticed a mutant."""

    def __init__(self, everything: bool) -> None:
        self.words: list[str] = []
        self._everything = everything

    def add(self, words: str) -> None:
        """Raises Enough, unless everything is wanted."""
        self.words.append(words)
        if not self._everything:
            raise Enough

    def judged(self, out_of_time: bool) -> Judgement:
        if self.words:
            return Judgement(Outcome.KILLED, "; ".join(self.words))
        return Judgement(Outcome.OUT_OF_TIME if out_of_time else Outcome.SURVIVED)


Original = Callable[[], AbstractContextManager[None]]
"""In its block there is no mistake."""


def try_little() -> None:
    """The prover gives up soon, from now on in this process."""
    instantiate.RLIMIT, instantiate.ROUNDS = RLIMIT, ROUNDS


def forget_what_is_known(unit: Unit) -> None:
    """What was worked out once for the process of sequences, and of invariants that may rest on ``unit``, is worked out
    again.
    """
    forget_driven()
    if unit.module.startswith(f"{calls.__name__}."):
        return  # invariants use nothing of the modules of rules
    for name, module in list(sys.modules.items()):
        if name.startswith("sendright.model."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@contextmanager
def wrong(code: CodeType, unit: Unit) -> Iterator[None]:
    """As ``running``. Nothing is known from before the block in it, nor from it after the block."""
    with running(code, unit):
        forget_what_is_known(unit)
        yield
    forget_what_is_known(unit)


def decide_part(profile: Profile, part: ProofTask, original: Original, found: Findings) -> None:
    """Add to ``found`` what isn't proved of ``part``, though it is of the original. Raises Enough."""
    try:
        _decide(profile, part, original, found)
    except Enough:
        raise
    except Exception as error:
        found.add(f"can't be proved: {type(error).__name__}: {error} ({part.rule or part.kind})")


def _decide(profile: Profile, part: ProofTask, original: Original, found: Findings) -> None:
    if part.kind == "case":
        return _decide_case(profile, part, original, found)
    if part.kind == "sequence":
        return _decide_sequence(profile, part, original, found)

    def missed() -> dict[str, None]:
        return dict.fromkeys(f"{one.property}: {one.case}" for one in decide(profile.name, part) if one.verdict is not Verdict.PROVED)

    now = missed()
    if now:
        with original():
            before = missed()
        for one in now:
            if one not in before:
                found.add(f"{one} ({part.rule or part.kind})")


def _as_it_is(unproved: Obligation, _: Question, known: KnownBreak | None) -> Obligation:
    """What isn't proved stays so: no counterexample is looked for."""
    return unproved


def _decide_sequence(profile: Profile, part: ProofTask, original: Original, found: Findings) -> None:
    before: list[set[str]] = []

    def missed_before() -> set[str]:
        if not before:
            with original():
                before.append({one.case for one in decide_sequence(profile, part, _as_it_is) if one.verdict is not Verdict.PROVED})
        return before[0]

    def closer(unproved: Obligation, question: Question, known: KnownBreak | None) -> Obligation:
        if unproved.case not in missed_before():
            found.add(f"{unproved.property}: {unproved.case} ({part.rule})")
        return _as_it_is(unproved, question, known)

    decide_sequence(profile, part, closer)


def _decide_case(profile: Profile, part: ProofTask, original: Original, found: Findings) -> None:
    title = _titles(part.rule, profile)[part.case]
    proved: list[set[str]] = []

    def of_original(unproved: Obligation, _: Question, known: KnownBreak | None) -> Obligation:
        verdict = Verdict.UNDETERMINED if known is None else Verdict.REFUTED  # as is known of it: nothing new
        return msgspec.structs.replace(unproved, verdict=verdict)

    def proved_before() -> set[str]:
        if not proved:
            with original():
                titles = _titles(part.rule, profile)
                same = ProofTask("case", part.rule, titles.index(title), part.invariants) if title in titles else part
                decided = decide_case(profile, same, of_original)
                proved.append({one.property for one in decided if one.verdict is Verdict.PROVED})
        return proved[0]

    def closer(unproved: Obligation, question: Question, known: KnownBreak | None) -> Obligation:
        if known is None and unproved.property in proved_before():
            clause = unproved.title.partition(": ")[2]
            found.add(f"{unproved.property}: {clause or unproved.title} ({part.rule}: {title})")
        return of_original(unproved, question, known)

    decide_case(profile, part, closer)


def _titles(rule: str, profile: Profile) -> list[str]:
    return [case.title for case in RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile))]
