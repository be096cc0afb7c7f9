"""What a server is: a routine for each message id. MIG's rule says who owns the rights of a request afterwards.

A routine that returns KERN_SUCCESS has taken all that the request carries. A routine that returns an error has taken
nothing, and the server loop destroys the request. MIG_NO_REPLY means that the routine has taken all, the reply right
too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from sendright.mach.abi.descriptors import is_array, is_memory, received_pages, rights_in
from sendright.mach.state.trace import Step
from sendright.properties.servers.library import Message

if TYPE_CHECKING:
    from sendright.properties.servers.service import Service

MEMORY = "memory"
"""In ``Routine.takes``: a page of out-of-line memory."""
ARRAY = "array"
"""In ``Routine.takes``, with the form of its rights: an array of ports."""
Form = int | str | tuple[str, int]
"""What a descriptor is: the form of its right (MOVE_SEND …), (``ARRAY``, form), or ``MEMORY``."""


class Request(msgspec.Struct, frozen=True):
    """A request, as the server received it."""

    id: int
    reply: int
    """The name of the reply right; 0: there is none."""
    reply_disposition: int
    descriptors: tuple[tuple[Any, ...], ...]
    data: int
    security_token: tuple[int, ...]
    audit_token: tuple[int, ...]
    size: int
    """``msgh_size``."""

    @classmethod
    def of(cls, step: Step) -> Request:
        """The request that a successful ``mach_msg_receive`` gave."""
        given = {field: step.outputs.get(field, default) for field, default in _OUTPUTS.items()}
        return cls(**given)

    @property
    def rights(self) -> tuple[tuple[int, int], ...]:
        """The rights of the body, in order: (name, form)."""
        return tuple(rights_in(self.descriptors))

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages of the body, in order."""
        return received_pages(self.descriptors)

    @property
    def message(self) -> Message:
        """The request as ``mach_msg_destroy`` takes it."""
        return Message(self.reply, self.reply_disposition, self.descriptors)


_OUTPUTS: dict[str, Any] = {
    "id": 0,
    "reply": 0,
    "reply_disposition": 0,
    "descriptors": (),
    "data": 0,
    "security_token": (),
    "audit_token": (),
    "size": 0,
}


class Routine(msgspec.Struct, frozen=True):
    """What a server does for one message id."""

    name: str
    does: Callable[[Service, Request], int]
    """Makes calls as the server, and returns the code (``RetCode``)."""
    takes: tuple[Form, ...] | None = None
    """The descriptors that the request must have, or MIG's stub refuses it with MIG_BAD_ARGUMENTS; None: any."""

    def fits(self, request: Request) -> bool:
        """Whether the request has the descriptors that the routine takes."""
        if self.takes is None:
            return True
        return len(self.takes) == len(request.descriptors) and all(map(_is_of, request.descriptors, self.takes))


def _is_of(descriptor: tuple[Any, ...], form: Form) -> bool:
    if is_memory(descriptor):
        return form == MEMORY
    if is_array(descriptor):
        return isinstance(form, tuple) and (not descriptor[0] or descriptor[1] == form[1])
    return bool(descriptor[1] == form)


_Method = TypeVar("_Method", bound=Callable[..., int])


def routine(id: int, takes: tuple[Form, ...] | None = None) -> Callable[[_Method], _Method]:
    """Marks a method of a Server, ``(self, service, request) -> code``, as the routine for requests of this ``id``."""

    def mark(method: _Method) -> _Method:
        vars(method)["routine"] = (id, takes)
        return method

    return mark


class Server:
    """A server in Python: a subclass has a method for each message id that it serves.

        class Launchd(Server):
            name = "launchd"

            @routine(2405, takes=(Disposition.MOVE_SEND, Disposition.MOVE_SEND))
            def mach_exception_raise(self, service, request):
                for name, _ in request.rights:
                    service.call("mach_port_deallocate", name=name)
                return ReturnCode.KERN_SUCCESS

    Each run has a server of its own, so a method may keep what it likes in ``self``.
    """

    name: ClassVar[str] = "server"
    interesting: ClassVar[tuple[int, ...]] = ()
    """Numbers that random requests should carry as data, beside small ones and names."""

    def begin(self, service: Service) -> None:
        """Set up what the server has before the first request. A right that clients can look up has to be given to
        ``service.share``."""

    @property
    def routines(self) -> Mapping[int, Routine]:
        """The routines, by message id."""
        found: dict[int, Routine] = {}
        for name in dir(type(self)):
            marked = getattr(getattr(type(self), name), "routine", None)
            if isinstance(marked, tuple):
                found[marked[0]] = Routine(name, getattr(self, name), marked[1])
        return found
