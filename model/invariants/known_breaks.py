"""Known breaks: properties that a profile's kernel breaks, with the hazard that breaks them.

In such a profile no proof assumes the broken invariant. For every case, the prover decides whether it still preserves
the invariant. The cases listed here must have a counterexample, and all others must be proved. So ``sendright prove``
says exactly where a kernel's hazard is. A hazard that is gone is a failure too: remove its line.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sendright.mach.kernel.profiles import Profile


class KnownBreak(msgspec.Struct, frozen=True):
    """One property that some profiles' kernels break."""

    property: str
    """As obligations name it: ``invariant 8``, ``step invariant 31``, ``theorem 3``."""
    hazard: str
    """The hazard's number in the fact base (semantics 13)."""
    words: str
    breaks: Callable[[Profile], bool]
    """Whether this profile's kernel breaks it."""
    cases: frozenset[tuple[str, str]]
    """The cases that break it, all of them: rule, title."""


def _cases(rule: str, *titles: str) -> frozenset[tuple[str, str]]:
    return frozenset((rule, title) for title in titles)


_SENT = _cases("mach_msg_send", "the reply right is copied before the same right is moved", "the header is valid")
_ELSEWHERE = "a dead name, under another name than requested"
_STOPPED = _cases("host_security_create_task_token", "a child with its parent's tokens; the call stops")
_GRANTED = (
    _cases("host_security_set_task_token", "tokens and the privileged host port are set")
    | _cases("host_security_create_task_token", "a child with the given tokens and the privileged host port")
    | _STOPPED
)


def _stamps_the_kernels(profile: Profile) -> bool:
    return not profile.trailer_is_senders


def _takes_any_host_port(profile: Profile) -> bool:
    return not profile.host_is_checked


KNOWN_BREAKS = (
    KnownBreak(
        "step invariant 36",
        "H-2",
        "a child has its parent's tokens until it is given its own in a second step",
        lambda profile: profile.tokens_in_two_steps,
        _STOPPED,
    ),
    KnownBreak(
        "invariant 8",
        "H-8",
        "a name that loses RECEIVE to a port-destroyed request becomes a dead name, and its send right stays counted",
        lambda profile: not profile.send_survives_rescue,
        _cases("mach_port_mod_refs", "the receive right goes to the port-destroyed requester"),
    ),
    *[
        KnownBreak(name, "H-3", "every message carries the kernel's tokens, not its sender's", _stamps_the_kernels, _SENT)
        for name in ("step invariant 31", "theorem 3")
    ],
    KnownBreak(
        "step invariant 117",
        "H-10",
        "a dead name is allocated under another name than requested",
        lambda profile: not profile.allocate_name_takes_dead_name,
        _cases("mach_port_allocate_name", _ELSEWHERE) | _cases("mach_port_allocate_full", _ELSEWHERE),
    ),
    *[
        KnownBreak(name, "H-4", "a caller that presents any host port gets the privileged one for a task", _takes_any_host_port, _GRANTED)
        for name in ("step invariant 22", "step invariant 33", "theorem 2")
    ],
)


def is_broken(name: str, profile: Profile) -> bool:
    """Whether some case of the profile's kernel breaks the property."""
    return any(one.property == name and one.breaks(profile) for one in KNOWN_BREAKS)


def known_break(name: str, profile: Profile, rule: str, title: str) -> KnownBreak | None:
    """The reason why this case of the rule breaks the property in this profile. None: it must not break it."""
    return next((one for one in KNOWN_BREAKS if one.property == name and one.breaks(profile) and (rule, title) in one.cases), None)
