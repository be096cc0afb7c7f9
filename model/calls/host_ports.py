"""The host's special ports: rights that the kernel holds for holders of the privileged host port."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import HostPort, Place, PortObject
from sendright.mach.state.process import FIRST_PID
from sendright.model.calls.special_ports import hold_copy, may_be_kept
from sendright.model.language.actions import clone_to_user, drop_held_send, place_slot
from sendright.model.language.evidence import ran, read, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import PROCESS
from sendright.model.language.state import After
from sendright.model.language.terms import Int, Message, Name

KERNELS_OWN = 7
"""``HOST_MAX_SPECIAL_KERNEL_PORT``: up to this number only the kernel sets them."""


def _request(k: Context, host_priv: Name, which: Int, lowest: int, *others: Name) -> Iterator[Case]:
    """The first tests of both calls. Number 0, the security port, is refused like a number that doesn't exist.

    XNU 11417 takes the privileged port only from a task whose own host port it is (``convert_port_to_host_priv`` in
    ``kern/ipc_host.c``).
    """
    yield from k.request(host_priv, *others, called="host_priv")
    privileged = k.object(host_priv, PortObject.HOST_PRIV)
    if k.profile.host_priv_is_callers:
        own = place_slot(k.before, k.caller, Place.HOST)
        privileged = z3.And(privileged, k.before.sends(own), k.before.port(own) == k.before.port(k.slot(host_priv)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "host_priv is not the privileged host port", z3.Not(privileged))
    outside = z3.Or(which < lowest, which > k.profile.host_special_ports)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such special port", outside)


@rule(
    evidence=rests_on(
        xnu_792=read("kern/host.c: host_get_special_port; kern/ipc_host.c: convert_port_to_host_priv")
        + ran("XNU 792's own code has the host's special ports 1 to 15, as its header says.", "a clone of the special port"),
        xnu="kern/host.c: host_get_special_port_from_user, host_get_special_port; kern/ipc_host.c: convert_port_to_host_priv",
    )
)
def host_get_special_port(k: Context, host_priv: Name, node: Int, which: Int, *, reply_message: Message) -> Iterator[Case]:
    """Get a send right to one of the host's special ports.

    XNU 11417 tells null for a kernel object's port, except for the host's own (``host_get_special_port`` in
    ``kern/host.c``).
    """
    # NAMES
    held = k.sorts.Slot.host_slot(which)
    # CASES
    yield from _request(k, host_priv, which, 1)

    # REPLY
    def give(after: After) -> None:
        [result] = k.begin_reply(after, reply_message, 1)
        clone_to_user(after, held, result, kernels_own=which <= int(HostPort.HOST_IO_MASTER))

    yield k.succeeds("a clone of the special port", k.otherwise(), give, replies=1)


@rule(
    evidence=rests_on(
        xnu_792="kern/host.c: host_set_special_port; kern/ipc_host.c: convert_port_to_host_priv",
        xnu="kern/host.c: host_set_special_port_from_user, host_set_special_port; kern/ipc_host.c: convert_port_to_host_priv",
    )
)
def host_set_special_port(k: Context, host_priv: Name, which: Int, port: Name) -> Iterator[Case]:
    """Keep a right as one of the host's special ports. The old right is given up.

    XNU 11417 lets only launchd do so: the process of the first task (``initproc``).
    """
    # NAMES
    held = k.sorts.Slot.host_slot(which)
    # CASES
    yield from _request(k, host_priv, which, KERNELS_OWN + 1, port)
    yield from may_be_kept(k, port)
    if k.profile.has_processes and k.profile.only_init_sets_host_ports:
        first = z3.And(k.before.process(k.caller) == PROCESS.RUNNING, k.before.pid(k.caller) == FIRST_PID)
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "the caller is not the first process", z3.Not(first))
    elif k.profile.only_init_sets_host_ports and not k.profile.host_priv_is_callers:  # else only that task gets so far
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "the caller is not the first task", k.caller != k.sorts.first_task)

    # RIGHTS
    def keep(after: After) -> None:
        drop_held_send(after, held)
        hold_copy(k, after, port, held)

    yield k.succeeds("the right is kept", k.otherwise(), keep)
