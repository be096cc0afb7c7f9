"""Runs on which two kernels differ: one makes the calls, and the specification judges them by the other's profile.

What a view shows is compared: answers, and the names of each task's space with their rights. The two kernels' states
have different parts, like places for a host port.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade, capabilities_of, not_compared
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.kernel.unmodelled import why_unmodelled
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.comparisons import RunDifference
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import LIMITS, Trace
from sendright.mach.state.view import View, ViewPart, view_of
from sendright.properties.check import EXAMPLES, SEED, STEPS, KnownRun, SpecifiedOracle, check
from sendright.properties.scripts.expected import KINDS
from sendright.properties.scripts.load import parse_script
from sendright.properties.scripts.replay import replay

MOST_CAUSES = 200
"""A comparison ends after this many different causes."""
MINIMIZE_SECONDS = 4.0
"""How long one run is minimized."""
_OF_BOOT = (*LIMITS, "boot_tasks", "bootstrap_names")
"""What both kernels have in common here, so that the same names denote the same at boot."""


class AsProfile:
    """An implementation that behaves as one profile and is judged by another.

    It boots with its own behaviour, and with the limits, tasks and names of the profile that judges it. It shows a
    view, not its whole state.
    """

    def __init__(self, implementation: Implementation, behaves_as: Profile, judged_as: Profile) -> None:
        self._implementation, self._behaves_as = implementation, behaves_as
        self.name = f"{implementation.name} as {behaves_as.name}"
        has = capabilities_of(implementation)
        served = frozenset(call for call in SIGNATURES if behaves_as.serves(call) and judged_as.serves(call))
        self.capabilities: Capabilities = msgspec.structs.replace(
            has, profiles=(), calls=served if has.calls is None else served & has.calls, shows=frozenset(ViewPart)
        )

    def boot(self, profile: Profile) -> None:
        """Boot with the behaviour of ``behaves_as``, and the limits, tasks and names of ``profile``."""
        self._implementation.boot(msgspec.structs.replace(self._behaves_as, **{field: getattr(profile, field) for field in _OF_BOOT}))

    def call(self, task: int, call: Call) -> Result:
        """As the implementation. Raises NotMade for a number that ``behaves_as`` doesn't model."""
        unmodelled = why_unmodelled(call, self._behaves_as)
        if unmodelled is not None:
            raise NotMade(unmodelled)
        return self._implementation.call(task, call)

    def snapshot(self) -> View:
        """The implementation's state, as a view with all its parts."""
        shown = self._implementation.snapshot()
        return view_of(shown) if isinstance(shown, Snapshot) else shown


class Compared(msgspec.Struct, frozen=True):
    """What the runs in one direction brought."""

    runs: tuple[RunDifference, ...]
    examples: int
    judged: int
    not_compared: tuple[str, ...]
    interrupted: bool


def compare_runs(
    factory: Callable[[], Implementation],
    behaves_as: Profile | None,
    judged_as: Profile,
    oracle_factory: Callable[[Profile], SpecifiedOracle],
    *,
    first: Sequence[KnownRun] = (),
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seed: int = SEED,
    on_progress: Callable[[float, float | None, str], None] | None = None,
) -> Compared:
    """Make the known runs in ``first`` and ``examples`` random ones on kernels from ``factory``; keep one run for each
    cause of a difference, minimized.

    ``behaves_as`` is the profile with which the kernel boots; None: it is a kernel of its own, which boots with the
    profile that judges it. The cause of a difference is what ``judged_as`` says of the call.
    """
    made = factory if behaves_as is None else lambda: AsProfile(factory(), behaves_as, judged_as)
    result = check(
        made,
        oracle_factory,
        judged_as,
        examples,
        steps,
        seed,
        on_progress,
        first=first,
        minimize_seconds=MINIMIZE_SECONDS,
        keep_going=True,
        most_ways=MOST_CAUSES,
    )
    name = result.implementation if behaves_as is None else behaves_as.name
    found = [
        RunDifference(behaves_as=name, judged_as=judged_as.name, **_told(trace), trace=trace, script=script) for trace, script in _failures(result)
    ]
    return Compared(
        runs=tuple(sorted(found, key=lambda one: (len(one.trace.steps), one.call, one.clause))),
        examples=result.examples,
        judged=result.calls,
        not_compared=result.not_compared if behaves_as is None else tuple(_not_compared(made(), result)),
        interrupted=result.interrupted,
    )


