"""``sendright prove``: every case of every rule against every invariant, unbounded; and that the specification itself
makes sense.

The work is cut into small tasks (the cases of one rule, one theorem) that run in several processes. PROVED means that
z3 answered ``unsat`` to the query for a violation. For what isn't proved, small scopes are searched: a violation there
is REFUTED, with a concrete state and call; otherwise the result is UNDETERMINED, with the scope. Nothing undetermined
counts as proved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import z3

from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict, combine
from sendright.mach.signatures import SIGNATURES
from sendright.mach.suggestions import unknown_call
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sequences import rules_of
from sendright.model.proof.any_state import ANY_STATE
from sendright.model.proof.catalogue import SPECIFICATION, known_invariants
from sendright.model.proof.obligations import Decided, ProofTask, decide_and_do
from sendright.model.proof.processes.cluster import Cluster, in_cluster
from sendright.model.proof.processes.workers import Lost, hearing, in_workers
from sendright.model.proof.properties import (
    CONSERVATION,
    THEOREMS,
)
from sendright.model.proof.solver.cache import Cache
from sendright.model.proof.solver.questions import Also, Script, end_second_solver
from sendright.model.proof.solver.second_solver import second_solver_version


class UnknownSelection(ValueError):
    """``--call`` or ``--invariant`` names something that doesn't exist."""


def proof_tasks(profile: Profile, calls: Sequence[str] | None = None, invariants: Sequence[int | str] | None = None) -> list[ProofTask]:
    """The work, heaviest first.

    ``calls`` may also name rules that calls share, and ``invariants`` theorems. Raises UnknownSelection.
    """
    for call in calls or ():
        if call in RULES and call not in SIGNATURES:
            continue
        if call not in SIGNATURES:
            raise UnknownSelection(unknown_call(call))
        if not profile.serves(call):
            raise UnknownSelection(f"the profile {profile.name} doesn't serve {call}")
    titles = known_invariants()
    for number in invariants or ():
        if number not in titles and number not in {f"T{theorem}" for theorem in THEOREMS}:
            known = [*map(str, titles), *(f"T{theorem}" for theorem in THEOREMS)]
            raise UnknownSelection(f"unknown invariant {number}: choose one of {', '.join(known)}")
    served = [call for call in SIGNATURES if profile.serves(call) and (not calls or call in calls)]
    chosen = [rule for rule in calls or _belonging_to(profile) if rule not in SIGNATURES]
    names = dict.fromkeys([*(rule for call in served for rule in rules_of(call, profile)), *chosen])
    only = tuple(invariants) if invariants else None
    if only and "T5" in only:
        only = tuple(dict.fromkeys([*only, *sorted(CONSERVATION)]))
    work: list[ProofTask] = []
    if only is None and not calls:
        work.append(ProofTask("reachable"))
    if only is None:
        work += [ProofTask("follow-up" if RULES[name].pending else "sequence", name) for name in names]
    work += [ProofTask("cases", name, 0, only) for name in names]
    work += [ProofTask("rule", name, 0, only) for name in names]
    if not calls:
        work.append(ProofTask("base case", invariants=only))
    if only is None and not calls:
        work += [ProofTask("must fail"), ProofTask("follow-up")]
    if (only is None or "T1" in only) and "host_security_create_task_token" in served and "task_create" in SIGNATURES:
        work.append(ProofTask("theorem 1"))
    return work


def _belonging_to(profile: Profile) -> list[str]:
    """The rules that belong to the profile, whether or not a call runs them: those of its calls, and shared ones."""
    calls = {name: name.partition(":")[0] for name, rule in RULES.items() if rule.is_used(profile)}
    return [name for name, call in calls.items() if call not in SIGNATURES or profile.serves(call)]


def case_tasks(profile: Profile, calls: Sequence[str] | None = None) -> list[ProofTask]:
    """One task for each case of each rule that ``calls`` use (None: all calls). Raises as ``proof_tasks``."""
    rules = [task.rule for task in proof_tasks(profile, calls) if task.kind == "cases"]
    return [ProofTask("case", rule, index) for rule in rules for index, _ in enumerate(RULES[rule].cases(Context(RULES[rule], ANY_STATE, profile)))]


NOTHING_ELSE = Also()


Progress = Callable[[int, int, str], None]
"""Called with the number of tasks done, the number of all tasks, and what was decided last."""


class ProgressLine:
    """What a progress line shows: how many tasks are done, and what was last decided or noted (``workers.note``)."""

    def __init__(self, total: int, on_progress: Progress | None) -> None:
        self.total, self.on_progress = total, on_progress
        self.done, self.words = 0, ""

    def one_more(self, words: str) -> None:
        """One more task is done."""
        self.done += 1
        self.note(words)

    def note(self, words: str) -> None:
        """What is done now."""
        self.words = words
        self.again()

    def again(self) -> None:
        """Show the same, since time has passed."""
        if self.on_progress is not None:
            self.on_progress(self.done, self.total, self.words)


