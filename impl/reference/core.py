"""What the whole kernel keeps: its tasks and ports, how they come into being, and how rights and ports end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count

from sendright.impl.reference.changes import Changes
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.host import Host
from sendright.impl.reference.ledger import INFINITY, Ledger
from sendright.impl.reference.memory import MemoryObject
from sendright.impl.reference.message import Tokens
from sendright.impl.reference.notifications import Notification, notify, release_send, rescue_receive
from sendright.impl.reference.port import Port, Right
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach import boot, snapshot
from sendright.mach.codes import ReturnCode
from sendright.mach.parts import Parts, updated_parts
from sendright.mach.profiles import MANUAL, LedgerRule, Profile
from sendright.mach.rights import RESERVED_NAMES, Place, PortObject, SlotKind


class Core:
    """The kernel without its calls."""

    def __init__(self) -> None:
        self._start(MANUAL)

    def _start(self, profile: Profile) -> None:
        self.profile = profile
        self.tasks: dict[int, Task] = {}
        self.ports: dict[int, Port] = {}
        self.host = Host()
        self.tasks_made = 0
        self.ports_made = 0
        self.serials: Iterator[int] = count(1)
        """Numbers for messages."""
        self.allocations_until_shortage = 0
        self.well_known: tuple[Port, ...] = ()
        """The ports of the boot state, by the numbers of ``mach/boot.py``."""
        self.changes = Changes()
        self.shown_tasks: Parts[snapshot.Task] = Parts()
        self.shown_ports: Parts[snapshot.Port] = Parts()
        """All tasks and ports as the last snapshot showed them."""

    def boot(self, profile: Profile) -> None:
        """Start anew, in the boot state of ``mach/boot.py``."""
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
                task.put(Place.HOST, self.well_known[boot.HOST_PORT].make_send())
        if profile.host_special_ports > 0:
            for number, port in boot.BOOT_HOST_PORTS.items():
                self.host.put(number, self.well_known[port].make_send())
        first, *further = tasks
        for name in profile.bootstrap_names:
            copy_out(first.space, self.well_known[boot.WELL_KNOWN_PORTS[name]].make_send())
        for task in further:
            copy_out(first.space, task.port.make_send())

    def has_answer_for(self, name: int) -> bool:
        """Whether ``name`` is a reserved one, and this kernel's port calls have answers of their own for those."""
        return self.profile.reserved_names_pass and name in RESERVED_NAMES

    def refuse_reserved(self, name: int) -> None:
        """Where port calls have such answers: this one's, KERN_INVALID_RIGHT."""
        if self.has_answer_for(name):
            raise Failure(ReturnCode.KERN_INVALID_RIGHT)

    def allocate(self) -> None:
        """Get memory for something new; this is where a shortage is injected. Raises KERN_RESOURCE_SHORTAGE."""
        self.allocations_until_shortage -= 1
        if self.allocations_until_shortage == 0:
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE)

    def make_port(self, object: PortObject = PortObject.NONE) -> Port:
        """A new port. Its receive right is the kernel's, or goes where the caller puts it."""
        port = Port(self.ports_made, object, self.profile.queue_limit, self.serials, self.changes)
        port.send_rights_stay = object is PortObject.TASK and self.profile.task_ports_stay
        self.ports[port.number] = port
        self.ports_made += 1
        return port

    def make_task(self, port: Port, tokens: Tokens, ledgers: tuple[Ledger, Ledger] | None) -> Task:
        """A new task behind ``port``, with no names and no memory; of its special ports, those that name itself and its ledgers."""
        task = Task(self.tasks_made, port, self.make_space(), tokens, ledgers)
        task.put(Place.KERNEL, port.make_send())
        if ledgers is not None:
            task.put(Place.WIRED_LEDGER, ledgers[0].port.make_send())
            task.put(Place.PAGED_LEDGER, ledgers[1].port.make_send())
        self.tasks[task.number] = task
        self.tasks_made += 1
        return task

    def make_space(self) -> Space:
        """A space without names."""
        return Space(self.profile.send_urefs_max, self.profile.urefs_max if self.profile.pegged_urefs else None)

    def release(self, rights: Iterable[Right]) -> None:
        """End ``rights``, in order. (``ipc_port_release_send``, ``ipc_notify_send_once``, ``ipc_port_destroy``; semantics 2 and 6.7)

        A send-once right that nobody used becomes a notification. A receive right ends its port, unless somebody asked for it; that
        ends what the port held, which may be further receive rights: hence a list of what is still to do, and not recursion.
        """
        pending = deque(rights)
        while pending:
            right = pending.popleft()
            if not right.live:
                continue
            if right.kind is SlotKind.SEND:
                release_send(right.port)
            elif right.kind is SlotKind.SEND_ONCE:
                notify(right, Notification.SEND_ONCE)
            elif not rescue_receive(right.port):
                pending.extend(self.destroy_port(right.port))

    def destroy_port(self, port: Port) -> list[Right]:
        """End ``port``. All other rights to it are dead from now on, and who asked for that is told.

        The rights that it held are returned, unreleased: those that its queue carried and those of requests that can't come true now.
        """
        port.alive = False
        del self.ports[port.number]
        port.changed()
        for holder, place in port.shown_by:
            holder.changed(place)
        for entry, space in port.watchers.items():
            space.tell_dead(entry)
        carried = [right for message in port.queue for right in message.cargo]
        requests = [right for right in (port.no_senders, port.port_destroyed) if right is not None]
        return requests + carried

    def will_show_anew(self, object: MemoryObject) -> None:
        """What ``object`` contains, or who maps it, is not as it was: all who map it show that."""
        for number in object.mapped_by:
            self.tasks[number].changed()

    def unmap(self, task: Task, address: int) -> None:
        """Take a page that there is from ``task``; others who map the same object keep it."""
        self.will_show_anew(task.memory.pages[address].object)
        task.memory.unmap(address)

    def _show_task(self, number: int) -> snapshot.Task | None:
        return self.tasks[number].show() if number in self.tasks else None

    def _show_port(self, number: int) -> snapshot.Port | None:
        return self.ports[number].show() if number in self.ports else None

    def snapshot(self) -> snapshot.Snapshot:
        """Everything there is. Only what has changed since the last time is written down anew."""
        self.shown_tasks = updated_parts(self.shown_tasks, self.changes.tasks, self._show_task)
        self.shown_ports = updated_parts(self.shown_ports, self.changes.ports, self._show_port)
        self.changes.tasks.clear()
        self.changes.ports.clear()
        return snapshot.Snapshot(self.shown_tasks, self.shown_ports, self.host.show())
