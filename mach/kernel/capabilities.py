"""What an implementation supports. Checks report what they could not compare."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.state.trace import LIMITS
from sendright.mach.state.view import IN_WORDS, ViewPart


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an implementation supports; by default everything."""

    profiles: tuple[str, ...] = ()
    """The profiles that it can boot with, the default first; empty: any."""
    calls: frozenset[str] | None = None
    """The calls that it serves; None: those of the profile."""
    shows: frozenset[ViewPart] | None = None
    """The parts of a ``View`` that it shows; None: it shows a whole ``Snapshot``."""
    shortages: bool = True
    """Whether allocations can be made to fail (``Call.shortage``)."""
    limits: bool = True
    """Whether it can boot with limits other than the profile's own: few user references, short queues."""
    recovers: bool = False
    """Whether booting restores it completely after any crash. If so, a check continues after a crash."""
    not_compared: tuple[str, ...] = ()
    """What else can't be compared, in words of its own."""
    seconds: float | None = None
    """A call, a snapshot or a boot that takes longer counts as hung; None: the default time."""


ALL = Capabilities()
"""The capabilities of an implementation that declares none."""


class NotMade(Exception):
    """An implementation's ``call`` raises it for a call that it can't make; the text says why. Nothing has changed."""


def capabilities_of(implementation: object) -> Capabilities:
    """The attribute ``capabilities`` of ``implementation``, or ``ALL``."""
    declared = getattr(implementation, "capabilities", ALL)
    return declared if isinstance(declared, Capabilities) else ALL


def cannot_boot(capabilities: Capabilities, profile: Profile) -> str | None:
    """Why an implementation with these ``capabilities`` can't boot with ``profile``; None: it can."""
    if capabilities.profiles and not {profile.name, base_of(profile.name)} & set(capabilities.profiles):
        return f"it can't boot as {profile.name}, only as {', '.join(capabilities.profiles)}"
    usual = PROFILES.get(profile.name)
    if not capabilities.limits and usual is not None and any(getattr(profile, limit) != getattr(usual, limit) for limit in LIMITS):
        return "it can't boot with limits other than its own"
    return None


def not_compared(capabilities: Capabilities, calls: Collection[str]) -> Iterator[str]:
    """What a check with these ``calls`` can't compare with these ``capabilities``, in words."""
    if capabilities.calls is not None:
        lacking = [name for name in calls if name not in capabilities.calls]
        if lacking:
            yield f"calls that it doesn't have: {', '.join(lacking)}"
    if capabilities.shows is not None:
        hidden = [IN_WORDS[part] for part in ViewPart if part not in capabilities.shows]
        if hidden:
            yield f"parts of a name's right that it doesn't show: {', '.join(hidden)}"
        yield "messages in queues, a task's special ports, memory and tokens, unless a call returns them"
    if not capabilities.shortages:
        yield "behaviour when the kernel runs out of memory"
    if not capabilities.limits:
        yield "limits other than the kernel's own"
    yield from capabilities.not_compared
