"""Shorthand for tests that drive a kernel: actors who make calls, and what the snapshot says of them.

After every call the rights in the snapshot are counted, and each port's own counts must agree.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode, code_name
from sendright.mach.abi.rights import Disposition, PortObject, Right, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.implementation import Implementation
from sendright.mach.kernel.profiles import MANUAL, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.snapshot import Entry, Page, Port, Snapshot, Task, slots

NOTHING = 77
"""A name that no test ever uses."""


class Actor:
    """A task that makes calls. Where a call wants a ``task`` and none is given, it is the actor itself."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.number = number
        self.me: int = self.result("mach_task_self").outputs["port"]
        """The actor's name for its own port."""

    def result(self, call: str, shortage: int = 0, stop: bool = False, resume: bool = False, **arguments: Any) -> Result:
        """Make a call, or go on with one that waits, whatever comes of it."""
        if call in SIGNATURES and "task" not in arguments and any(argument.name == "task" for argument in SIGNATURES[call].arguments):
            arguments["task"] = self.me
        result = self.machine.kernel.call(self.number, Call(call, arguments, shortage, stop, resume))
        check_counts(self.machine.snapshot(), leaks=not self.machine.profile.send_survives_rescue)
        return result

    def does(self, call: str, shortage: int = 0, **arguments: Any) -> Any:
        """Make a call that must succeed; its only output, or all of them."""
        result = self.result(call, shortage, **arguments)
        assert code_name(result.code) == "KERN_SUCCESS", f"{call} answered {code_name(result.code)}"
        return next(iter(result.outputs.values())) if len(result.outputs) == 1 else result.outputs

    def refused(self, call: str, shortage: int = 0, **arguments: Any) -> str:
        """Make a call that must fail and change nothing; the name of its code."""
        before = self.machine.snapshot()
        result = self.result(call, shortage, **arguments)
        assert result.code != ReturnCode.KERN_SUCCESS
        assert result.outputs == {}
        assert result.created_task is None
        assert self.machine.snapshot() == before
        return code_name(result.code)

    def fails(self, call: str, **arguments: Any) -> str:
        """Make a call that must fail, with whatever traces it leaves; the name of its code."""
        result = self.result(call, **arguments)
        assert result.code != ReturnCode.KERN_SUCCESS
        return code_name(result.code)

    def port(self) -> int:
        """A new port of the actor's: the name of its receive right."""
        name: int = self.does("mach_port_allocate", right=Right.RECEIVE)
        return name

    def port_with_send(self, urefs: int = 1) -> int:
        """A new port with a send right under the same name."""
        name = self.port()
        self.does("mach_port_insert_right", name=name, poly=name, disposition=Disposition.MAKE_SEND)
        self.add_send_references(name, urefs - 1)
        return name

    def add_send_references(self, name: int, delta: int) -> None:
        """More user references to a send right."""
        self.does("mach_port_mod_refs", name=name, right=Right.SEND, delta=delta)

    def send_once(self, receive: int, name: int = 40) -> int:
        """A send-once right for the port whose receive right is ``receive``, under a name like ``name``."""
        name = self.machine.profile.chosen_name(name)
        self.does("mach_port_insert_right", name=name, poly=receive, disposition=Disposition.MAKE_SEND_ONCE)
        return name

    def dead_name(self, urefs: int = 1) -> int:
        """A new dead name."""
        name: int = self.does("mach_port_allocate", right=Right.DEAD_NAME)
        self.does("mach_port_mod_refs", name=name, right=Right.DEAD_NAME, delta=urefs - 1)
        return name

    def waits(self, call: str, **arguments: Any) -> Result:
        """Make a call that must not end yet, or go on with one."""
        result = self.result(call, **arguments)
        assert result.code in (ReturnCode.MACH_SEND_IN_PROGRESS, ReturnCode.MACH_RCV_IN_PROGRESS)
        assert result.outputs == {}
        assert self.shown.waiting is not None
        return result

    def goes_on(self) -> Result:
        """Go on with the call that the actor waits in, whatever comes of it."""
        assert self.shown.waiting is not None
        return self.result(self.shown.waiting.call, resume=True)

    def child(self, **arguments: Any) -> Actor:
        """A new task, whose port is then among the actor's names as ``child.seen_as``."""
        result = self.result("task_create", parent_task=self.me, **arguments)
        return self.adopt(result)

    def adopt(self, result: Result) -> Actor:
        """The task that a successful call has made."""
        assert result.code == ReturnCode.KERN_SUCCESS
        assert result.created_task is not None
        child = Actor(self.machine, result.created_task)
        child.seen_as = result.outputs["child_task"]
        return child

    seen_as: int = 0
    """The creator's name for this actor's port."""

    def gives(self, other: Actor, right: int, disposition: int, name: int = 50) -> int:
        """Put a right of this actor's into the space of ``other``, its child, under a name like ``name``."""
        name = self.machine.profile.chosen_name(name)
        self.does("mach_port_insert_right", task=other.seen_as, name=name, poly=right, disposition=disposition)
        return name

    def sends(self, dest: int, dest_disposition: int = Disposition.COPY_SEND, **arguments: Any) -> None:
        """Send a message that must be taken."""
        assert self.does("mach_msg_send", dest=dest, dest_disposition=dest_disposition, **arguments) == {}

    def receives(self, port: int) -> dict[str, Any]:
        """Receive a message that must be there."""
        outputs: dict[str, Any] = self.does("mach_msg_receive", port=port)
        return outputs

    def asks(self, name: int, variant: int, notify: int, **arguments: Any) -> int:
        """Ask to be told about a name, over a send-once right made from ``notify``; the right that waited so far."""
        previous: int = self.does("mach_port_request_notification", name=name, variant=variant, notify=notify, **arguments)
        return previous

    def mail(self, port: int) -> list[tuple[int, int]]:
        """The ids and data of the messages that wait in a port of the actor's."""
        return [(message.id, message.data) for message in self.port_of(port).queue]

    @property
    def shown(self) -> Task:
        """What the snapshot says of the actor."""
        return self.machine.snapshot().tasks[self.number]

    @property
    def names(self) -> dict[int, Entry]:
        """The actor's names."""
        return self.shown.names

    def page(self, address: int) -> Page:
        """One of the actor's pages."""
        return self.shown.memory[address]

    def port_of(self, name: int) -> Port:
        """The port that one of the actor's names denotes."""
        return self.machine.snapshot().ports[self.number_of(name)]

    def number_of(self, name: int) -> int:
        """The snapshot's number of that port."""
        number = self.names[name].port
        assert number is not None
        return number


