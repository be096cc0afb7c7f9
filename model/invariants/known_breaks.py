"""What a profile's kernel breaks: properties that hold elsewhere, and the hazard that breaks them there.

In such a profile a broken invariant is assumed of no state. Of every case it is decided whether it still keeps what held before it: those
listed here must not, by a counterexample, and all others must. So ``sendright prove`` says exactly where a kernel's hazard is, and a hazard
that is gone is a failure too: its line is to be taken out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import Profile
from sendright.model.language.sorts import Scope

SMALL = Scope(tasks=1, ports=4, names=2, messages=1, descriptors=1, objects=1, pages=1)


class Broken(msgspec.Struct, frozen=True):
    """One property that some profiles' kernels break."""

    property: str
    """As obligations name it: ``invariant 8``, ``step invariant 31``, ``theorem 3``."""
    hazard: str
    """Its number in the fact base (semantics 13)."""
    words: str
    breaks: Callable[[Profile], bool]
    """Whether this profile's kernel does."""
    cases: frozenset[tuple[str, str]]
    """The cases that break it, and no others do: rule, title."""
    scope: Scope = SMALL
    """Where there is a counterexample; the smaller, the sooner it is found."""


def _cases(rule: str, *titles: str) -> frozenset[tuple[str, str]]:
    return frozenset((rule, title) for title in titles)


_SENT = _cases("mach_msg_send", "the reply right is copied before the same right is moved", "the header is good")
_ELSEWHERE = "a dead name, under another name than was asked for"
_STOPPED = _cases("host_security_create_task_token", "a child with its parent's tokens; the call stops")
_PLACES = (Place.KERNEL, Place.HOST)
_CREATION = Scope(tasks=2, ports=6, names=3, messages=1, descriptors=1, objects=1, pages=1, places=_PLACES)
_GRANTED = (
    (
        _cases("host_security_set_task_token", "tokens and the privileged host port are set"),
        Scope(tasks=1, ports=5, names=3, messages=1, descriptors=1, objects=1, pages=1, places=_PLACES),
    ),
    (_cases("host_security_create_task_token", "a child with the given tokens and the privileged host port") | _STOPPED, _CREATION),
)


def _stamps_the_kernels(profile: Profile) -> bool:
    return not profile.trailer_is_senders


def _takes_any_host_port(profile: Profile) -> bool:
    return not profile.host_is_checked


BROKEN = (
    Broken(
        "step invariant 36",
        "H-2",
        "a child has its parent's tokens until it is given its own in a second step",
        lambda profile: profile.tokens_in_two_steps,
        _STOPPED,
        _CREATION,
    ),
    Broken(
        "invariant 8",
        "H-8",
        "a name that loses RECEIVE to a port-destroyed request becomes a dead name, and its send right stays counted",
        lambda profile: not profile.send_survives_rescue,
        _cases("mach_port_mod_refs", "the receive right goes where it was asked for"),
        Scope(tasks=1, ports=5, names=2, messages=1, descriptors=1, objects=1, pages=1),
    ),
    *[
        Broken(name, "H-3", "every message carries the kernel's tokens, whoever sent it", _stamps_the_kernels, _SENT)
        for name in ("step invariant 31", "theorem 3")
    ],
    Broken(
        "step invariant 117",
        "H-10",
        "a dead name that is asked for by name goes under another",
        lambda profile: not profile.allocate_name_takes_dead_name,
        _cases("mach_port_allocate_name", _ELSEWHERE) | _cases("mach_port_allocate_full", _ELSEWHERE),
    ),
    *[
        Broken(name, "H-4", "who presents any host port is given the privileged one for a task", _takes_any_host_port, cases, scope)
        for name in ("step invariant 22", "step invariant 33", "theorem 2")
        for cases, scope in _GRANTED
    ],
)


def is_broken(name: str, profile: Profile) -> bool:
    """Whether the property is one that the profile's kernel breaks somewhere."""
    return any(one.property == name and one.breaks(profile) for one in BROKEN)


def known_break(name: str, profile: Profile, rule: str, title: str) -> Broken | None:
    """Why this case of the rule breaks the property in this profile; None: it must not."""
    return next((one for one in BROKEN if one.property == name and one.breaks(profile) and (rule, title) in one.cases), None)
