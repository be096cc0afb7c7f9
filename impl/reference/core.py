"""What the whole kernel keeps: its tasks and ports, how they come into being, and how rights and ports end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.message import KERNEL_TOKENS, NO_REPLY, SEND_ONCE_NOTIFICATION, Message, Tokens
from sendright.impl.reference.port import Port, Right
from sendright.impl.reference.space import Space
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach import boot, snapshot
from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import MANUAL, LedgerRule, Profile
from sendright.mach.rights import Place, PortObject, SlotKind
from sendright.mach.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN


class Core:
    """The kernel without its calls."""

    def __init__(self) -> None:
        self._start(MANUAL)

    def _start(self, profile: Profile) -> None:
        self.profile = profile
        self.tasks: dict[int, Task] = {}
        self.ports: dict[int, Port] = {}
        self.tasks_made = 0
        self.ports_made = 0
        self.messages_made = 0
        self.allocations_until_shortage = 0
        self.well_known: tuple[Port, ...] = ()
        """The ports of the boot state, by the numbers of ``mach/boot.py``."""
        self.ports_have_died = False
        """Since the last snapshot: what then showed a right may have to show a dead name."""

    def boot(self, profile: Profile) -> None:
        """Start anew, in the boot state of ``mach/boot.py``."""
        self._start(profile)
        self.well_known = tuple([self.make_port(object) for object in boot.BOOT_PORTS.values()])
        ledgers = (self.well_known[boot.ROOT_WIRED_LEDGER_PORT], self.well_known[boot.ROOT_PAGED_LEDGER_PORT])
        task = self.make_task(
            self.well_known[boot.BOOTSTRAP_TASK_PORT],
            Tokens(BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN),
            None if profile.ledger_rule is LedgerRule.NONE else ledgers,
        )
        if profile.host_place:
            task.put(Place.HOST, self.well_known[boot.HOST_PORT].make_send())
        for name in profile.bootstrap_names:
            copy_out(task.space, self.well_known[boot.WELL_KNOWN_PORTS[name]].make_send())

    def allocate(self) -> None:
        """Get memory for something new; this is where a shortage is injected. Raises KERN_RESOURCE_SHORTAGE."""
        self.allocations_until_shortage -= 1
        if self.allocations_until_shortage == 0:
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE)

    def make_port(self, object: PortObject = PortObject.NONE) -> Port:
        """A new port. Its receive right is the kernel's, or goes where the caller puts it."""
        port = Port(self.ports_made, object, self.profile.queue_limit)
        self.ports[port.number] = port
        self.ports_made += 1
        return port

    def make_task(self, port: Port, tokens: Tokens, ledgers: tuple[Port, Port] | None) -> Task:
        """A new task behind ``port``, with no names and no memory; of its special ports, those that name itself and its ledgers."""
        task = Task(self.tasks_made, port, Space(self.profile.send_urefs_max), tokens, ledgers)
        task.put(Place.KERNEL, port.make_send())
        if ledgers is not None:
            task.put(Place.WIRED_LEDGER, ledgers[0].make_send())
            task.put(Place.PAGED_LEDGER, ledgers[1].make_send())
        self.tasks[task.number] = task
        self.tasks_made += 1
        return task

    def release(self, rights: Iterable[Right]) -> None:
        """End ``rights``. (``ipc_port_release_send``, ``ipc_notify_send_once``, ``ipc_port_destroy``; semantics 2 and 6.7)

        A send-once right that nobody used becomes a notification. A receive right ends its port, which ends what waited in its
        queue; that may be further receive rights: hence a list of what is still to do, and not recursion.
        """
        pending = deque(rights)
        while pending:
            right = pending.popleft()
            if not right.live:
                continue
            if right.kind is SlotKind.SEND:
                right.port.drop_send()
            elif right.kind is SlotKind.SEND_ONCE:
                self.notify_send_once(right)
            else:
                pending.extend(self.destroy_port(right.port))

    def notify_send_once(self, right: Right) -> None:
        """Tell the receiver, over the send-once ``right`` itself, that nobody will use it. A queue limit doesn't hold it up."""
        right.port.enqueue(Message(self.next_serial(), SEND_ONCE_NOTIFICATION, right, NO_REPLY, (), KERNEL_TOKENS, from_kernel=True))

    def destroy_port(self, port: Port) -> list[Right]:
        """End ``port``. All other rights to it are dead from now on; the rights that its queue carried are returned, unreleased."""
        port.alive = False
        del self.ports[port.number]
        self.ports_have_died = True
        return [right for message in port.queue for right in message.cargo]

    def next_serial(self) -> int:
        """A number for a message, by which snapshots can follow it."""
        self.messages_made += 1
        return self.messages_made

    def snapshot(self) -> snapshot.Snapshot:
        """Everything there is. Only what has changed since the last time is written down anew."""
        if self.ports_have_died:
            self._forget_shown()
        return snapshot.Snapshot(
            {number: task.show() for number, task in self.tasks.items()},
            {number: port.show() for number, port in self.ports.items()},
        )

    def _forget_shown(self) -> None:
        for task in self.tasks.values():
            task.shown = None
            task.space.shown = None
        for port in self.ports.values():
            port.shown = None
        self.ports_have_died = False
