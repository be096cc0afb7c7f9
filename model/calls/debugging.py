"""What kernels tell about ports and spaces to debuggers (``ipc/mach_debug.c``)."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import KERNEL_OBJECT_TYPES, PortObject
from sendright.model.calls.entry import Entry, on_space
from sendright.model.language.evidence import Evidence, Grounds, read, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import OBJECT, Term
from sendright.model.language.terms import Name

_FOUND = "ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"
_FOUND_IN_GNUMACH = "ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_write"
"""GNU Mach's ``ipc/ipc_right.h`` makes ``ipc_right_lookup_read`` another name of it."""


def _debugs(function: str, xnu: Grounds | str, gnumach: Grounds | str = ()) -> Evidence:
    """A call of ``ipc/mach_debug.c``. In a released XNU 792 it fails: that kernel is built without ``MACH_IPC_DEBUG``,
    which ``conf/MASTER`` has for kernels for debugging only.
    """
    return rests_on(xnu_792=f"ipc/mach_debug.c: {function}", gnumach=gnumach, xnu=xnu)


def _is_left_out(k: Context, task: Name) -> Iterator[Case]:
    """All that a call does in a kernel that is built without it."""
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_FAILURE, "the kernel is built without this call", k.otherwise())


def _receives(k: Context, e: Entry) -> Iterator[Case]:
    """The name must denote a receive right. The reserved names denote nothing."""
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no receive right", z3.Not(e.receives))


@rule(
    evidence=_debugs(
        "mach_port_get_srights",
        gnumach=f"ipc/mach_debug.c: mach_port_get_srights; {_FOUND_IN_GNUMACH}",
        xnu=f"ipc/mach_debug.c: mach_port_get_srights; {_FOUND}",
    )
)
def mach_port_get_srights(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Count a port's send rights, in all tasks and messages."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    if not k.profile.has_ipc_debug:
        yield from _is_left_out(k, task)
        return
    yield from on_space(k, task)
    yield from _receives(k, e)
    # REPLY
    yield k.succeeds("the port's send rights", k.otherwise(), srights=k.before.srights(e.port))


def _kernel_object(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Tell which kind of kernel object a port is. The address is another for each kernel, or 0.

    GNU Mach makes the device port without a type (``device_service_create`` in ``device/device_init.c``).
    """
    # NAMES
    e = Entry(k, task, name)
    object_: Term = k.before.object(e.port)
    number = z3.IntVal(KERNEL_OBJECT_TYPES[PortObject.NONE])
    typed = {kind: value for kind, value in KERNEL_OBJECT_TYPES.items() if kind is not PortObject.DEVICE or k.profile.device_port_has_type}
    for kind, value in typed.items():
        number = z3.If(object_ == OBJECT.of(kind), z3.IntVal(value), number)
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has neither a send right nor a receive right", z3.Not(z3.Or(e.sends, e.receives)))
    # REPLY
    yield k.succeeds("the kind of kernel object", k.otherwise(), object_type=number)


_KOBJECT = (
    "ipc/mach_debug.c: mach_port_kobject_from_user, mach_port_kobject_description_from_user, mach_port_kobject_description; "
    "ipc/ipc_right.c: ipc_right_lookup_read"
)


@rule(evidence=rests_on(xnu=_KOBJECT))
def mach_port_kobject(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Tell which kind of kernel object a port is; 0 for a user's port.

    Source: ``mach_port_kobject_description`` in ``ipc/mach_debug.c``.
    """
    # CASES, REPLY
    yield from _kernel_object(k, task, name)


@rule(
    evidence=_debugs(
        "mach_port_kernel_object",
        gnumach="ipc/mach_debug.c: mach_port_kernel_object; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu=read(_KOBJECT) + read("../libsyscall/mach/mach_port.c: mach_port_kernel_object"),
    )
)
def mach_port_kernel_object(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Tell which kind of kernel object a port is. In XNU 11417 the library makes mach_port_kobject of it."""
    # CASES, REPLY
    if not k.profile.has_ipc_debug:
        yield from _is_left_out(k, task)
        return
    yield from _kernel_object(k, task, name)


@rule(evidence=_debugs("mach_port_space_info", xnu="ipc/mach_debug.c: mach_port_space_info_from_user, mach_port_space_info"))
def mach_port_space_info(k: Context, task: Name) -> Iterator[Case]:
    """List the names of a space, the right of each as it is in the kernel's table, and its user references.

    For a name at which no call has looked since its port died, it tells the right that the name was.
    """
    # CASES
    if not k.profile.has_ipc_debug:
        yield from _is_left_out(k, task)
        return
    yield from on_space(k, task)
    # REPLY: all names of the space (the oracle lists them, since a list has no term)
    yield k.succeeds("all names, their rights and references", k.otherwise(), entries_of=k.task_behind(task))


@rule(evidence=rests_on(xnu="ipc/mach_debug.c: mach_port_space_basic_info"))
def mach_port_space_basic_info(k: Context, task: Name) -> Iterator[Case]:
    """Count the names of a space."""
    # CASES
    yield from on_space(k, task)
    # REPLY: the number of its names (the oracle counts them)
    yield k.succeeds("how many names the space has", k.otherwise(), count_of=k.task_behind(task))


@rule(
    evidence=_debugs(
        "mach_port_dnrequest_info",
        gnumach=f"ipc/mach_debug.c: mach_port_dnrequest_info; {_FOUND_IN_GNUMACH}",
        xnu=f"ipc/mach_debug.c: mach_port_dnrequest_info; {_FOUND}",
    )
)
def mach_port_dnrequest_info(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Tell how large the kernel's table of a port's requests for dead-name is, and how many requests are in it."""
    # NAMES
    e = Entry(k, task, name)
    # CASES
    if not k.profile.has_ipc_debug:
        yield from _is_left_out(k, task)
        return
    yield from on_space(k, task)
    yield from _receives(k, e)
    # REPLY: the number of requests (the oracle counts them)
    yield k.succeeds("the requests of the port", k.otherwise(), total=k.before.request_slots(e.port), requests_of=e.port)
