"""The state of the whole kernel: its tasks and ports, how they are made, and how rights and ports end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from msgspec.structs import replace

from sendright.impl.reference.changes import Changes
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.host import Host
from sendright.impl.reference.ledger import INFINITY, Ledger
from sendright.impl.reference.memory import MemoryObject
from sendright.impl.reference.message import Descriptor, Tokens, from_kernel
from sendright.impl.reference.notifications import lose_send, notify, release_send
from sendright.impl.reference.port import NULL_RIGHT, Port, Right
from sendright.impl.reference.process import Processes
from sendright.impl.reference.requests import RequestTable
from sendright.impl.reference.space import HAS_RECEIVE, HAS_SEND, Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_in, copy_out, is_disposition
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import RESERVED_NAMES, Disposition, Notification, Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import MANUAL, LedgerRule, Profile
from sendright.mach.state import boot, snapshot
from sendright.mach.state.process import Process
from sendright.mach.state.sharing import Parts, updated_parts


class Core:
    """The kernel without its calls."""

    def __init__(self) -> None:
        self._start(MANUAL)

    def _start(self, profile: Profile) -> None:
        self.profile = profile
        self.tasks: dict[int, Task] = {}
        self.processes = Processes(self.tasks, last_pid=profile.processes)
        self.ports: dict[int, Port] = {}
        self.host = Host()
        self.tasks_made = 0
        self.ports_made = 0
        self.serials: Iterator[int] = count(1)
        """Serial numbers for messages."""
        self.dying_messages: deque[Sequence[Right]] = deque()
        """The rights of each message that is being destroyed: of the first now, of the others later."""
        self.allocations_until_shortage = 0
        self.well_known: tuple[Port, ...] = ()
        """The ports of the boot state, by the numbers of ``mach/state/boot.py``."""
        self.changes = Changes()
        self.shown_tasks: Parts[snapshot.Task] = Parts()
        self.shown_ports: Parts[snapshot.Port] = Parts()
        """All tasks and ports as they were in the last snapshot."""

    def boot(self, profile: Profile) -> None:
        """Discard all state and start in the boot state of ``mach/state/boot.py``, as ``profile`` says."""
        self._start(profile)
        self.well_known = tuple([self.make_port(object) for object in boot.boot_ports(profile.boot_tasks).values()])
        wired, paged = (Ledger(self.well_known[number], INFINITY) for number in boot.ROOT_LEDGERS)
        tasks = [
            self.make_task(
                self.well_known[boot.task_port(number)],
                Tokens(*boot.boot_tokens(number)),
                None if profile.ledger_rule is LedgerRule.NONE else (wired, paged),
            )
            for number in range(profile.boot_tasks)
        ]
        if profile.host_place:
            for task in tasks:
                privileged = profile.first_task_is_privileged and task.number == boot.BOOTSTRAP_TASK
                task.put(Place.HOST, self.well_known[boot.HOST_PRIV_PORT if privileged else boot.HOST_PORT].make_send())
        if profile.host_special_ports > 0:
            for number, port in boot.BOOT_HOST_PORTS.items():
                self.host.put(number, self.well_known[port].make_send())
        if profile.has_processes:
            for task in tasks[: profile.processes]:
                process = boot.boot_process(task.number)
                task.set_process(process)
                self.processes.set_audit_user(process.session, process.audit_user)
        first, *further = tasks
        for name in profile.bootstrap_names:
            copy_out(first.space, self.well_known[boot.WELL_KNOWN_PORTS[name]].make_send())
        for task in further:
            copy_out(first.space, task.port.make_send())

    def has_answer_for(self, name: int) -> bool:
        """Whether ``name`` is reserved, and the profile's port calls have special answers for reserved names."""
        return self.profile.reserved_names_pass and name in RESERVED_NAMES

    def refuse_reserved(self, name: int) -> None:
        """Raises KERN_INVALID_RIGHT for a reserved name, in profiles whose port calls have special answers for
        these.
        """
        if self.has_answer_for(name):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)

    def null_space_code(self, call: str) -> ReturnCode:
        """What ``call`` returns if its target isn't a task's port. Some kernels have wrappers with a code of their
        own.
        """
        return ReturnCode.KERN_INVALID_ARGUMENT if call in self.profile.wrapped_calls else ReturnCode.KERN_INVALID_TASK

    def allocate(self) -> None:
        """Allocate memory for a new object. A shortage is injected here: raises KERN_RESOURCE_SHORTAGE."""
        self.allocations_until_shortage -= 1
        if self.allocations_until_shortage == 0:
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE)

    def allocate_or(self, code: ReturnCode) -> None:
        """Allocate memory, in a call with another code for a shortage: raises that."""
        try:
            self.allocate()
        except Failure:
            raise Failure(code) from None

    def check_chosen_name(self, space: Space, name: int) -> None:
        """Where names have a form, check that ``name`` has it. Raises KERN_NO_SPACE, KERN_INVALID_VALUE,
        KERN_FAILURE.
        """
        if self.profile.name_index_max:
            space.check_form(name, self.profile.name_index_max)

    def carry_argument(self, caller: Task, name: int, disposition: int) -> Right:
        """Copy in the right that a request carries with a disposition of the caller's. Raises MACH_SEND_INVALID_RIGHT.

        If ``disposition`` isn't one, returns a null right, which the routine will refuse. By profile only NULL and DEAD
        get so far. (``ipc_kmsg_copyin_port_descriptor``)
        """
        if is_disposition(disposition):
            return copy_in(caller.space, name, disposition)
        if self.profile.null_fits_any_disposition and name not in RESERVED_NAMES:
            raise Failure(ReturnCode.MACH_SEND_INVALID_RIGHT)
        return NULL_RIGHT

    def is_trap(self, call: str, caller: Task, task: Task | None) -> bool:
        """Whether ``caller`` makes ``call`` on ``task`` by a trap, which works only on the caller itself. Else it sends
        a message.
        """
        return task is caller and call in self.profile.own_calls_are_traps

    def clone_of_users_port(self, right: Right) -> Right:
        """A clone of ``right``, by profile null if its port is a kernel object's. (``ipc_port_copy_send_mqueue``)"""
        if self.profile.kernel_ports_kept_as_null and right.live and right.port.object is not PortObject.NONE:
            return NULL_RIGHT
        return right.clone()

    def make_port(self, object: PortObject = PortObject.NONE) -> Port:
        """Make a port. The kernel has its receive right, unless the caller puts that somewhere."""
        requests = RequestTable(self.profile.requests_grow_by_half)
        port = Port(self.ports_made, object, self.profile.queue_limit, self.serials, self.changes, requests)
        port.immovable_send = object in self.profile.immovable_objects
        self.ports[port.number] = port
        self.ports_made += 1
        return port

    def make_task(self, port: Port, tokens: Tokens, ledgers: tuple[Ledger, Ledger] | None) -> Task:
        """Make a task that ``port`` stands for, without names and memory. Of its special ports it has those to
        itself and its ledgers.
        """
        task = Task(self.tasks_made, port, self.make_space(), tokens, ledgers)
        task.put(Place.KERNEL, port.make_send())
        if ledgers is not None:
            task.put(Place.WIRED_LEDGER, ledgers[0].port.make_send())
            task.put(Place.PAGED_LEDGER, ledgers[1].port.make_send())
        self.tasks[task.number] = task
        self.tasks_made += 1
        return task

    def set_identity(self, task: Task, process: Process) -> None:
        """Let ``process`` be behind ``task``, and set the task's tokens and its host port by the process's ids and by
        the audit user that its session has now. (``set_security_token``, ``task_set_security_tokens``)
        """
        process = replace(process, audit_user=self.processes.sessions[process.session])
        task.set_process(process)
        task.set_tokens(Tokens(process.security_token, process.audit_token))
        port = self.well_known[boot.HOST_PRIV_PORT if process.effective_user == 0 else boot.HOST_PORT]
        self.release([task.put(Place.HOST, port.copy_send())])

    def port_of_flavour(self, task: Task, flavour: PortObject) -> Port:
        """The port of ``task`` that is such an object. It is made when it is first needed.
        (``convert_task_to_port_with_flavor``)
        """
        if flavour not in task.ports:
            task.ports[flavour] = self.make_port(flavour)
            task.ports[flavour].task = task
        return task.ports[flavour]

    def make_space(self) -> Space:
        """Make a space without names."""
        return Space(self.profile.send_urefs_max, self.profile.urefs_max if self.profile.pegged_urefs else None, self.profile.dead_names_are_lazy)

    def release(self, rights: Iterable[Right]) -> None:
        """End ``rights``, in order, each with all that it leads to. (``ipc_object_destroy``)

        An unused send-once right becomes a send-once notification. A receive right ends its port. Only messages that
        this destroys wait, if it is part of the destruction of another message.
        """
        for right in rights:
            if not right.live:
                continue
            if right.kind is SlotKind.SEND:
                release_send(right.port)
            elif right.kind is SlotKind.SEND_ONCE:
                notify(right, Notification.SEND_ONCE)
            else:
                self.end_port(right.port)

    def destroy_message(self, rights: Sequence[Right]) -> None:
        """Destroy a message with ``rights``: destination, reply and body, as far as it has them. (``ipc_kmsg_destroy``)

        The rights of a message can lead to the end of other messages. These wait in a list until it is over, so that
        no chain of messages is too long for the kernel's stack.
        """
        outermost = not self.dying_messages
        self.dying_messages.append(rights)
        if outermost:
            self._destroy_waiting()

    def _destroy_waiting(self) -> None:
        """Destroy all messages in the list. Each stays there until its rights have ended."""
        while self.dying_messages:
            self.release(self.dying_messages[0])
            self.dying_messages.popleft()

    def end_port(self, port: Port) -> None:
        """End the live ``port``, whose receive right is nowhere any more, unless a port-destroyed request redirects it.
        (``ipc_port_destroy``)

        All other rights to it are dead then. In this order, or by profile another, it gives up its no-senders request,
        destroys its messages, and fires its dead-name requests.
        """
        if port.port_destroyed is not None and self._redirect(port, port.port_destroyed):
            return
        port.alive = False
        del self.ports[port.number]
        port.changed()
        for holder, place in port.shown_by:
            holder.changed(place)
        if self.profile.queue_ends_whole:
            outermost = not self.dying_messages
            self.dying_messages.extend(message.cargo for message in port.queue)
            if outermost:
                self._destroy_waiting()
            self._give_up_no_senders(port)
        else:
            self._give_up_no_senders(port)
            for message in port.queue:
                self.destroy_message(message.cargo)
        for request in port.requests.in_order():
            if request.entry is not None:
                request.space.count_notification(request.name, request.entry)
            if request.right is not None:
                notify(request.right, Notification.DEAD_NAME, request.name)

    def _give_up_no_senders(self, port: Port) -> None:
        if port.no_senders is not None:
            notify(port.no_senders, Notification.SEND_ONCE)

    def _redirect(self, port: Port, waiting: Right) -> bool:
        """Send the receive right of ``port`` over ``waiting``, its port-destroyed request. Returns False if the port
        has to die at once.

        A message that is circular, or whose destination is dead, is destroyed, which ends the port. Some kernels
        don't make a message that would be circular.
        """
        port.port_destroyed = None
        port.in_transit_to = None
        body = (Descriptor(port.take_receive(), Disposition.MOVE_RECEIVE),)
        message = from_kernel(port.serials, int(Notification.PORT_DESTROYED), waiting, body=body)
        if waiting.live and not message.circular:
            message.send_off()
        elif waiting.live and self.profile.circular_rescue_is_silent:
            waiting.port.drop_send_once()
            return False
        else:
            self.destroy_message(message.rights)
        return True

    def end_name(self, space: Space, name: int) -> None:
        """Free ``name`` and end all its rights, with all that this leads to. (``ipc_right_clean``,
        ``ipc_right_destroy``)

        A no-senders notification, and the port-deleted one, come after the port's death or the send-once notification.
        """
        entry, deleted = space.remove(name)
        port = entry.port
        no_senders = lose_send(port) if port.alive and entry.kind in HAS_SEND else None
        if entry.kind in HAS_RECEIVE:
            self.release([port.take_receive()])
        elif entry.kind is SlotKind.SEND_ONCE:
            self.release([Right(SlotKind.SEND_ONCE, port)])
        for due in (no_senders, deleted):
            if due is not None:
                due.send()

    def object_changed(self, object: MemoryObject) -> None:
        """Register that the content of ``object``, or the set of tasks that map it, has changed, for each task that
        maps it.
        """
        for number in object.mapped_by:
            self.tasks[number].changed()

    def unmap(self, task: Task, address: int) -> None:
        """Unmap an existing page of ``task``. Other tasks that map the same object keep it."""
        self.object_changed(task.memory.pages[address].object)
        task.memory.unmap(address)

    def _show_task(self, number: int) -> snapshot.Task | None:
        return self.tasks[number].show() if number in self.tasks else None

    def _show_port(self, number: int) -> snapshot.Port | None:
        return self.ports[number].show() if number in self.ports else None

    def snapshot(self) -> snapshot.Snapshot:
        """The whole state. Only what has changed since the last snapshot is rebuilt."""
        self.shown_tasks = updated_parts(self.shown_tasks, self.changes.tasks, self._show_task)
        self.shown_ports = updated_parts(self.shown_ports, self.changes.ports, self._show_port)
        self.changes.tasks.clear()
        self.changes.ports.clear()
        return snapshot.Snapshot(self.shown_tasks, self.shown_ports, self.host.show(), self.processes.zombies, self.processes.sessions)
