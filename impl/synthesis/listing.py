"""A listing of all rights as by lsmp(1), made from the reference kernel's snapshot of a machine whose processes
exchange messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

import msgspec

from sendright.impl.synthesis.life import Life
from sendright.impl.synthesis.machine import Machine, Process
from sendright.mach.abi.rights import Disposition, PortObject, SlotKind
from sendright.mach.state.snapshot import Snapshot

_RIGHTS = {
    SlotKind.RECEIVE: "recv",
    SlotKind.SEND_RECEIVE: "recv,send",
    SlotKind.SEND: "send",
    SlotKind.SEND_ONCE: "send-once",
    SlotKind.PORT_SET: "port-set",
    SlotKind.DEAD_NAME: "dead-name",
}
_OBJECTS = {PortObject.TASK: "TASK-CONTROL", PortObject.HOST: "HOST", PortObject.HOST_PRIV: "HOST-PRIV", PortObject.HOST_SECURITY: "HOST-SECURITY"}
_HEADER = "  name      ipc-object    rights     flags   boost  reqs  recv  send sonce oref  qlimit  msgcount  context            identifier  type\n"
_NO_NAME = "0x00000000"
_CONTROL = f"{_NO_NAME}  TASK-CONTROL ("
"""The text with which a row begins another task's control port; that task's pid follows."""
_TOTALS = (("SEND", "send"), ("RECEIVE", "recv"), ("SEND_ONCE", "send-once"), ("PORT_SET", "port-set"), ("DEAD_NAME", "dead-name"))


class Row(msgspec.Struct):
    """The row of one name of a process."""

    name: int
    object: str
    rights: str
    urefs: int = 0
    once: int = 0
    """For a receive right: the number of send-once rights."""
    senders: bool = False
    limit: int = 5
    messages: int = 0
    to: str = ""
    """For a send right: the port's receiver, as the row has it."""

    def __str__(self) -> str:
        start = f"0x{self.name:08x}  0x{self.object}  {self.rights:<10} --------"
        if "recv" in self.rights:
            sends = f"{self.urefs:5}" if self.rights == "recv,send" else "     "
            once = f"{self.once:5}" if self.once else "     "
            oref = "Y" if self.senders else "N"
            return f"{start}     0  ---      1 {sends} {once} {oref} {self.limit:7} {self.messages:9}  0x0000000000000000"
        counted = f"{self.urefs:5}" if self.urefs else "     "
        return f"{start}        ---        {counted}                                   {self.to}".rstrip()


class ProcessListing(msgspec.Struct):
    """A process and its rows."""

    pid: int
    program: str
    rows: list[Row]