class Machine:
    """A booted kernel, and its bootstrap task."""

    def __init__(self, profile: Profile = MANUAL, kernel: Implementation | None = None) -> None:
        self.kernel = kernel or ReferenceKernel()
        self.profile = profile
        self.kernel.boot(profile)
        self.root = Actor(self, BOOTSTRAP_TASK)

    def snapshot(self) -> Snapshot:
        """Everything there is."""
        return self.kernel.snapshot()

    def booted(self, number: int) -> Actor:
        """Another task of the boot state, and under ``seen_as`` the bootstrap task's name for its port."""
        actor = Actor(self, number)
        actor.seen_as = len(self.profile.bootstrap_names) + number
        return actor

    def last_booted(self) -> Actor:
        """The last task of the boot state, which ``task_terminate`` can end."""
        return self.booted(self.profile.boot_tasks - 1)

    def port(self, number: int) -> Port:
        """A live port, by the snapshot's number."""
        return self.snapshot().ports[number]

    def named(self, well_known: str) -> int:
        """The bootstrap task's name for one of the ports that it was given."""
        return self.profile.bootstrap_names.index(well_known) + 1


def send(port: int | None, urefs: int = 0) -> Entry:
    """A send right."""
    return Entry(SlotKind.SEND, port, urefs)


def dead(urefs: int = 0) -> Entry:
    """A dead name, or in a message or place a dead right."""
    return Entry(SlotKind.DEAD_NAME, None, urefs)


def check_counts(state: Snapshot, leaks: bool = False) -> None:
    """Each port has one receive right, the kernel's if it stands for an object; its counts are those of the rights
    there are.

    Rights that wait for an event count like any others. ``leaks``: the kernel has hazard H-8, so that a port may count
    too many send rights.
    """
    sends: Counter[int | None] = Counter()
    send_onces: Counter[int | None] = Counter()
    receives: Counter[int | None] = Counter()
    for slot, entry in slots(state).items():
        assert entry.port is None or entry.port in state.ports, f"{slot} has a right to a dead port"
        sends[entry.port] += entry.kind in (SlotKind.SEND, SlotKind.SEND_RECEIVE)
        send_onces[entry.port] += entry.kind is SlotKind.SEND_ONCE
        receives[entry.port] += entry.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
    for number, port in state.ports.items():
        held = sends[number] + port.lost_send_rights
        assert port.send_rights == held or (leaks and port.send_rights > held), f"port {number}: send rights"
        assert port.send_once_rights == send_onces[number], f"port {number}: send-once rights"
        assert receives[number] == (port.object is PortObject.NONE), f"port {number}: receive rights"
        assert all(message.destination.port == number for message in port.queue)
    for task in state.tasks.values():
        for name in task.requests:
            assert task.names[name].port is not None, f"name {name} has a request, and no right to a live port"
