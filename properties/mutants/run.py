"""Decides a sample of mutants in worker processes, and says what that shows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from sendright.mach.results.mutants import Judgement, MutantResult, MutantsResult, Outcome
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.processes.workers import Lost, in_workers
from sendright.properties.mutants.deciding import Settings, decide_mutant
from sendright.properties.mutants.drawing import Sample
from sendright.properties.mutants.mutant import Mutant

Progress = Callable[[int, int, str], None]
"""Called with the number of mutants decided, the number of all, and words on the last one."""


def decide_mutants(
    settings: Settings,
    sample: Sample,
    population: Sequence[Mutant],
    reasons: Mapping[str, str],
    jobs: int = 2,
    on_progress: Progress | None = None,
    command: str = "",
) -> MutantsResult:
    """Decide the mutants of ``sample``, which was drawn from ``population``, in ``jobs`` processes.

    ``reasons`` say which may survive. On KeyboardInterrupt the result holds what was decided.
    """
    start = time.monotonic()
    decided: list[MutantResult] = []
    interrupted = False
    try:
        for mutant, answer in in_workers(partial(decide_mutant, settings), sample.mutants, jobs):
            one = _lost(mutant, answer) if isinstance(answer, Lost) else answer
            decided.append(msgspec.structs.replace(one, reason="" if one.killed else reasons.get(mutant.id, "")))
            if on_progress:
                on_progress(len(decided), len(sample.mutants), f"{mutant.operator}: {mutant.where}")
    except KeyboardInterrupt:
        interrupted = True
    order = {mutant.id: index for index, mutant in enumerate(population)}
    decided.sort(key=lambda one: order[one.id])
    return MutantsResult(
        verdict=_verdict(decided, interrupted),
        profile=settings.profile,
        seed=settings.seed,
        mutants=tuple(decided),
        seconds=time.monotonic() - start,
        population=dict(Counter(mutant.operator for mutant in population)),
        unchanged=sample.unchanged,
        without_need=tuple(one.id for one in decided if one.killed and one.id in reasons),
        command=command,
        interrupted=interrupted,
    )


def _lost(mutant: Mutant, lost: Lost) -> MutantResult:
    """The result for a mutant on which whole worker processes died."""
    answer = Judgement(Outcome.LOST, f"the processes that worked on it died, the last one with {lost.words}")
    return MutantResult(id=mutant.id, operator=mutant.operator, where=mutant.where, change=mutant.words, prove=answer, check=answer)


def _verdict(decided: Sequence[MutantResult], interrupted: bool) -> Verdict:
    """FAILED: a mutant survives without a reason. UNDETERMINED: one wasn't decided, and has none."""
    if any(one.survived and not one.reason for one in decided):
        return Verdict.FAILED
    if interrupted or not decided or any(one.undecided and not one.reason for one in decided):
        return Verdict.UNDETERMINED
    return Verdict.PASSED