def _not_compared(kernel: Implementation, result: CheckResult) -> Iterator[str]:
    """What runs of one profile that another one judges don't compare, beside calls that only one serves."""
    yield from not_compared(msgspec.structs.replace(capabilities_of(kernel), calls=None), ())
    for words in sorted({*result.not_made, *result.not_modelled}):
        count = result.not_made.get(words, 0) + result.not_modelled.get(words, 0)
        yield f"{words} ({count} {'call' if count == 1 else 'calls'})"


def _failures(result: CheckResult) -> Iterator[tuple[Trace, dict[str, object] | None]]:
    if result.failure is not None:
        yield result.failure, result.script
    yield from ((other.failure, other.script) for other in result.others)


def _told(trace: Trace) -> dict[str, str]:
    violation = trace.violations[0]
    call = trace.steps[violation.step].call if violation.step < len(trace.steps) else ""
    return {"call": call, "clause": violation.clause, "words": violation.words}


# ---- the shortest runs


def distinct(runs: Iterable[RunDifference]) -> tuple[RunDifference, ...]:
    """The shortest run of each cause. Two runs that show one difference from its two sides have one cause."""
    found: dict[tuple[str, str, str, str], RunDifference] = {}
    for run in sorted(runs, key=lambda one: (len(one.trace.steps), one.call, one.clause)):
        found.setdefault((run.judged_as, run.call, run.clause, run.words), run)
    alone: list[tuple[str, frozenset[tuple[str, str, str]]]] = []
    kept: list[RunDifference] = []
    for run in found.values():
        shown = run.call, _answers(run)
        mirrored = next((each for each in kept if (each.call, _answers(each)) == shown and each.judged_as != run.judged_as and shown in alone), None)
        if mirrored is not None:
            alone.remove(shown)
            continue
        alone.append(shown)
        kept.append(run)
    return tuple(kept)


def _answers(run: RunDifference) -> frozenset[tuple[str, str, str]]:
    """Which kernel has what, where the two differ."""
    differences = run.trace.violations[0].differences
    if not differences:
        return frozenset({(run.judged_as, run.clause, run.words)})
    pairs = [((run.judged_as, each.where, each.expected), (run.behaves_as, each.where, each.seen)) for each in differences]
    return frozenset(each for pair in pairs for each in pair)


# ---- as cases of a script


_KEYS = {"id": "msg_id", "sequence_number": "seqno"}
"""Results whose expectations in scripts have other names."""


def as_case(
    run: RunDifference, judge: Callable[[], Implementation], other: Callable[[], Implementation], oracle: Callable[[Profile], SpecifiedOracle]
) -> dict[str, Any] | None:
    """The run as a case of a script, which the judging profile passes and the other kernel fails. None: what differs
    can't be written as an expectation.

    ``judge`` builds a kernel that behaves as the judging profile; ``other`` builds the one that made the run.
    """
    if run.script is None or not run.trace.steps:
        return None
    [case] = run.script["cases"]
    case = case | {"profile": run.judged_as, "title": f"{run.call}: {run.behaves_as} does not do as {run.judged_as} says"}
    *before, last = case["steps"]
    expected = {**last.get("expect", {}), **_expected_results(run, judge())}
    case = case | {"steps": [*before, last | ({"expect": expected} if expected else {})]}
    script = json.dumps({"format": "mach-cases/1", "profile": run.judged_as, "cases": [case]}).encode()
    behaves_as = PROFILES.get(run.behaves_as)

    def verdict(kernel: Callable[[], Implementation], profile: Profile | None) -> list[str]:
        return [each.verdict for each in replay([parse_script(script, run.call, profile)], kernel, oracle, profile).cases]

    return case if verdict(judge, None) == ["passed"] and verdict(other, behaves_as) == ["failed"] else None


def _expected_results(run: RunDifference, kernel: Implementation) -> dict[str, Any]:
    """What the judging profile's kernel answers to the last call, as far as the answer seen differs and scripts have
    words for it."""
    signature, last = SIGNATURES[run.call], run.trace.steps[-1]
    kernel.boot(msgspec.structs.replace(PROFILES[run.judged_as], **{limit: getattr(run.trace, limit) for limit in LIMITS}))
    try:
        results = [kernel.call(step.task, step.made) for step in run.trace.steps]
    except Exception:  # the calls before it led to another state: then nothing is known
        return {}
    found: dict[str, Any] = {}
    for name, value in results[-1].outputs.items():
        if value == last.outputs.get(name):
            continue
        key = _KEYS.get(name, name)
        if isinstance(value, int) and key in KINDS and KINDS[key].applies(signature):
            found[key] = value
        elif isinstance(value, tuple) and len(value) != len(last.outputs.get(name, ())) and KINDS["count"].applies(signature):
            found["count"] = len(value)
        elif name == "value":
            found["value"] = list(value)
        elif name == "info":
            found["fields"] = list(value)
    return found
