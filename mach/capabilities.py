"""What an implementation has and shows of what can be checked. It declares it, so that a check says what it therefore did not compare."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from sendright.mach.profiles import PROFILES, Profile
from sendright.mach.trace import LIMITS
from sendright.mach.view import IN_WORDS, ViewPart


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What there is. The default is all."""

    profiles: tuple[str, ...] = ()
    """The profiles that it can be booted by, the usual one first; empty: any."""
    calls: frozenset[str] | None = None
    """The calls that it has; None: those of the profile."""
    shows: frozenset[ViewPart] | None = None
    """What it shows of a ``View``; None: it shows a whole ``Snapshot``."""
    shortages: bool = True
    """Allocations can be made to fail (``Call.shortage``)."""
    limits: bool = True
    """It can be booted with other limits than the profile's own: few user references, short queues."""
    recovers: bool = False
    """Booting makes it as new after a crash, whatever has happened: a check goes on after a crash."""
    seconds: float | None = None
    """After so long a call, a look or booting hangs; None: the usual time."""


ALL = Capabilities()
"""What is taken for granted of who declares nothing."""


class NotMade(Exception):
    """Raised by an implementation's ``call``: it can't make this call, as the words say, and nothing has changed."""


def capabilities_of(implementation: object) -> Capabilities:
    """What ``implementation`` declares, by an attribute ``capabilities``."""
    declared = getattr(implementation, "capabilities", ALL)
    return declared if isinstance(declared, Capabilities) else ALL


def cannot_boot(capabilities: Capabilities, profile: Profile) -> str | None:
    """Why such an implementation can't be booted by ``profile``, in words; None: it can."""
    if capabilities.profiles and profile.name not in capabilities.profiles:
        return f"it can't be booted as {profile.name}, but as {', '.join(capabilities.profiles)}"
    usual = PROFILES.get(profile.name)
    if not capabilities.limits and usual is not None and any(getattr(profile, limit) != getattr(usual, limit) for limit in LIMITS):
        return "it can't be booted with other limits than its own"
    return None


def not_compared(capabilities: Capabilities, calls: Collection[str]) -> Iterator[str]:
    """What isn't compared of such an implementation, in words; ``calls`` are those that would be made if it had them."""
    if capabilities.calls is not None:
        lacking = [name for name in calls if name not in capabilities.calls]
        if lacking:
            yield f"calls that it doesn't have: {', '.join(lacking)}"
    if capabilities.shows is not None:
        hidden = [IN_WORDS[part] for part in ViewPart if part not in capabilities.shows]
        if hidden:
            yield f"of what names denote, it doesn't show: {', '.join(hidden)}"
        yield "messages in queues, a task's special ports, memory and tokens are compared only when a call's answer tells of them"
    if not capabilities.shortages:
        yield "what a call does when the kernel's memory is short"
    if not capabilities.limits:
        yield "limits other than the kernel's own"
