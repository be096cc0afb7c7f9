"""The flow graph of authority: the rights along which a right could travel from task to task, if all tasks on the path
cooperate.

It is the graph of one state and one port, the *target*: rights to the target travel along its edges.

- Tasks, and messages that wait in queues, *contain* rights. So do ports that hold rights for requests, and the host
  with its special ports: they don't act, but tasks can get the rights that they hold. Each right in a slot is an edge
  of its own, of capacity 1: removing the right cuts the edge.
- A right to the target leads from the target to its container.
- A send right to a task's port joins its holder and that task: the holder can insert rights into the task's space and
  extract them.
- A send or send-once right to a port joins its holder and the container of the port's receive right: one sends, and the
  other can reply, since the message can carry a right to a port of the sender's. Both rights are needed.
- The contents of a waiting message come to the holder of the receive right that it waits at. Only its receiver can use
  them.
- The rights that a port holds for requests come to the holder of its receive right (a new request returns the
  registered right); the right of a name's dead-name request comes to the holder of a right to the task's port.
- A send right to the privileged host port joins its holder and the host's special ports: the holder gets and sets them.
- A send right to a task's port, or to a strong enough further port of the task, leads from a further port of the task:
  its holder gets a right to that from the kernel. (A right to the resume port comes with ``task_suspend``.)
- A process that may have another one's task gets a right to its port from the kernel, by its pid. So it is joined with
  that task as if it had such a right, and no removal of rights prevents that. (Ids count as they are now.)
- Ports of other kernel objects join nothing: the kernel doesn't pass messages on.
- Where rights to tasks' ports are immovable (``task_ports_stay``) they travel in one way only: a task that controls
  another inserts them into its space.

A suspended task counts as if it were resumed, and a pending call as if it had ended: a creator whose call was stopped
will have a right to its child, and the child perhaps the privileged host port.

So connectivity works in both directions, as in take-grant models: every task connected with a holder can obtain the
right, if all tasks on the path cooperate. *Trusted* tasks don't: they neither send, nor receive, nor extract. But a
trusted task that an untrusted one controls (by a right to its port) must do what its controller wants, and counts as
untrusted.

Weights are numbers of calls: sending and receiving are one each (and one for each earlier message in the queue), as are
insert_right and extract_right. To get a reply takes five (allocate, send, receive, send, receive), and to use a right
in a task's place or in a request takes one more. A path's weight is the number of calls of that plan, if the names that
it needs are known and the counts have room. There may be a shorter plan.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import networkx as nx

from sendright.mach.abi.rights import TASK_FLAVOURS, Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import HostSelf, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import EMPTY, Entry, Port, Slot, Snapshot, messages, slots
from sendright.properties.provenance.carried import DESTINATION

RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
CALLS_BY_PID = 2
"""``mach_task_self``, and the call that takes the pid."""
CALLS_FOR_AN_ANSWER = 4
"""Allocate, send, receive, send; the last receive is counted elsewhere."""


_MAKERS: dict[PortObject, tuple[PortObject, ...]] = {
    flavour: tuple([each for each in SIGNATURES["task_get_special_port"].target_objects if each not in TASK_FLAVOURS[:place]])
    for place, flavour in enumerate(TASK_FLAVOURS)
}
"""A port of a task -> the ports of the task, and tokens, through which the kernel makes rights to it."""
for _port in (PortObject.TASK, *TASK_FLAVOURS):
    _MAKERS[_port] = (*_MAKERS.get(_port, ()), PortObject.TASK_ID_TOKEN)
_MAKERS[PortObject.TASK_RESUME] = SIGNATURES["task_suspend"].target_objects


class Container(msgspec.Struct, frozen=True):
    """A task, a message (by its serial), a port with its requests, or the host.

    An ``opened`` container stands for its contents in the hands of a task that has access to it.
    """

    kind: str
    number: int

    def __str__(self) -> str:
        kind = self.kind.removeprefix("opened ")
        return "the host" if kind == "host" else f"the requests of port {self.number}" if kind == "port" else f"{self.kind} {self.number}"

    @property
    def opened(self) -> Container:
        """The node of those that can use its contents: for a task the task itself, for others the opened container."""
        return self if self.kind == "task" else Container(f"opened {self.kind}", self.number)


HOST = Container("host", 0)


class Target(msgspec.Struct, frozen=True):
    """The port whose rights travel: the source of all flow."""

    port: int


class ToReceiver(msgspec.Struct, frozen=True):
    """The node on the path to the receiver of a port, or to the task that the port controls."""

    port: int


class FromReceiver(msgspec.Struct, frozen=True):
    """The node on the path from the receiver of a port, or from the task that it controls, to the holders of send
    rights."""

    port: int


class SlotEntry(msgspec.Struct, frozen=True):
    """The start of the edge of a right in a slot."""

    slot: Slot


class SlotExit(msgspec.Struct, frozen=True):
    """The end of the edge of a right in a slot."""

    slot: Slot


FlowNode = Container | Target | ToReceiver | FromReceiver | SlotEntry | SlotExit


class FlowGraph:
    """The graph of one state. ``graph`` is a networkx DiGraph of FlowNode; edges have ``weight``, those of rights
    ``capacity`` 1."""

    def __init__(self, snapshot: Snapshot, target: int, trusted: Collection[int] = (), profile: Profile | None = None) -> None:
        self.snapshot = snapshot
        self.target = Target(target)
        self.graph: nx.DiGraph[FlowNode] = nx.DiGraph()
        # A destination right disappears when its message is received, and a right that a pending call holds when the call resumes. A
        # right to a port that a faulty kernel doesn't show leads nowhere.
        self.entries = {
            slot: entry
            for slot, entry in slots(snapshot).items()
            if entry.port in snapshot.ports and (slot.where, slot.index) != ("message", DESTINATION) and slot.where != "held"
        }
        self._queue_of = {message.serial: number for number, message in messages(snapshot)}
        queued = {message.serial for port in snapshot.ports.values() for message in port.queue}
        self._unsent = self._queue_of.keys() - queued
        self._receive_rights = {entry.port: slot for slot, entry in self.entries.items() if entry.kind in RECEIVING}
        self._stays = profile is not None and target in snapshot.ports and self._is_immovable(snapshot.ports[target], profile)
        self._joins_host = (profile is None or profile.serves("host_get_special_port")) and not self._stays
        self.passive = set(trusted) - self._controlled(set(trusted))
        """The trusted tasks that no untrusted task controls: they don't pass rights on."""
        self.graph.add_node(self.target)
        for number in snapshot.tasks:
            if number not in self.passive:
                self.graph.add_node(Container("task", number))
        for slot, entry in self.entries.items():
            container = container_of(slot)
            if entry.port is not None and not (container.kind == "task" and container.number in self.passive):
                self._add(slot, entry, entry.port, container)
        if target in snapshot.ports:
            self._add_makers(snapshot.ports[target], profile)
        for creator, task in snapshot.tasks.items():
            if task.waiting is not None and task.waiting.child in snapshot.tasks and not task.waiting.phase:
                self._add_creation(creator, task.waiting.child, task.waiting.privileged)
        for other in snapshot.tasks:
            for caller in snapshot.tasks.keys() - self.passive - {other}:
                self._add_by_pid(caller, other)

    def _is_immovable(self, port: Port, profile: Profile) -> bool:
        """Whether rights to the port stay where they are. A right to a process's control port can be carried all the
        same: as one to an identity token.
        """
        task = self.snapshot.tasks.get(-1 if port.task is None else port.task)
        has_tokens = port.object is PortObject.TASK and task is not None and task.process is not None
        return port.object in profile.immovable_objects and not has_tokens

    def _add_by_pid(self, caller: int, other: int) -> None:
        """Join a task with another one that it gets from the kernel, by the pid of its process."""
        one, port = Container("task", caller), self.snapshot.tasks[other].port
        shown = self.snapshot.ports.get(self.target.port)
        if shown is not None and shown.object is PortObject.TASK_NAME and shown.task == other and may_name(self.snapshot, caller, other):
            self._edge(self.target, one, CALLS_BY_PID)
        if not may_control(self.snapshot, caller, other):
            return
        if shown is not None and shown.object in (PortObject.TASK, *TASK_FLAVOURS) and shown.task == other:
            self._edge(self.target, one, CALLS_BY_PID)
        self._edge(one, ToReceiver(port), CALLS_BY_PID)
        if other not in self.passive:
            self._edge(ToReceiver(port), Container("task", other), 1)
            if not self._stays:
                self._edge(Container("task", other), FromReceiver(port), 0)
                self._edge(FromReceiver(port), one, CALLS_BY_PID + 1)

    def _add_creation(self, creator: int, child: int, privileged: bool) -> None:
        """Join the creator and the child of a stopped creation, which will give the creator a right when it resumes."""
        one, other = Container("task", creator), Container("task", child)
        port = self.snapshot.tasks[child].port
        if self.target.port == port and creator not in self.passive:
            self._edge(self.target, one, 1)
        if privileged and child not in self.passive and self.target.port == self._privileged_host():
            self._edge(self.target, other, 2)  # and mach_host_self
        if not {creator, child} & self.passive:
            self._edge(one, ToReceiver(port), 1)
            self._edge(ToReceiver(port), other, 1)
            self._edge(other, FromReceiver(port), 0)
            self._edge(FromReceiver(port), one, 2)

    def _privileged_host(self) -> int | None:
        return next((number for number, port in self.snapshot.ports.items() if port.object is PortObject.HOST_PRIV), None)

    def _add_makers(self, port: Port, profile: Profile | None) -> None:
        """Add the calls that make a right to the target ``port`` from authority over something else."""
        object_ = port.object
        if object_ in _MAKERS:
            for slot in self.entries:  # task_get_special_port, task_suspend
                if SlotEntry(slot) in self.graph and self._object_at(slot) in _MAKERS[object_] and self._task_at(slot) == port.task:
                    self._edge(self.target, SlotEntry(slot), 1 + _fetch(slot))
                    self._edge(SlotExit(slot), container_of(slot), 0)
        elif object_ is PortObject.HOST:
            if profile is None or profile.host_self is HostSelf.MADE:
                for number in self.snapshot.tasks.keys() - self.passive:  # mach_host_self
                    self._edge(self.target, Container("task", number), 1)
            if profile is None or (profile.host_place and profile.serves("host_security_set_task_token")):
                for slot in self.entries:  # host_security_set_task_token on oneself, and mach_host_self
                    if SlotEntry(slot) in self.graph and self._object_at(slot) is PortObject.HOST_SECURITY:
                        self._edge(self.target, SlotEntry(slot), 2)
                        self._edge(SlotExit(slot), container_of(slot), 0)
        elif object_ is PortObject.LEDGER:
            for task in self.snapshot.tasks.values():  # task_create, and task_get_special_port of the child
                if self.target.port in (task.ledgers or ()):
                    self._edge(self.target, FromReceiver(task.port), 1)

    def _object_at(self, slot: Slot) -> PortObject:
        port = self.entries[slot].port
        return PortObject.NONE if port is None else self.snapshot.ports[port].object

    def _task_at(self, slot: Slot) -> int | None:
        """The task of the port to which the right in ``slot`` leads; of a token, if it runs the token's image."""
        number = self.entries[slot].port
        port = None if number is None else self.snapshot.ports[number]
        return None if port is None or not may_lead(self.snapshot, port) else port.task

    def _controlled(self, trusted: set[int]) -> set[int]:
        """The trusted tasks that untrusted tasks control, directly or through others."""
        controlled: set[int] = set()
        while True:
            more = {
                task
                for slot, entry in self.entries.items()
                if entry.kind is SlotKind.SEND
                and entry.port is not None
                and (task := controlled_by(self.snapshot, self.snapshot.ports[entry.port])) in trusted - controlled
                if any(holder not in trusted - controlled for holder in self._holders(slot))
            }
            more |= {
                task
                for task in trusted - controlled
                if any(may_control(self.snapshot, other, task) for other in self.snapshot.tasks.keys() - {task} - (trusted - controlled))
            }
            if not more:
                return controlled
            controlled |= {task for task in more if task is not None}

    def _holders(self, slot: Slot) -> set[int | None]:
        """The tasks that have the right in ``slot``, or can get it alone; the element None: no task has."""
        if slot.where != "host":
            return {self._holder(slot)}
        keys = (key for key in self.entries if key.where != "host" and self._object_at(key) is PortObject.HOST_PRIV)
        return {self._holder(key) for key in keys} if self._joins_host else set()

    def _holder(self, slot: Slot) -> int | None:
        """The task that has the right in ``slot``, or would have it after receiving all its waiting messages; None:
        no task."""
        passed: set[Slot] = set()
        while slot.where == "message" and slot not in passed:
            passed.add(slot)
            waits_at = self._queue_of.get(slot.owner)
            slot = self._receive_rights.get(waits_at, slot)
        return slot.task

    def _add(self, slot: Slot, entry: Entry, number: int, container: Container) -> None:
        port = self.snapshot.ports[number]
        fetch = _fetch(slot) + (port.object is PortObject.TASK_ID_TOKEN)  # a token gives the control port first
        controls = controlled_by(self.snapshot, port)
        self.graph.add_edge(SlotEntry(slot), SlotExit(slot), weight=0, capacity=1)
        # The rights in a message can't be used before it is received.
        user = container.opened
        if number == self.target.port:
            self._edge(self.target, SlotEntry(slot), fetch)
            self._edge(SlotExit(slot), container, 0)
        if controls is not None:
            task = Container("task", controls)
            self._edge(user, SlotEntry(slot), fetch)
            self._edge(SlotExit(slot), ToReceiver(number), 0)
            self._edge(FromReceiver(number), SlotEntry(slot), fetch)
            self._edge(SlotExit(slot), container, 1)
            if controls not in self.passive:
                self._edge(ToReceiver(number), task, 1)
                if not self._stays:  # extract_right
                    self._edge(task, FromReceiver(number), 0)
        elif port.object is PortObject.HOST_PRIV and self._joins_host:
            self._edge(user, SlotEntry(slot), fetch)
            self._edge(SlotExit(slot), HOST, 1)  # host_set_special_port
            self._edge(HOST, SlotEntry(slot), 1 + fetch)  # host_get_special_port
            self._edge(SlotExit(slot), container, 0)
            self._edge(SlotExit(slot), HOST.opened, 1)
        elif port.object is not PortObject.NONE or self._stays:
            return
        elif entry.kind in RECEIVING:
            self._edge(ToReceiver(number), SlotEntry(slot), len(port.queue) + 1)
            self._edge(SlotExit(slot), container, 0)
            self._edge(user, SlotEntry(slot), 0)
            self._edge(SlotExit(slot), FromReceiver(number), len(port.queue))
            held = [(Container("message", message.serial), place + 1) for place, message in enumerate(port.queue)]
            # A message that waits for room comes after those in the queue: its sender resumes, then the message is received.
            held += [(Container("message", serial), len(port.queue) + 2) for serial in sorted(self._unsent) if self._queue_of.get(serial) == number]
            if port.no_senders.kind or port.port_destroyed.kind:
                held.append((Container("port", number), 1))  # mach_port_request_notification
            for other, calls in held:
                self._edge(other, SlotEntry(slot), calls)
                self._edge(SlotExit(slot), other.opened, calls)
        else:
            self._edge(user, SlotEntry(slot), 1 + fetch)
            self._edge(SlotExit(slot), ToReceiver(number), 0)
            self._edge(FromReceiver(number), SlotEntry(slot), CALLS_FOR_AN_ANSWER + fetch)
            self._edge(SlotExit(slot), container, 1)

    def _edge(self, one: FlowNode, other: FlowNode, weight: int) -> None:
        """Add an edge. If there is one already, the lower weight counts."""
        known = self.graph.get_edge_data(one, other)
        self.graph.add_edge(one, other, weight=weight if known is None else min(weight, known["weight"]))


