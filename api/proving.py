"""``sendright.prove``: proves the invariants and theorems of the specification."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sendright.api.failures import NotProved, Undetermined
from sendright.cli.bad_input import BadInput
from sendright.mach.kernel.profiles import Profile, UnknownProfile, profile_named
from sendright.mach.results.checks import ProofResult
from sendright.mach.results.verdicts import ExitStatus, exit_status


def prove(
    profile: Profile | str = "manual",
    *,
    calls: Sequence[str] | None = None,
    invariants: Sequence[int | str] | None = None,
    jobs: int = 2,
    cached: bool = True,
    on_progress: Callable[[float, float | None, str], None] | None = None,
) -> ProofResult:
    """Prove that every call keeps every invariant, for any number of tasks, ports, names and messages.

    - ``profile``: a name or a ``Profile``.
    - ``calls``: only these calls, or rules that calls share. ``invariants``: only these, by number; theorem 4 is
      ``"T4"``.
    - ``jobs``: the number of processes; 0: in this one.
    - ``cached``: whether proofs are read from and kept in your own cache (docs/proved.md). In CI take False.
    - ``on_progress`` gets the number of finished parts, of all parts, and words.

    Returns the result if everything is proved, except what this profile's kernel is known to break. Raises
    ``NotProved``, an AssertionError whose text has the counterexamples; ``Undetermined`` if there is neither a proof
    nor a counterexample; ``BadInput`` for a wrong argument.
    """
    from sendright.cli.prove import open_own_cache
    from sendright.model.proof.prove import UnknownSelection
    from sendright.model.proof.prove import prove as run_prove

    if not isinstance(jobs, int) or jobs < 0:
        raise BadInput(f"jobs: {jobs!r} is not a number of processes")
    if isinstance(calls, str) or isinstance(invariants, str):
        raise BadInput("prove: calls and invariants are lists (write ['mach_port_allocate'], [8])")
    try:
        chosen = profile if isinstance(profile, Profile) else profile_named(profile)
        result = run_prove(
            chosen, calls=calls, invariants=invariants, jobs=jobs, on_progress=on_progress, cache=open_own_cache(None) if cached else None
        )
    except (UnknownProfile, UnknownSelection) as error:
        raise BadInput(str(error)) from error
    status = exit_status(result.verdict)
    if status == ExitStatus.VIOLATION:
        raise NotProved(result)
    if result.interrupted:
        raise KeyboardInterrupt
    if status != ExitStatus.HOLDS:
        raise Undetermined(result)
    return result
