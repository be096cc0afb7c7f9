"""Runs on which two kernels differ: one makes the calls, and the specification judges them by the other's profile.

What a view shows is compared: answers, and the names of each task's space with their rights. The two kernels' states
have different parts, like places for a host port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, capabilities_of
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.comparisons import RunDifference
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import LIMITS, Trace
from sendright.mach.state.view import View, ViewPart, view_of
from sendright.properties.check import EXAMPLES, SEED, STEPS, KnownRun, SpecifiedOracle, check

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
        """As the implementation."""
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
        not_compared=() if behaves_as is not None else result.not_compared,
        interrupted=result.interrupted,
    )


def _failures(result: CheckResult) -> Iterator[tuple[Trace, dict[str, object] | None]]:
    if result.failure is not None:
        yield result.failure, result.script
    yield from ((other.failure, other.script) for other in result.others)


def _told(trace: Trace) -> dict[str, str]:
    violation = trace.violations[0]
    call = trace.steps[violation.step].call if violation.step < len(trace.steps) else ""
    return {"call": call, "clause": violation.clause, "words": violation.words}
