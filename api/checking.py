"""``sendright.check``: random calls on a kernel, each judged by the specification."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis.database import ExampleDatabase

from sendright.api.failures import raise_unless_passed
from sendright.api.subject import KernelSource, ProfileSource, Subject, subject_of
from sendright.cli.bad_input import BadInput
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import CheckResult
from sendright.properties.check import EXAMPLES, SEED, STEPS
from sendright.properties.checking.earlier_failures import EarlierFailures
from sendright.properties.minimization.minimizer import SECONDS
from sendright.properties.runs.run import CALL_SECONDS


class _Own:
    """Stands for the database of Hypothesis's current settings."""

    def __repr__(self) -> str:
        return "hypothesis.settings().database"


HYPOTHESIS_DATABASE: Any = _Own()


def check(
    kernel: KernelSource,
    profile: ProfileSource = None,
    *,
    examples: int = EXAMPLES,
    steps: int = STEPS,
    seed: int = SEED,
    database: ExampleDatabase | None = HYPOTHESIS_DATABASE,
    keep_going: bool = False,
    exact_limits: bool = False,
    isolated: bool = False,
    call_seconds: float = CALL_SECONDS,
    minimize_seconds: float = SECONDS,
    on_progress: Callable[[float, float | None, str], None] | None = None,
) -> CheckResult:
    """Make random calls on a kernel, and assert that each does what the specification says.

    First come the runs that failed in earlier checks of this kernel, then recorded runs that together reach every case
    of the specification, then random ones. A failing run is minimized until each of its calls is needed.

    - ``kernel``: the class of the kernel (or another callable without arguments that builds one), or a text as for
      ``--sut``: ``"my.kernel:Kernel"``, ``"stdio:./driver"``, ``"gnumach"``, ``"reference"``.
    - ``profile``: which kernel's results are right: a name or a ``Profile``. Default: the first that the kernel
      declares, or ``manual``.
    - ``examples``, ``steps``: the number of random runs, and of calls in each. ``seed``: the same makes the same calls.
    - ``database``: where failing runs are kept. Default: the database of Hypothesis's settings (usually
      ``.hypothesis/examples``). None keeps none.
    - ``keep_going``: after a failing run, go on and find runs that fail in other ways.
    - ``exact_limits``: use the profile's own limits. Default: limits so small that random runs reach them.
    - ``isolated``: run the kernel in a process of its own, so that no crash or hang of it reaches this one.
    - ``call_seconds``: a call that takes longer counts as hung. ``minimize_seconds``: time for each minimization.
    - ``on_progress`` gets the number of finished runs, of all runs, and words.

    Returns the result if all calls agreed: that isn't a proof. Raises ``NotConforming``, an AssertionError whose text
    is what the terminal prints of the failing run; ``Undetermined`` if no call was made; ``BadInput`` for a wrong
    argument.
    """
    __tracebackhide__ = True
    for name, number in (("examples", examples), ("steps", steps)):
        if not isinstance(number, int) or number < 1:
            raise BadInput(f"{name}: {number!r} is not a number from 1 on")
    subject = subject_of(kernel, isolated)
    limited = subject.limited(profile, exact_limits)
    result = checked_result(
        subject,
        limited,
        database=database,
        examples=examples,
        steps=steps,
        seed=seed,
        keep_going=keep_going,
        call_seconds=call_seconds,
        minimize_seconds=minimize_seconds,
        on_progress=on_progress,
    )
    try:
        raise_unless_passed(result, subject)
    except AssertionError as failed:
        failed.add_note(f"The same calls again: seed={seed}, examples={examples}, steps={steps}, profile={limited.name!r}.")
        raise
    return result


def checked_result(subject: Subject, limited: Profile, *, database: ExampleDatabase | None = HYPOTHESIS_DATABASE, **options: Any) -> CheckResult:
    """The result of a check with earlier failures first, whatever its verdict; ``options`` as for
    ``sendright.properties.check.check``. ``limited`` is the profile with the limits to use."""
    from sendright.model.execution.oracle import Oracle
    from sendright.model.execution.witnesses import witnessed_calls
    from sendright.properties.check import check as run_check

    earlier = EarlierFailures(settings().database if isinstance(database, _Own) else database, subject.label, limited)
    first = witnessed_calls(limited)
    result = run_check(subject.build, Oracle, limited, earlier=earlier.runs, first=first, exact_limits=True, **options)
    try:
        earlier.update(result)
    except OSError as error:  # what was found counts more
        warnings.warn(f"sendright: failing runs are not kept: {error}", stacklevel=2)
    return result