def listing(events: int, seed: int, plants: Sequence[str] = ()) -> Iterator[bytes]:
    """The lines of a listing that is taken after at least ``events`` events of a life, with each of ``plants``
    (``PLANTS``).
    """
    life = Life(seed)
    count = 0
    for act in life.acts():
        count += sum(1 for _ in act)
        if count >= events:
            break
    random = Random(seed ^ 0x115)
    processes = list(life.machine.processes.values())
    for _ in range(max(4, len(processes) // 2)):
        _talk(life.machine, random.choice(processes[1:]), random.choice(processes[1:]), random)
    listed = _listed(life.machine, life.machine.kernel.snapshot())
    for name in plants:
        PLANTS[name](listed, random)
    return _lines(listed)


def _talk(machine: Machine, server: Process, client: Process, random: Random) -> None:
    """Give the server a port, the client a send right to it, and the server a send-once right for its reply."""
    port = machine.new_port(server)
    reply = machine.new_port(client)
    if server is client:
        return
    machine.copy_right(server, port, client, Disposition.MAKE_SEND, 0x20_0000 + machine.serial())
    if random.random() < 0.7:
        machine.copy_right(client, reply, server, Disposition.MAKE_SEND_ONCE, 0x20_0000 + machine.serial())


def _listed(machine: Machine, snapshot: Snapshot) -> list[ProcessListing]:
    by_task = {process.task: process for process in machine.processes.values()}
    receivers = {
        entry.port: (number, name) for number, task in snapshot.tasks.items() for name, entry in task.names.items() if "recv" in _RIGHTS[entry.kind]
    }
    found = []
    for number, process in sorted(by_task.items()):
        rows = []
        for name, entry in sorted(snapshot.tasks[number].names.items()):
            port = None if entry.port is None else snapshot.ports[entry.port]
            row = Row(name, f"{hash_of_port(entry.port):08x}", _RIGHTS[entry.kind], entry.urefs)
            if port is not None and entry.port in receivers and "recv" in row.rights:
                row.once, row.senders = port.send_once_rights, port.send_rights > 0
                row.limit, row.messages = port.queue_limit, len(port.queue)
            elif port is not None and port.object is PortObject.TASK and port.task in by_task:
                target = by_task[port.task]
                mine = " SELF" if target is process else ""
                row.to = f"{_NO_NAME}  TASK-CONTROL{mine} ({target.pid}) {_short(target)}"
            elif port is not None and entry.port in receivers:
                owner, at = receivers[entry.port]
                row.to = (
                    f"->  {port.queue_limit:6} {len(port.queue):6}  0x0000000000000000 0x{at:08x}  ({by_task[owner].pid}) {_short(by_task[owner])}"
                )
            elif port is not None:
                row.to = f"{_NO_NAME}  {_OBJECTS.get(port.object, 'UNKNOWN')}"
            rows.append(row)
        found.append(ProcessListing(process.pid, _short(process), rows))
    return found


def _short(process: Process) -> str:
    return process.program.rpartition("/")[2]


def hash_of_port(port: int | None) -> int:
    """A stand-in for a port's kernel address, the same for the same port."""
    return 0 if port is None else (port + 1) * 0x9E3779B1 & 0xFFFFFFFF


def _lines(listed: Sequence[ProcessListing]) -> Iterator[bytes]:
    for process in listed:
        yield f"Process ({process.pid}) : {process.program}\n".encode()
        yield _HEADER.encode()
        for row in process.rows:
            yield f"{row}\n".encode()
        yield f"total     = {len(process.rows)}\n".encode()
        for label, kind in _TOTALS:
            yield f"{label:<9} = {sum(kind in row.rights.split(',') for row in process.rows)}\n".encode()
        yield b"\n"


# ---- what can be planted


def second_receiver(listed: list[ProcessListing], random: Random) -> None:
    """Plant: a second process has the receive right of a port."""
    first, row = _receive_row(listed, random)
    other = random.choice([process for process in listed if process is not first])
    other.rows.append(msgspec.structs.replace(row, name=0x30_0000))


def too_few_counted(listed: list[ProcessListing], random: Random) -> None:
    """Plant: there is one send-once right more than the port counts, or a send right where it counts none."""
    counted = [row for process in listed for row in process.rows if "recv" in row.rights and row.once > 0]
    if counted and random.random() < 0.5:
        random.choice(counted).once -= 1
        return
    sent = {row.object for process in listed for row in process.rows if row.rights == "send"}
    random.choice([row for process in listed for row in process.rows if "recv" in row.rights and row.object in sent]).senders = False


def others_control_port(listed: list[ProcessListing], random: Random) -> None:
    """Plant: a process gets another task's control port that it didn't have."""
    controls = [row for process in listed for row in process.rows if row.to.startswith(_CONTROL)]
    holder = random.choice([process for process in listed if not any(row.to.startswith(_CONTROL) for row in process.rows)])
    right = random.choice([row for row in controls if not row.to.startswith(f"{_CONTROL}{holder.pid})")])
    holder.rows.append(msgspec.structs.replace(right, name=0x31_0000))


def _receive_row(listed: Sequence[ProcessListing], random: Random) -> tuple[ProcessListing, Row]:
    return random.choice([(process, row) for process in listed for row in process.rows if "recv" in row.rights])


PLANTS: Mapping[str, Callable[[list[ProcessListing], Random], None]] = {
    "receive-right": second_receiver,
    "counts": too_few_counted,
    "listed-control": others_control_port,
}
"""By the name of the rule."""
