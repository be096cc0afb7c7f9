"""What a process asks its solver: counted, and on request put to a second solver, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import z3

from sendright.mach.results.checks import Basis, Obligation, SecondOpinion
from sendright.mach.results.verdicts import Verdict, combine
from sendright.model.language.sorts import Term
from sendright.model.proof.solver.second_solver import PATIENCE, RLIMIT, SecondAnswer, SecondSolver
from sendright.model.proof.solver.smtlib import Assumed, NotWritable, script


class Also(msgspec.Struct, frozen=True):
    """What a proof does beside deciding obligations. Workers get it."""

    second_solver: str | None = None
    """The name of a solver that gets every question again."""
    limit: int = RLIMIT
    """How much work it does for one question."""
    patience: float = PATIENCE
    """Seconds without an answer after which it hangs."""
    scripts: bool = False
    """Every obligation is also written as an SMT-LIB script."""


class Script(msgspec.Struct, frozen=True):
    """An obligation as SMT-LIB: its negation can't hold together with the assumptions."""

    call: str
    case: str
    property: str
    part: int
    """An obligation with several sets of assumptions has a script for each: 1, 2 …"""
    status: str
    """The expected answer: ``unsat`` if it was proved, else ``unknown``."""
    text: str
    refused: str = ""
    """Why there is no text, if there is none."""


class _Questions:
    """What this process has asked so far."""

    def __init__(self) -> None:
        self.queries = 0
        """Queries that rest on assumptions."""
        self.cached = 0
        """Those that the cache answered."""
        self.also = Also()
        self.second: SecondSolver | None = None
        self.opinions: list[SecondOpinion] = []
        self.scripts: list[Script] = []
        self.assumed: tuple[list[Term], Assumed] = [], Assumed([])
        """The assumptions of the last script: those of the next one are often the same."""


_questions = _Questions()


@contextmanager
def doing(also: Also) -> Iterator[list[Script]]:
    """Do ``also`` in the block too; gives the scripts written in it."""
    _questions.also, _questions.scripts, _questions.opinions = also, [], []
    if also.second_solver is not None and _questions.second is None:
        _questions.second = SecondSolver(also.limit, also.patience)
    try:
        yield _questions.scripts
    finally:
        _questions.also = Also()


def end_second_solver() -> None:
    """End the second solver's process of this process, if there is one."""
    if _questions.second is not None:
        _questions.second.close()
    _questions.second = None


def wants_solver() -> bool:
    """The cache must not answer: a second solver needs what the first one got."""
    return _questions.also.second_solver is not None


def wants_scripts() -> bool:
    """Obligations are to be written as scripts."""
    return _questions.also.scripts


def query(from_cache: bool) -> None:
    """Count a query that rests on assumptions."""
    _questions.queries += 1
    _questions.cached += from_cache


def answered(assertions: Callable[[], Sequence[Term]], answer: z3.CheckSatResult) -> None:
    """The first solver has given its last answer to a question: whether ``assertions()`` can hold together."""
    if not wants_solver():
        return
    assert _questions.second is not None
    try:
        text = script(assertions())
    except NotWritable as error:
        _questions.opinions.append(SecondOpinion(verdict=Verdict.UNDETERMINED, questions=1, seconds=0.0, words=f"it got no question: {error}"))
        return
    _questions.opinions.append(_opinion(str(answer), _questions.second.ask(text), text))


def _opinion(first: str, second: SecondAnswer, text: str) -> SecondOpinion:
    words = f"the first solver answers {first}, the second one {second.answer}"
    words += f" ({second.words})" if second.words else ""
    if second.answer in ("lost", "error"):
        verdict = Verdict.CRASHED if second.answer == "lost" else Verdict.UNDETERMINED
        words = second.words if second.answer == "lost" else f"it can't read a question: {second.words}"
    elif "unknown" in (first, second.answer):
        verdict = Verdict.UNDETERMINED
    else:
        verdict = Verdict.PROVED if first == second.answer else Verdict.FAILED
    failed = verdict is Verdict.FAILED
    return SecondOpinion(
        verdict=verdict,
        questions=1,
        seconds=second.seconds,
        words="" if verdict is Verdict.PROVED else words,
        question=text if failed else None,
    )


class Mark:
    """Marks a moment, to report later on the queries since."""

    def __init__(self) -> None:
        self._queries, self._cached, self._opinions = _questions.queries, _questions.cached, len(_questions.opinions)

    @property
    def all_from_cache(self) -> bool:
        """There were queries since, and the cache answered all of them."""
        asked = _questions.queries - self._queries
        return asked > 0 and asked == _questions.cached - self._cached

    @property
    def basis(self) -> Basis:
        """Whether what was decided since rests on assumptions."""
        return Basis.INVARIANTS if _questions.queries > self._queries else Basis.NOTHING

    def settled(self, obligation: Obligation) -> Obligation:
        """``obligation``, which the queries since have decided, with what the cache and the second solver did."""
        return msgspec.structs.replace(obligation, cached=self.all_from_cache, second=_together(_questions.opinions[self._opinions :]))


def _together(opinions: Sequence[SecondOpinion]) -> SecondOpinion | None:
    if not opinions:
        return None
    verdict = combine(opinion.verdict for opinion in opinions)
    worst = next(opinion for opinion in opinions if opinion.verdict is verdict)
    seconds = sum(opinion.seconds for opinion in opinions)
    return msgspec.structs.replace(worst, questions=len(opinions), seconds=seconds)


def write_script(obligation: Obligation, parts: Sequence[tuple[Sequence[Term], Sequence[Term]]]) -> None:
    """Write ``obligation`` as scripts, if that is wanted: one for each of ``parts``, which are assumptions and the
    goals that follow from them."""
    status = "unsat" if obligation.verdict is Verdict.PROVED else "unknown"
    for number, (assumptions, goals) in enumerate(parts, 1):
        violated = [z3.Not(goal) for goal in goals]
        what = f"{obligation.call}, {obligation.case}: {obligation.property}, {obligation.title}"
        comments = [
            "written by sendright",
            *(" ".join(line.split()) for line in (what, f"{obligation.verdict.value}: {obligation.basis.value}")),
            "The assertions are the assumptions; the last one says that the property is violated.",
        ]
        text = refused = ""
        try:
            text = _assumed(assumptions).script([violated[0] if len(violated) == 1 else z3.Or(*violated)], status, comments)
        except NotWritable as error:
            refused = str(error)
        _questions.scripts.append(Script(obligation.call, obligation.case, obligation.property, number, status, text, refused))


def _assumed(assumptions: Sequence[Term]) -> Assumed:
    """``assumptions`` as text. Raises NotWritable."""
    last, text = _questions.assumed
    if len(last) != len(assumptions) or not all(one.eq(other) for one, other in zip(last, assumptions, strict=True)):
        text = Assumed(assumptions)
        _questions.assumed = list(assumptions), text
    return text
