"""What each kernel's own library does for servers: ``mach_msg_destroy``, and how ``mach_msg_server`` differs.

Both are code of the task's own. So a library is a description of the kernel calls that it makes, and each of these is
judged like any other call.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import msgspec

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE, is_array, is_memory
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Disposition, Right
from sendright.mach.kernel.call import Call
from sendright.mach.state.trace import Step

_UNSENT = frozenset({ReturnCode.MACH_SEND_INVALID_DEST, ReturnCode.MACH_SEND_TIMED_OUT})


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """How a library's server loop treats a reply that it can't send."""

    source: str
    """The functions and their file."""
    unsent: frozenset[int] = _UNSENT
    """The errors after which the loop destroys the reply and goes on. After others it ends."""
    waits_for_room: bool = False
    """Whether a reply to a plain send right waits while the queue is full."""
    destroys_simple_replies: bool = True
    """Whether the loop destroys an unsent reply that carries no right: that gives up the reply right."""
    mistakes_request_for_reply: bool = False
    """Whether ``mach_msg_server`` destroys the request where it means to destroy the unsent reply."""
    destroys_unwanted_replies: bool = True
    """Whether the loop destroys a reply with rights for which the client gave no reply right."""
    ignores_deallocate: bool = False
    """Whether ``mach_msg_destroy`` gives up memory that the sender of an unsent message would have kept."""


_OSF = Library(source="mach_msg_server in mach_services/lib/libmach/mach_msg_server.c of OSF MK")
LIBRARIES: dict[str, Library] = {
    "manual": _OSF,
    "osf": _OSF,
    "xnu-792": Library(
        source="mach_msg_server in mach/mach_msg.c of Libc 391 (Mac OS X 10.4)",
        destroys_simple_replies=False,
        mistakes_request_for_reply=True,
    ),
    "gnumach": Library(
        source="__mach_msg_server_timeout in mach/msgserver.c of glibc",
        unsent=frozenset({ReturnCode.MACH_SEND_INVALID_DEST}),
        waits_for_room=True,
        ignores_deallocate=True,
    ),
    "xnu": Library(
        source="mach_msg_server in libsyscall/mach/mach_msg.c of XNU 11417",
        unsent=_UNSENT | {ReturnCode.MACH_SEND_INTERRUPTED},
        destroys_unwanted_replies=False,
    ),
}
"""Profile -> the library of its kernels' servers."""


RESERVED = (NULL_NAME, DEAD_NAME)
"""Names without a right: ``MACH_PORT_VALID`` is false for them."""


class Message(msgspec.Struct, frozen=True):
    """A message in a task's memory: one that it received, or one that it hasn't sent."""

    remote: int
    """``msgh_remote_port``: of a received message the reply right, of an unsent one the destination."""
    remote_disposition: int
    descriptors: tuple[tuple[Any, ...], ...] = ()
    """As results or as arguments (``mach/abi/descriptors.py``)."""


Calls: TypeAlias = Generator[Call, Step, None]
"""Some calls; each becomes a step, which has to be sent to the generator."""


def calls_to_destroy(message: Message, own: int, library: Library) -> Calls:
    """The calls that ``mach_msg_destroy`` makes for ``message``, in order; ``own`` is the name of the task's own
    port."""
    yield from _calls_for_right(message.remote, message.remote_disposition, own)
    for descriptor in message.descriptors:
        if is_memory(descriptor):
            given_up = len(descriptor) == 1 or bool(descriptor[2]) or library.ignores_deallocate
            if given_up and descriptor[0] != NO_PAGE:
                yield Call("vm_deallocate", {"task": own, "address": descriptor[0]})
        else:
            for name in descriptor[0] if is_array(descriptor) else (descriptor[0],):
                yield from _calls_for_right(name, descriptor[1], own)


def _calls_for_right(name: int, disposition: int, own: int) -> Calls:
    """``mach_msg_destroy_port``. Of COPY_SEND there is nothing to give up. MAKE_ makes a right, and gives it up."""
    if name in RESERVED:
        return
    if disposition in (Disposition.MOVE_SEND, Disposition.MOVE_SEND_ONCE):
        yield Call("mach_port_deallocate", {"task": own, "name": name})
    elif disposition == Disposition.MOVE_RECEIVE:
        yield Call("mach_port_mod_refs", {"task": own, "name": name, "right": int(Right.RECEIVE), "delta": -1})
    elif disposition == Disposition.MAKE_SEND:
        yield Call("mach_port_insert_right", {"task": own, "name": name, "poly": name, "disposition": disposition})
        yield Call("mach_port_deallocate", {"task": own, "name": name})
    elif disposition == Disposition.MAKE_SEND_ONCE:
        made = yield Call("mach_port_extract_right", {"task": own, "name": name, "disposition": disposition})
        yield Call("mach_port_deallocate", {"task": own, "name": made.outputs.get("poly", name)})
