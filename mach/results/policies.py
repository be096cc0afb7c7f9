"""Results of ``sendright policy``."""

from __future__ import annotations

import msgspec

from sendright.mach.results.baselines import BaselineUse
from sendright.mach.results.checks import Obligation
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace


class MissingEdge(msgspec.Struct, frozen=True):
    """What a policy doesn't allow, and a call or a state needs."""

    words: str
    entry: str
    """The entry of a policy file that would allow it."""


class BrokenCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a call that doesn't keep a policy, or of which that isn't known."""

    rule: str
    calls: tuple[str, ...]
    """The calls that run the rule."""
    case: str
    clause: str
    """The part of the policy that isn't kept."""
    verdict: Verdict
    missing: tuple[MissingEdge, ...] = ()
    """What the search found to be missing; there may be more."""
    scope: str
    """What was searched for a state; empty: no state is needed."""
    counterexample: str | None = None
    """A concrete state and call, in words."""
    example: Counterexample | None = None
    """The same for reports: snapshots, the step, and what it breaks."""


class PolicyHop(msgspec.Struct, frozen=True):
    """One step of a path from the boot state to a right, in words."""

    step: int | None
    """Counted from 0; None: the boot state."""
    call: str
    how: str
    gives: str


class PolicyBreak(msgspec.Struct, frozen=True, kw_only=True):
    """The first state of a run that a policy doesn't allow."""

    step: int | None
    """The step after which it is seen, counted from 0; None: the initial state."""
    task: int | None
    call: str
    words: str
    """What isn't allowed, with tasks and ports by number."""
    missing: MissingEdge
    path: tuple[PolicyHop, ...] = ()
    """How the right came to be where it is, from boot."""


class CheckedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run, or one state, compared with a policy."""

    source: str
    """The file, and the case in it."""
    profile: str
    states: int
    """How many states were compared."""
    broken: PolicyBreak | None = None
    trace: Trace | None = None
    """If it is broken: the run, or the state as a run without calls."""


class PolicyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``sendright policy``: what was proved of the calls, or what runs showed."""

    verdict: Verdict
    policy: str
    """The policy's title."""
    file: str
    profile: str
    trusted: tuple[str, ...] = ()
    """The labels of which the proof assumes that they give away only what the policy allows."""
    obligations: tuple[Obligation, ...] = ()
    """One for each case of each rule."""
    broken: tuple[BrokenCase, ...] = ()
    runs: tuple[CheckedRun, ...] = ()
    not_run: tuple[str, ...] = ()
    """Cases of scripts that didn't run, or ended early, each with the reason."""
    seconds: float = 0.0
    solver: str = ""
    assumed: str = ""
    """What a selection left out, in words."""
    interrupted: bool = False
    baseline: BaselineUse | None = None
    """If the findings were compared with a baseline: what came of it."""