def prove(
    profile: Profile,
    calls: Sequence[str] | None = None,
    invariants: Sequence[int | str] | None = None,
    jobs: int = 2,
    on_progress: Progress | None = None,
    cache: Cache | None = None,
    also: Also = NOTHING_ELSE,
    on_script: Callable[[Script], object] | None = None,
    on: Cluster | None = None,
) -> ProofResult:
    """Decide everything (or what ``calls`` and ``invariants`` select) for ``profile`` in ``jobs`` processes (0: in this
    one), or ``on`` a cluster.

    Queries that ``cache`` has as proved are not put to the solver, and what is proved is recorded there (``cache.py``).
    A second solver, which ``also`` may name, gets every question; then the cache answers nothing. ``on_script`` gets
    each obligation as SMT-LIB, if ``also`` wants that.

    Raises UnknownSelection for a call or invariant that doesn't exist, and NoSecondSolver. On KeyboardInterrupt the
    result holds what was decided.
    """
    second = None if also.second_solver is None else second_solver_version(also.second_solver)
    work = proof_tasks(profile, calls, invariants)
    shown = ProgressLine(len(work), on_progress)
    start = time.perf_counter()
    obligations: list[Obligation] = []
    interrupted = False
    try:
        for part, found in _run(profile, work, jobs, cache, also, on, shown):
            obligations += found.obligations
            if on_script is not None:
                for script in found.scripts:
                    on_script(script)
            shown.one_more(part.rule or part.kind)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        end_second_solver()
    order = {name: index for index, name in enumerate([*RULES, SPECIFICATION])}
    obligations.sort(key=lambda obligation: (order.get(obligation.call, len(order)), obligation.case, obligation.property))
    verdicts = [*(one.verdict for one in obligations), *(one.second.verdict for one in obligations if one.second is not None)]
    verdict = Verdict.UNDETERMINED if interrupted else combine(verdicts)
    if interrupted and any(obligation.verdict is Verdict.REFUTED for obligation in obligations):
        verdict = Verdict.REFUTED
    return ProofResult(
        verdict=verdict,
        profile=profile.name,
        obligations=tuple(obligations),
        seconds=time.perf_counter() - start,
        solver=f"z3 {z3.get_version_string()}",
        second_solver=second,
        assumed=_assumed(calls, invariants),
        interrupted=interrupted,
    )


def _assumed(calls: Sequence[str] | None, invariants: Sequence[int | str] | None) -> str:
    """What the selection leaves out, in words; empty if it leaves out nothing."""
    left = []
    if invariants:
        left.append("the other invariants (assumed to hold before each call)")
    if calls:
        left.append("the other calls and the boot state")
    return f"not checked: {'; '.join(left)}" if left else ""


def _run(
    profile: Profile, work: list[ProofTask], jobs: int, cache: Cache | None, also: Also, on: Cluster | None, shown: ProgressLine
) -> Iterator[tuple[ProofTask, Decided]]:
    if jobs == 0 and on is None:
        for part in work:
            stop_if_interrupted()
            with hearing(shown.note):
                decided = decide_and_do(profile.name, part, cache, also)
            yield part, decided
        return
    decide = partial(decide_and_do, profile.name, cache=cache, also=also)
    for part, found in in_workers(decide, work, jobs, shown.again, shown.note) if on is None else in_cluster(partial(_and_leave, decide), work, on):
        yield part, Decided(_lost(profile, part, found)) if isinstance(found, Lost) else found


def _and_leave(decide: Callable[[ProofTask], Decided], part: ProofTask) -> Decided:
    """Decide one task in a process that goes on to work for others: nothing of this proof stays there."""
    try:
        return decide(part)
    finally:
        end_second_solver()


def _lost(profile: Profile, part: ProofTask, lost: Lost) -> list[Obligation]:
    """The obligations in place of all that a task would have decided, if the processes that worked on it died: one for
    each case.
    """
    cases = ["all cases"]
    if part.kind == "cases":
        rule = RULES[part.rule]
        cases = [case.id for case in rule.cases(Context(rule, ANY_STATE, profile))]
    return [
        Obligation(
            call=part.rule or SPECIFICATION,
            case=case,
            property="everything" if part.kind in ("cases", "rule") else part.kind,
            title="this proof task is decided",
            verdict=Verdict.CRASHED,
            seconds=0.0,
            scope=f"not decided: {lost.words}",
        )
        for case in cases
    ]
