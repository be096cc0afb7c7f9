"""The host's special ports: rights that the kernel holds for whoever has the privileged host port."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import PortObject
from sendright.model.actions import clone, drop_held_send
from sendright.model.calls.special_ports import hold_copy, may_be_kept
from sendright.model.rules import Case, Context, rule
from sendright.model.state import After

KERNELS_OWN = 7
"""``HOST_MAX_SPECIAL_KERNEL_PORT``: up to this number the kernel alone sets them."""


def _request(k: Context, lowest: int, *others: str) -> Iterator[Case]:
    """The first tests of both calls. Number 0, the security port, is refused like any that doesn't exist."""
    yield from k.request("host_priv", *others)
    privileged = k.object(k.host_priv, PortObject.HOST_PRIV)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "host_priv is not the privileged host port", z3.Not(privileged))
    outside = z3.Or(k.which < lowest, k.which > k.profile.host_special_ports)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such special port", outside)


@rule("host_get_special_port", choices={"reply_message": "Message"}, host_priv="Name", which="Int")
def host_get_special_port(k: Context) -> Iterator[Case]:
    """Get a send right to one of the host's special ports. Source: semantics 4.4."""
    # NAMES
    held = k.sorts.Slot.host_slot(k.which)
    # CASES
    yield from _request(k, 1)

    # RIGHTS, REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, 1)
        clone(after, held, result)

    yield k.succeeds("a clone of the special port", True, give, replies=1)


@rule("host_set_special_port", host_priv="Name", which="Int", port="Name")
def host_set_special_port(k: Context) -> Iterator[Case]:
    """Keep a right as one of the host's special ports; what was there is given up. Source: semantics 4.4."""
    # NAMES
    held = k.sorts.Slot.host_slot(k.which)
    # CASES
    yield from _request(k, KERNELS_OWN + 1, "port")
    yield from may_be_kept(k, k.port)

    # RIGHTS
    def keep(after: After) -> None:
        drop_held_send(after, held)
        hold_copy(k, after, k.port, held)

    yield k.succeeds("the right is kept", True, keep)
