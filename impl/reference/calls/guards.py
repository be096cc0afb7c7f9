"""Guarded receive rights: making, guarding and ending them (``ipc/mach_port.c`` and ``ipc_right_destruct`` of later
kernels).

A guard is a word that only the port's owner knows. Code that gives up a wrong name by mistake can't end a guarded port.
A guard doesn't prevent the right from being sent in a message; for that the port is made immovable.
"""

from __future__ import annotations

from sendright.impl.reference.calls.names import NameCalls, entry_of, receive_right_of, space_of
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.pegged import settled_delta
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortAttributes, PortPurpose
from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.call import Result
from sendright.mach.state.boot import BOOTSTRAP_TASK

USUAL_QUEUE_LIMIT = -1

_WORDS_OF_GUARD = 2

_PURPOSES = (PortPurpose.REPLY, PortPurpose.REPLY, PortPurpose.ENFORCED, PortPurpose.EXCEPTION)
"""Of the options for a reply port, a provisional one, one that enforces their semantics, and one for exceptions. What a
program that isn't hardened asks for as a reply port is provisional. (``ipc_port_init``)
"""


class GuardCalls(NameCalls):
    """The calls that make ports with options, guard them, and end them."""

    def mach_port_construct(
        self,
        caller: Task,
        task: Task | None,
        context: int,
        context_as_guard: bool,
        strict: bool,
        immovable: bool,
        insert_send: bool,
        qlimit: int,
        temp_owner: bool,
        importance_receiver: bool,
        denap_receiver: bool,
        service: bool,
        reply: bool,
        provisional_reply: bool,
        enforce_reply: bool,
        exception: bool,
    ) -> Result:
        """Make a receive right, optionally guarded, with a send right, and for one purpose; returns its name.

        KERN_INVALID_ARGUMENT (several purposes), KERN_INVALID_TASK, KERN_DENIED (a service port that isn't launchd's),
        KERN_INVALID_VALUE, KERN_RESOURCE_SHORTAGE.
        """
        wanted = [purpose for flag, purpose in zip((reply, provisional_reply, enforce_reply, exception), _PURPOSES, strict=True) if flag]
        if len(wanted) > 1:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        space = space_of(task)
        if service and caller.number != BOOTSTRAP_TASK:
            raise Failure(ReturnCode.KERN_DENIED)
        if qlimit != USUAL_QUEUE_LIMIT and not 0 <= qlimit <= self.profile.queue_limit_max:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        self.allocate()
        port = self.make_port()
        if qlimit != USUAL_QUEUE_LIMIT:
            port.queue_limit = qlimit
        port.context, port.service = context, service
        for purpose in wanted:
            port.purpose, port.immovable = purpose, purpose is PortPurpose.EXCEPTION
        port.imp_donation, port.temp_owner = temp_owner or importance_receiver or denap_receiver, temp_owner
        if context_as_guard:
            port.guarded, port.strict, port.immovable = True, strict, port.immovable or immovable
        name = space.fresh_name()
        space.enter(name, SlotKind.RECEIVE, port)
        if insert_send:
            space.join(name, port.make_send())
        return Result(ReturnCode.KERN_SUCCESS, {"name": name})

    def mach_port_destruct(self, caller: Task, task: Task | None, name: int, srdelta: int, guard: int) -> Result:
        """Give up a receive right by its guard. With ``srdelta`` < 0, first give up so many references of the send
        right under the same name.

        KERN_INVALID_TASK; KERN_INVALID_NAME; KERN_INVALID_RIGHT; KERN_INVALID_VALUE if ``srdelta`` > 0;
        KERN_INVALID_ARGUMENT for a wrong guard; KERN_INVALID_VALUE if there are fewer references.
        """
        space = space_of(task)
        entry = entry_of(space, name)
        if entry.kind not in HAS_RECEIVE or (srdelta != 0 and entry.kind not in HAS_SEND):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)
        if srdelta > 0:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if entry.port.guarded and entry.port.context != guard:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if srdelta != 0:
            space.set_references(name, entry.urefs + settled_delta(entry.urefs, srdelta, self.profile.urefs_max))
        self.release_receive(space, name, entry)
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_guard(self, caller: Task, task: Task | None, name: int, guard: int, strict: bool) -> Result:
        """Guard a port that has no context yet. KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT,
        KERN_INVALID_ARGUMENT.
        """
        return self.mach_port_guard_with_flags(caller, task, name, guard, strict, immovable=False)

    def mach_port_guard_with_flags(self, caller: Task, task: Task | None, name: int, guard: int, strict: bool, immovable: bool) -> Result:
        """Guard a port that has no context yet, and by ``immovable`` make its receive right immovable. One that is
        immovable stays so. KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT, KERN_INVALID_ARGUMENT.
        (``mach_port_guard_locked``)
        """
        port = receive_right_of(space_of(task), name, self.profile)
        if port.context != 0:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        port.context, port.guarded, port.strict = guard, True, strict
        port.immovable = port.immovable or immovable
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_unguard(self, caller: Task, task: Task | None, name: int, guard: int) -> Result:
        """Remove a port's guard. An immovable port stays immovable. KERN_INVALID_TASK, KERN_INVALID_NAME,
        KERN_INVALID_RIGHT, KERN_INVALID_ARGUMENT.
        """
        port = receive_right_of(space_of(task), name, self.profile)
        if not port.guarded or port.context != guard:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        port.context, port.guarded, port.strict = 0, False, False
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_swap_guard(self, caller: Task, task: Task | None, name: int, old_guard: int, new_guard: int) -> Result:
        """Replace the guard of a port that isn't strict. KERN_INVALID_TASK, KERN_INVALID_NAME, KERN_INVALID_RIGHT;
        KERN_INVALID_ARGUMENT if the port isn't guarded, is strict, or has another guard.
        """
        port = receive_right_of(space_of(task), name, self.profile)
        if not port.guarded or port.strict or port.context != old_guard:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        port.context = new_guard
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_get_context(self, caller: Task, task: Task | None, name: int) -> Result:
        """Return a port's context, or 0 for a strict port, whose guard no call returns. By profile
        KERN_INVALID_ARGUMENT (no task); KERN_INVALID_RIGHT (reserved name), KERN_INVALID_NAME, KERN_INVALID_RIGHT.
        (``mach_port_get_context_from_user``)
        """
        space = space_of(task, self.null_space_code("mach_port_get_context"))
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        return Result(ReturnCode.KERN_SUCCESS, {"context": 0 if port.strict else port.context})

    def mach_port_set_context(self, caller: Task, task: Task | None, name: int, context: int) -> Result:
        """Set a port's context, which for a guarded port is its guard. KERN_INVALID_TASK; KERN_INVALID_RIGHT (reserved
        name), KERN_INVALID_NAME, KERN_INVALID_RIGHT; KERN_INVALID_ARGUMENT for a strict port.
        """
        space = space_of(task)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        if port.strict:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        port.context = context
        port.changed()
        return Result(ReturnCode.KERN_SUCCESS)

    def mach_port_assert_attributes(self, caller: Task, task: Task | None, name: int, flavor: int, info: tuple[int, ...]) -> Result:
        """Check that a port is strict and has the guard in the two words of ``info``, the low one first.

        KERN_INVALID_TASK, KERN_INVALID_ARGUMENT (flavour), KERN_FAILURE (fewer than two words), KERN_INVALID_RIGHT
        (reserved name), KERN_INVALID_NAME, KERN_INVALID_RIGHT; KERN_INVALID_ARGUMENT if the port isn't guarded, isn't
        strict, or has another guard.
        """
        space = space_of(task)
        if flavor != PortAttributes.GUARD_INFO:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if len(info) < _WORDS_OF_GUARD:
            raise Failure(ReturnCode.KERN_FAILURE)
        self.refuse_reserved(name)
        port = receive_right_of(space, name, self.profile)
        low, high = info[:_WORDS_OF_GUARD]
        if not port.guarded or not port.strict or port.context != low | high << 32:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        return Result(ReturnCode.KERN_SUCCESS)
