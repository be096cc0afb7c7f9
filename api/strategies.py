"""Hypothesis strategies for Mach calls: single ones, and whole sequences.

    from hypothesis import given
    from sendright import strategies

    @given(strategies.sequences(profile="gnumach", max_calls=10))
    def test_driver(sequence):
        for task, call in sequence: ...

The calls are those of ``sendright check``: made by several tasks, with good, stale, dead, reserved and foreign names.
Hypothesis shrinks them as usual: it leaves out calls, and makes the choices in each of them simpler.
"""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st

from sendright.cli.bad_input import BadInput
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import PROFILES, Profile, UnknownProfile, profile_named
from sendright.mach.kernel.unmodelled import as_judged, why_unmodelled, why_unmodelled_there
from sendright.mach.signatures import SIGNATURES, with_defaults
from sendright.mach.state.snapshot import Snapshot, changes
from sendright.mach.state.trace import Step
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls, near_limits
from sendright.properties.runs.judged_run import callers

__all__ = ["calls", "profiles", "sequences"]

MOST_CALLS = 100
"""The longest sequence: Hypothesis draws no more bytes than that needs."""

CallOfTask: TypeAlias = tuple[int, Call]
"""The number of the calling task, and its call."""

_BLOCKS = st.binary(min_size=BYTES_PER_CALL, max_size=BYTES_PER_CALL)


def profiles() -> st.SearchStrategy[Profile]:
    """The profiles, the manual's first."""
    return st.sampled_from(list(PROFILES.values()))


def calls(snapshot: Snapshot, *, profile: Profile | str = "manual", name: str | None = None) -> st.SearchStrategy[CallOfTask]:
    """Calls that a task can make in the state ``snapshot``: pairs of the task's number and the call.

    With ``name``: only that call. Raises ``BadInput`` if there is no such call or profile, or no task that can make
    calls.
    """
    if name is not None and name not in SIGNATURES:
        raise BadInput(f"unknown call {name!r} (sendright calls lists them)")
    if not callers(snapshot):
        raise BadInput("no task of this state can make calls: each is suspended or waits")
    chosen = _profile(profile)
    unmodelled = None if name is None or chosen.serves(name) else why_unmodelled(Call(name, {}), chosen)
    if unmodelled is not None:
        raise BadInput(unmodelled)

    def decoded(block: bytes) -> CallOfTask:
        drawn = Calls(chosen, block)
        for task, shown in snapshot.tasks.items():
            drawn.names_seen[task] = set(shown.names)
        task, call = drawn.next(snapshot, name)
        return task, as_judged(with_defaults(call), chosen)

    return _BLOCKS.map(decoded)


def sequences(
    *, profile: Profile | str = "manual", min_calls: int = 0, max_calls: int = 20, exact_limits: bool = False
) -> st.SearchStrategy[list[CallOfTask]]:
    """Sequences of calls from the boot state on: lists of pairs of a task's number and its call.

    The names and tasks in them are those of sendright's reference kernel, which makes each call as it is drawn. A
    kernel that gives a new right another name needs these translated. ``max_calls`` is 100 at most. A sequence has
    fewer calls than were drawn if the specification says nothing of one of them, or all tasks wait.

    With ``exact_limits`` the profile has its own limits; otherwise they are small, so that sequences reach them.
    Raises ``BadInput``.
    """
    if not 0 <= min_calls <= max_calls <= MOST_CALLS:
        raise BadInput(f"sequences: {min_calls} to {max_calls} calls can't be drawn (give two numbers from 0 to {MOST_CALLS}, the smaller one first)")
    chosen = _profile(profile)
    limited = chosen if exact_limits else near_limits(chosen)
    made = st.lists(_BLOCKS, min_size=min_calls, max_size=max_calls).map(lambda blocks: _made(limited, blocks))
    return made.filter(lambda sequence: len(sequence) >= min_calls)


def _profile(profile: Profile | str) -> Profile:
    try:
        return profile if isinstance(profile, Profile) else profile_named(profile)
    except UnknownProfile as error:
        raise BadInput(str(error)) from error


def _made(profile: Profile, blocks: list[bytes]) -> list[CallOfTask]:
    """The calls that ``blocks`` stand for, made one after the other on the reference kernel."""
    from sendright.impl.reference import ReferenceKernel

    kernel = ReferenceKernel()
    kernel.boot(profile)
    drawn = Calls(profile, b"")
    sequence: list[CallOfTask] = []
    before = kernel.snapshot()
    for block in blocks:
        drawn.reread(block)
        if drawn.over(before):
            break
        task, call = drawn.next(before)
        call = as_judged(with_defaults(call), profile)
        if why_unmodelled_there(task, call, before, profile) is not None:
            continue
        result = kernel.call(task, call)
        after = kernel.snapshot()
        drawn.made(Step.of(len(sequence), task, call, result, changes(before, after)))
        sequence.append((task, call))
        before = after
    return sequence