def may_control(snapshot: Snapshot, caller: int, other: int) -> bool:
    """Whether the kernel gives the task ``caller`` the control port of ``other``, by the pid of its process
    (``task_for_pid_posix_check``, and no server answers at an access port).
    """
    own, task = snapshot.tasks[caller].process, snapshot.tasks[other]
    target = task.process
    if own is None or target is None or target.is_shadow or own.effective_user == 0:
        return own is not None and target is not None and not target.is_shadow
    access = task.places.get(Place.ACCESS, EMPTY)
    decides = access.kind is not SlotKind.NONE and (access.port not in snapshot.ports or snapshot.ports[access.port].object is PortObject.NONE)
    users = {target.real_user, target.effective_user, target.saved_user}
    groups = {target.real_group, target.effective_group, target.saved_group}
    own_groups = {own.real_group, own.effective_group, own.saved_group}
    return not decides and users == {own.effective_user} and groups <= own_groups and not target.has_changed_ids


def may_name(snapshot: Snapshot, caller: int, other: int) -> bool:
    """Whether the kernel gives the task ``caller`` the name port of ``other``, by the pid of its process."""
    own, target = snapshot.tasks[caller].process, snapshot.tasks[other].process
    if own is None or target is None or target.is_shadow:
        return False
    return own.effective_user == 0 or (own.effective_user, own.real_user) == (target.effective_user, target.real_user)


def controlled_by(snapshot: Snapshot, port: Port) -> int | None:
    """The task that a send right to ``port`` controls, which is the task's control port or a token of it; None: it
    controls none.
    """
    controls = port.object in (PortObject.TASK, PortObject.TASK_ID_TOKEN) and may_lead(snapshot, port)
    return port.task if controls else None


def may_lead(snapshot: Snapshot, port: Port) -> bool:
    """Whether ``port`` isn't a token, or is one whose image its task runs."""
    if port.image is None:
        return True
    task = None if port.task is None else snapshot.tasks.get(port.task)
    process = None if task is None else task.process
    return process is not None and not process.is_shadow and (process.pid, process.pid_version) == port.image


def _fetch(slot: Slot) -> int:
    """The number of calls by which a task gets a right of its own out of ``slot``."""
    return 1 if slot.where in ("place", "request") else 0


def container_of(slot: Slot) -> Container:
    """The container that the slot belongs to."""
    if slot.task is not None:
        return Container("task", slot.task)
    return HOST if slot.where == "host" else Container("message" if slot.where == "message" else "port", slot.owner)
