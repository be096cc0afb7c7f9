"""Converts the specification's state to a ``Snapshot``, incrementally, and back.

``_PLACES`` and ``_shown_in`` say which part of a snapshot shows which point of which field: they are the one place to
tell of a new kind of slot or of a field of a new domain. (``tests/model/execution/test_snapshots.py`` finds out what is
forgotten there.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

from msgspec.structs import replace

from sendright.mach.abi.descriptors import NO_PAGE, page_count
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import FURTHER_TASK_PORTS, NULL_NAME, Place, PortObject, SlotKind
from sendright.mach.abi.tokens import UNSET
from sendright.mach.kernel.profiles import LedgerRule, Profile
from sendright.mach.state.boot import FIRST_PID_VERSION, HOST_PORT, HOST_PRIV_PORT
from sendright.mach.state.process import Process
from sendright.mach.state.process import Zombie as ZombieProcess
from sendright.mach.state.sharing import Parts, updated_parts
from sendright.mach.state.snapshot import Descriptor, Entry, Ledger, Message, Page, PendingCall, Port, Snapshot, Task
from sendright.model.execution.encoding import (
    ALIVE,
    ARMED,
    BEGINNING,
    BODY_SLOT,
    CREATING,
    DEFAULTS,
    DELAYED,
    DESTINATION_SLOT,
    ENDED,
    EXECUTING,
    FIRED,
    FOR_CHILD,
    HOST_SLOT,
    IN_HAND,
    KERNEL_SLOT,
    LIMBO_SLOT,
    NAME_SLOT,
    NO_OBJECT,
    NO_PORT,
    NO_PROCESS,
    NO_SENDERS_SLOT,
    NO_TASK,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    QUEUED,
    RECEIVING,
    REPLY_SLOT,
    REQUEST_SLOT,
    RUNNING,
    SENDING,
    SETTING,
    SHADOW,
    WAITING,
    ZOMBIE,
    SlotTuple,
)
from sendright.model.execution.state import ConcreteState, SnapshotPart
from sendright.model.language.state import FIELDS

_HOST: SnapshotPart = ("host", 0)
_OF_PROCESSES = {
    **{name: name for name in ("pid", "pid_version", "original_parent", "audit_user", "session", "has_changed_ids", "is_orphan")},
    **{f"{which}_{of}": f"{which}_{of}" for which in ("real", "effective", "saved") for of in ("user", "group")},
    "parent": "parent_pid",
    "member": "member_user",
}
"""What a ``Process`` says in a word or a truth value -> the field of the state."""
_PLACES = {
    NAME_SLOT: "task",
    PLACE_SLOT: "task",
    REQUEST_SLOT: "task",
    DESTINATION_SLOT: "message",
    REPLY_SLOT: "message",
    BODY_SLOT: "message",
    NO_SENDERS_SLOT: "port",
    PORT_DESTROYED_SLOT: "port",
    HOST_SLOT: "host",
    KERNEL_SLOT: "",
    LIMBO_SLOT: "",
}
"""Where a slot is shown: in the task, message or port that owns it, among the host's, or nowhere."""


@lru_cache(maxsize=1 << 16)
def _entry(kind: int, port: int, urefs: int, unlooked: int = 0, told: bool = False) -> Entry:
    if kind == SlotKind.DEAD_NAME and unlooked:
        return Entry(SlotKind(unlooked), None, urefs, told)
    return Entry(SlotKind(kind), None if port == NO_PORT else port, urefs)


class SnapshotWriter:
    """Snapshots of one state, which it watches."""

    def __init__(self, state: ConcreteState, profile: Profile) -> None:
        self._state = state
        self._no_ledgers = profile.ledger_rule is LedgerRule.NONE
        self._tasks: Parts[Task] = Parts()
        self._ports: Parts[Port] = Parts()
        self._zombies: Parts[ZombieProcess] = Parts()
        self._host: dict[int, Entry] = {}
        self._names: dict[int, Parts[Entry]] = {}
        """Of each task, its names as last shown: the one part of a task that may be large."""
        self._changed_names: dict[int, set[int]] = {}
        state.shown_in = self._shown_in()

    def snapshot(self) -> Snapshot:
        """Everything there is."""
        changed = {"task": set[int](), "port": set[int](), "host": set[int]()}
        for part, number in self._state.changed_parts:
            changed[part].add(number)
        self._tasks = updated_parts(self._tasks, changed["task"], self._task)
        self._zombies = updated_parts(self._zombies, changed["task"], self._zombie)
        self._ports = updated_parts(self._ports, changed["port"], self._port)
        if changed["host"]:
            self._host = {slot[1]: self._entry_in(slot) for slot in self._state.built_by(HOST_SLOT)}
        self._state.changed_parts.clear()
        return Snapshot(self._tasks, self._ports, self._host, self._zombies, self._sessions())

    # ---- what has changed

    def _shown_in(self) -> dict[str, Callable[[Any], Iterable[SnapshotPart]]]:
        """Of each field, the parts that show what it says at a point. A snapshot doesn't contain how spaces know ports,
        what objects were made, and the clock.
        """
        by_domain: dict[tuple[str, ...], Callable[[Any], Iterable[SnapshotPart]]] = {
            ("Slot",): self._shown_with,
            ("Task",): lambda task: (("task", task),),
            ("Task", "Place"): lambda point: (("task", point[0]),),
            ("Task", "Int"): self._with_page,
            ("Object",): self._mapping,
            ("Port",): lambda port: (("port", port),),
            ("Port", "Name"): lambda point: self._of_member(point[0]),
            ("Message",): self._queue,
            ("Message", "Int"): lambda point: self._queue(point[0]),
        }
        shown_in = {name: by_domain[declaration.domain] for name, declaration in FIELDS.items() if declaration.domain in by_domain}
        return shown_in | {"receiver": self._of_member, "task_life": self._of_child}

    def _shown_with(self, slot: SlotTuple) -> Iterable[SnapshotPart]:
        where = _PLACES[slot[0]]
        if slot[0] == NAME_SLOT:
            self._changed_names.setdefault(slot[1], set()).add(slot[2])
        if where == "message":
            return self._queue(slot[1])
        if where == "host":
            return (_HOST,)
        return ((where, slot[1]),) if where else ()

    def _queue(self, message: int) -> Iterable[SnapshotPart]:
        """What shows a message: the port on which it is queued, or the task that waits with it."""
        f = self._state.fields
        stage = f["stage"].get(message)
        if stage == WAITING and message in f["owner"]:
            return (("task", f["owner"][message]),)
        return (("port", f["queue"][message]),) if stage == QUEUED and message in f["queue"] else ()

    def _of_child(self, task: int) -> Iterable[SnapshotPart]:
        """A task is shown, and that it lives where it is the new task of a creation or an exec that is stopped."""
        return [("task", task), *[("task", creator) for creator in self._state.by_value("waits_child", task)]]

    def _of_member(self, port: int) -> Iterable[SnapshotPart]:
        receiver = self._state["receiver"].get(port)
        return (("task", receiver[1]),) if receiver is not None and receiver[0] == NAME_SLOT else ()

    def _with_page(self, point: tuple[int, int]) -> Iterable[SnapshotPart]:
        return [("task", point[0]), *self._mapping(self._state["mapped"].get(point, NO_OBJECT))]

    def _mapping(self, object_: int) -> Iterable[SnapshotPart]:
        return [] if object_ == NO_OBJECT else [("task", task) for task, _ in self._state.by_value("mapped", object_)]

    # ---- writing down

    def _entry_in(self, slot: SlotTuple) -> Entry:
        f = self._state.fields
        return _entry(
            f["kind"].get(slot, 0), f["port"].get(slot, NO_PORT), f["urefs"].get(slot, 0), f["unlooked"].get(slot, 0), f["told"].get(slot, False)
        )

    def _task(self, task: int) -> Task | None:
        """A task that lives, or (if a rule is wrong) has ended and still holds rights, which an implementation won't
        show.
        """
        state, f = self._state, self._state.fields
        self._names[task] = updated_parts(self._names.get(task, Parts()), self._changed_names.pop(task, ()), partial(self._name, task))
        places = {Place(slot[2]): self._entry_in(slot) for slot in state.slots_of(PLACE_SLOT, task) if slot[2] != IN_HAND}
        fired = f["send_possible"]
        requests = {slot[2]: self._entry_in(slot) for slot in state.slots_of(REQUEST_SLOT, task) if fired.get(slot) != FIRED}
        if f["task_life"].get(task) != ALIVE and not (self._names[task] or places or requests):
            del self._names[task]
            return None
        return Task(
            port=f["task_port"].get(task, 0),
            security_token=f["security"].get(task, ()),
            audit_token=f["audit"].get(task, ()),
            names=self._names[task],
            places=places,
            ledgers=None if self._no_ledgers else (f["wired"].get(task, NO_PORT), f["paged"].get(task, NO_PORT)),
            memory={page: self._page((task, page)) for _, page in sorted(state.by_part("mapped", 0, task))},
            suspend_count=f["suspend_count"].get(task, 0),
            sets=self._sets(task),
            exceptions=self._exceptions(task),
            set_by_root=self._set_by_root(task),
            died={place: f["had"][PLACE_SLOT, task, int(place)] for place in places if (PLACE_SLOT, task, int(place)) in f["had"]},
            requests=requests,
            send_possible=self._send_possible(task),
            waiting=self._waiting(task),
            process=self._process(task),
        )

    def _process(self, task: int) -> Process | None:
        f = self._state.fields
        process = f["process"].get(task, NO_PROCESS)
        if process not in (RUNNING, SHADOW):
            return None
        said = {word: f[name].get(task, DEFAULTS[name]) for word, name in _OF_PROCESSES.items()}
        return Process(**said, is_shadow=process == SHADOW, has_begun=f["wait"].get(task) != BEGINNING)

    def _sessions(self) -> dict[int, int]:
        """The audit sessions that processes are in."""
        f = self._state.fields
        if not f["process"]:
            return {}
        numbers = {f["session"].get(task, 0) for task, process in f["process"].items() if process != NO_PROCESS}
        return {number: f["session_user"].get(number, 0) for number in sorted(numbers)}

    def _zombie(self, task: int) -> ZombieProcess | None:
        f = self._state.fields
        if f["process"].get(task) != ZOMBIE:
            return None
        return ZombieProcess(
            pid=f["pid"].get(task, 0),
            pid_version=f["pid_version"].get(task, 0),
            parent=f["parent_pid"].get(task, 0),
            status=f["exit_status"].get(task, 0),
            session=f["session"].get(task, 0),
        )

    def _waiting(self, task: int) -> PendingCall | None:
        f = self._state.fields
        wait = f["wait"].get(task)
        if wait == SENDING:
            message = f["waits_with"][task]
            sends = PendingCall(call="mach_msg_send", message=self.message(message), has_room=message in f["room"])
            if not f["will_receive"].get(task):
                return sends
            return replace(sends, call="mach_msg", receive_wait=f["will_wait"].get(task, False), **self._receives_with(task))
        if wait == RECEIVING:
            return PendingCall(call="mach_msg_receive", port=f["waits_for"].get(task), **self._receives_with(task))
        if wait == CREATING:
            child = f["waits_child"][task]
            return PendingCall(
                call="host_security_create_task_token",
                child=child if f["task_life"].get(child) == ALIVE else None,
                security_token=f["waits_security"][task],
                audit_token=f["waits_audit"][task],
                privileged=f["object"].get(f["waits_host"][task]) == PortObject.HOST_PRIV,
            )
        if wait == SETTING:
            return PendingCall(call="task_set_special_port", held=self._entry_in((PLACE_SLOT, task, IN_HAND)))
        if wait == EXECUTING:
            child, phase = f["waits_child"].get(task, NO_TASK), f["exec_phase"].get(task, 0)
            user, group = (f[name].get(task, 0) if phase == 1 else UNSET for name in ("waits_set_user", "waits_set_group"))
            lives = f["task_life"].get(child) == ALIVE
            return PendingCall(call="execve", child=child if lives else None, phase=phase, set_user=user, set_group=group)
        if wait == FOR_CHILD:
            return PendingCall(call="wait4", pid=f["waits_pid"].get(task, 0))
        return None

    def _send_possible(self, task: int) -> dict[int, bool]:
        """The names whose requests are, or were, for send-possible, and whether each is armed."""
        asked = self._state.fields["send_possible"]
        return dict(sorted((slot[2], how == ARMED) for slot, how in asked.items() if slot[1] == task))

    def _receives_with(self, task: int) -> dict[str, Any]:
        """The arguments of a receive that waits, or that will begin when the task has sent."""
        f = self._state.fields
        return {
            "name": f["waits_at"].get(task, NULL_NAME),
            "limit": f["waits_limit"].get(task, 0),
            "large": f["waits_large"].get(task, False),
            "trailer": f["waits_trailer"].get(task, 0),
        }

    def _name(self, task: int, name: int) -> Entry | None:
        entry = self._entry_in((NAME_SLOT, task, name))
        return entry if entry.kind else None

    def _page(self, point: tuple[int, int]) -> Page:
        f = self._state.fields
        object_ = f["mapped"][point]
        return Page(f["content"].get(object_, 0), f["inheritance"].get(point, 0), min(self._state.by_value("mapped", object_)))

    def _sets(self, task: int) -> dict[int, tuple[int, ...]]:
        sets: dict[int, list[int]] = {}
        receiver = self._state["receiver"]
        for port, pset in self._state["member"]:
            if receiver[port][:2] == (NAME_SLOT, task):
                sets.setdefault(pset, []).append(receiver[port][2])
        return {name: tuple(sorted(members)) for name, members in sets.items()}

    def _set_by_root(self, task: int) -> tuple[Place, ...]:
        told = self._state["set_by_root"]
        return tuple([place for place in Place if told.get((task, int(place)))]) if told else ()

    def _exceptions(self, task: int) -> dict[Place, tuple[int, int]]:
        behaviour, flavour = self._state["exception_behaviour"], self._state["exception_flavour"]
        if not behaviour and not flavour:
            return {}
        told = {place: (behaviour.get((task, place), 0), flavour.get((task, place), 0)) for place in Place}
        return {place: both for place, both in told.items() if both != (0, 0)}

    def _port(self, port: int) -> Port | None:
        f = self._state.fields
        if f["port_life"].get(port) != ALIVE:
            return None
        object_ = PortObject(f["object"].get(port, 0))
        return Port(
            object=object_,
            task=f["object_task"].get(port) if object_ in (PortObject.TASK, PortObject.TASK_ID_TOKEN, *FURTHER_TASK_PORTS) else None,
            make_send_count=f["mscount"].get(port, 0),
            sequence_number=f["seqno"].get(port, 0),
            send_rights=f["srights"].get(port, 0),
            send_once_rights=f["sorights"].get(port, 0),
            queue_limit=f["qlimit"].get(port, 0),
            queue=tuple(map(self.message, self._state.waiting(port))),
            no_senders=self._entry_in((NO_SENDERS_SLOT, port, 0)),
            port_destroyed=self._entry_in((PORT_DESTROYED_SLOT, port, 0)),
            ledger=self._ledger(port) if object_ == PortObject.LEDGER else None,
            context=f["context"].get(port, 0),
            guarded=f["is_guarded"].get(port, False),
            strict=f["is_strict"].get(port, False),
            immovable=f["is_immovable"].get(port, False),
            lost_send_rights=f["lost_sends"].get(port, 0),
            imp_donation=f["is_donating"].get(port, False),
            temp_owner=f["has_temp_owner"].get(port, False),
            purpose=PortPurpose(f["purpose"].get(port, 0)),
            service=f["is_service"].get(port, False),
            throttled=f["is_throttled"].get(port, False),
            request_slots=f["request_slots"].get(port, 0),
            image=(f["image_pid"].get(port, 0), f["image_version"].get(port, 0)) if object_ == PortObject.TASK_ID_TOKEN else None,
        )

    def _ledger(self, port: int) -> Ledger:
        f = self._state.fields
        parent, payer = (f[name].get(port) for name in ("ledger_parent", "ledger_payer"))
        return Ledger(f["ledger_limit"].get(port, 0), f["ledger_balance"].get(port, 0), parent, payer)

    def message(self, message: int) -> Message:
        """One message, as it says and what it carries."""
        f = self._state.fields
        layout = f["layout"].get(message, ())
        return Message(
            serial=message,
            id=f["id"].get(message, 0),
            destination=self._entry_in((DESTINATION_SLOT, message, 0)),
            reply=self._descriptor((REPLY_SLOT, message, 0)),
            body=tuple(self._descriptor((BODY_SLOT, message, index)) for index in range(f["body_count"].get(message, 0))),
            security_token=f["sender_security"].get(message, ()),
            audit_token=f["sender_audit"].get(message, ()),
            data=f["data"].get(message, 0),
            from_kernel=f["from_kernel"].get(message, False),
            layout=layout,
            memory=tuple(f["content"].get(f["memory"].get((message, index)), 0) for index in range(page_count(layout))),
            size=f["size"].get(message, 0),
        )

    def _descriptor(self, slot: SlotTuple) -> Descriptor:
        return Descriptor(self._entry_in(slot), self._state["form"].get(slot, 0))


PAGE_BITS = 32
"""Enough for the page numbers of one task."""

_SENDS = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


def state_of(snapshot: Snapshot, profile: Profile) -> ConcreteState:
    """The snapshot, of a kernel of ``profile``, as a state of the specification, its ghost counts counted."""
    state = ConcreteState()
    f = state.fields
    next_object = -2  # for memory in messages, which isn't shared
    for number, port in snapshot.ports.items():
        f["port_life"][number] = ALIVE
        f["object"][number] = int(port.object)
        if port.task is not None:
            f["object_task"][number] = port.task
            if port.object in FURTHER_TASK_PORTS:
                f["flavour_port"][port.task, int(port.object)] = number
        if port.image is not None:
            f["image_pid"][number], f["image_version"][number] = port.image
        counts: tuple[tuple[str, int], ...] = (("mscount", port.make_send_count), ("seqno", port.sequence_number), ("srights", port.send_rights))
        counts += (("lost_sends", port.lost_send_rights), ("sorights", port.send_once_rights), ("msgcount", len(port.queue)))
        for name, value in counts:
            f[name][number] = value
        if port.object:
            _put(f, (KERNEL_SLOT, number, 0), Entry(SlotKind.RECEIVE, number))
        f["qlimit"][number], f["request_slots"][number] = port.queue_limit, port.request_slots
        f["context"][number], f["is_guarded"][number] = port.context, port.guarded
        f["is_strict"][number], f["is_immovable"][number] = port.strict, port.immovable
        f["is_donating"][number], f["has_temp_owner"][number] = port.imp_donation, port.temp_owner
        f["purpose"][number], f["is_service"][number], f["is_throttled"][number] = int(port.purpose), port.service, port.throttled
        _put(f, (NO_SENDERS_SLOT, number, 0), port.no_senders)
        _put(f, (PORT_DESTROYED_SLOT, number, 0), port.port_destroyed)
        if port.ledger is not None:
            f["ledger_limit"][number], f["ledger_balance"][number] = port.ledger.limit, port.ledger.balance
            f["ledger_parent"][number] = NO_PORT if port.ledger.parent is None else port.ledger.parent
            f["ledger_payer"][number] = NO_PORT if port.ledger.ledger_ledger is None else port.ledger.ledger_ledger
        for message in port.queue:
            _queue(f, number, message)
            next_object = _carry(f, message, next_object)
    for number, task in snapshot.tasks.items():
        f["task_life"][number] = ALIVE
        f["task_port"][number] = task.port
        f["security"][number], f["audit"][number] = task.security_token, task.audit_token
        if task.ledgers is not None:
            f["wired"][number], f["paged"][number] = task.ledgers
        for port_name, entry in task.names.items():
            _put_name(f, (NAME_SLOT, number, port_name), entry, profile)
        for place, entry in task.places.items():
            _put(f, (PLACE_SLOT, number, int(place)), entry)
        for page, shown in task.memory.items():
            _map(f, (number, page), shown)
        for port_name, entry in task.requests.items():
            _put(f, (REQUEST_SLOT, number, port_name), entry)
        for port_name, armed in task.send_possible.items():
            request = (REQUEST_SLOT, number, port_name)
            f["send_possible"][request] = FIRED if port_name not in task.requests else ARMED if armed else DELAYED
            named = task.names.get(port_name)
            if port_name not in task.requests and named is not None and not named.is_unlooked:
                _put(f, request, Entry(SlotKind.DEAD_NAME))
        for place, (behaviour, flavour) in task.exceptions.items():
            f["exception_behaviour"][number, int(place)], f["exception_flavour"][number, int(place)] = behaviour, flavour
        for place, died in task.died.items():
            f["had"][PLACE_SLOT, number, int(place)] = died
            f["port_life"].setdefault(died, ENDED)
        for set_name, members in task.sets.items():
            for member in members:
                right = task.names.get(member)  # a member that isn't there is one without a port, which no port set may have
                f["member"][NO_PORT if right is None or right.port is None else right.port, set_name] = True
        f["suspend_count"][number] = task.suspend_count
        for place in task.set_by_root:
            f["set_by_root"][number, int(place)] = True
        if task.process is not None:
            for name, value in fields_of_process(task.process).items():
                f[name][number] = value
            if not task.process.has_begun:
                f["wait"][number] = BEGINNING
        if task.waiting is not None:
            _wait(f, number, task.waiting)
            if task.waiting.message is not None:
                next_object = _carry(f, task.waiting.message, next_object)
    for waits in sorted(message for message, stage in f["stage"].items() if stage == WAITING):
        f["arrival"][waits] = f["clock"].get((), 0)
        f["clock"][()] = f["clock"].get((), 0) + 1
    for number, zombie in snapshot.zombies.items():
        f["task_life"][number], f["process"][number] = ENDED, ZOMBIE
        f["pid"][number], f["pid_version"][number] = zombie.pid, zombie.pid_version
        f["parent_pid"][number], f["exit_status"][number] = zombie.parent, zombie.status
        f["session"][number] = zombie.session
    f["session_user"].update(snapshot.sessions)
    if profile.has_processes:  # at least so many; those that are used up aren't shown
        known = (*f["pid_version"].values(), *f["image_version"].values())
        f["pid_versions"][()] = max([FIRST_PID_VERSION, *(version + 1 for version in known)])
    for which, entry in snapshot.host_ports.items():
        _put(f, (HOST_SLOT, which, 0), entry)
    return ghosts_of(state)


def fields_of_process(process: Process) -> dict[str, int]:
    """What the fields of the state say of the process behind a task."""
    said = {name: getattr(process, word) for word, name in _OF_PROCESSES.items()}
    return said | {"process": SHADOW if process.is_shadow else RUNNING}


def _map(f: dict[str, dict[Any, Any]], point: tuple[int, int], page: Page) -> None:
    """A page is mapped.

    Its memory object has the number of the first page that shares it, and was made if that page is its own.
    """
    task, first = page.shares_with
    number = (task << PAGE_BITS) + first
    f["mapped"][point], f["inheritance"][point], f["content"][number] = number, page.inheritance, page.value
    if page.shares_with == point:
        f["object_made"][number] = True


def _wait(f: dict[str, dict[Any, Any]], task: int, waiting: PendingCall) -> None:
    if waiting.message is not None:
        number = waiting.message.serial
        f["wait"][task], f["waits_with"][task], f["stage"][number], f["owner"][number] = SENDING, number, WAITING, task
        _fill(f, waiting.message)
        if waiting.has_room and waiting.message.destination.port is not None:
            port = f["room"][number] = waiting.message.destination.port
            f["reserved"][port] = f["reserved"].get(port, 0) + 1
        if waiting.call == "mach_msg":
            f["will_receive"][task], f["will_wait"][task] = True, waiting.receive_wait
            _receive_with(f, task, waiting)
    elif waiting.call == "mach_msg_receive":
        f["wait"][task] = RECEIVING
        _receive_with(f, task, waiting)
        f["waits_for"][task] = NO_PORT if waiting.port is None else waiting.port
        if waiting.port is not None:
            f["port_life"].setdefault(waiting.port, ENDED)  # what it waits for was there when it began
    elif waiting.call == "host_security_create_task_token":
        child = -2 - task if waiting.child is None else waiting.child  # which it was isn't shown of one that has ended
        f["wait"][task], f["waits_child"][task] = CREATING, child
        f["task_life"].setdefault(child, ENDED if waiting.child is None else ALIVE)
        f["waits_security"][task], f["waits_audit"][task] = waiting.security_token, waiting.audit_token
        f["waits_host"][task] = HOST_PRIV_PORT if waiting.privileged else HOST_PORT
    elif waiting.call == "execve":
        child = -2 - task if waiting.child is None else waiting.child
        f["wait"][task], f["waits_child"][task], f["exec_phase"][task] = EXECUTING, child, waiting.phase
        f["task_life"].setdefault(child, ENDED if waiting.child is None else ALIVE)
        f["waits_set_user"][task], f["waits_set_group"][task] = waiting.set_user, waiting.set_group
    elif waiting.call == "wait4":
        f["wait"][task], f["waits_pid"][task] = FOR_CHILD, waiting.pid
    elif waiting.call == "task_set_special_port":
        f["wait"][task] = SETTING
        _put(f, (PLACE_SLOT, task, IN_HAND), waiting.held)


def _receive_with(f: dict[str, dict[Any, Any]], task: int, waiting: PendingCall) -> None:
    f["waits_at"][task], f["waits_limit"][task] = waiting.name, waiting.limit
    f["waits_large"][task], f["waits_trailer"][task] = waiting.large, waiting.trailer


def _carry(f: dict[str, dict[Any, Any]], message: Message, number: int) -> int:
    """A message's pages, each an object of its own, numbered down from ``number``; the next number."""
    for index, value in enumerate(message.memory):
        f["memory"][message.serial, index], f["content"][number], f["object_made"][number] = number, value, True
        number -= 1
    return number


def _queue(f: dict[str, dict[Any, Any]], port: int, message: Message) -> None:
    number = message.serial
    f["stage"][number], f["queue"][number] = QUEUED, port
    f["arrival"][number] = f["clock"].get((), 0)
    f["clock"][()] = f["clock"].get((), 0) + 1
    _fill(f, message)


def _fill(f: dict[str, dict[Any, Any]], message: Message) -> None:
    """What a message says and carries."""
    number = message.serial
    f["layout"][number], f["size"][number] = message.layout, message.size
    f["id"][number], f["body_count"][number], f["data"][number] = message.id, len(message.body), message.data
    f["sender_security"][number], f["sender_audit"][number] = message.security_token, message.audit_token
    f["from_kernel"][number] = bool(message.from_kernel)
    _put(f, (DESTINATION_SLOT, number, 0), message.destination)
    _put(f, (REPLY_SLOT, number, 0), message.reply.entry)
    for index, descriptor in enumerate(message.body):
        _put(f, (BODY_SLOT, number, index), descriptor.entry)


def _put_name(f: dict[str, dict[Any, Any]], slot: SlotTuple, entry: Entry, profile: Profile) -> None:
    if entry.is_unlooked and profile.dead_names_are_lazy:
        f["unlooked"][slot], f["told"][slot] = int(entry.kind), bool(entry.told)
        entry = Entry(SlotKind.DEAD_NAME, None, entry.urefs)
    _put(f, slot, entry)


def _put(f: dict[str, dict[Any, Any]], slot: SlotTuple, entry: Entry) -> None:
    if entry.kind == SlotKind.NONE:
        return
    f["kind"][slot], f["urefs"][slot] = int(entry.kind), entry.urefs
    port = f["port"][slot] = NO_PORT if entry.port is None else entry.port
    if entry.kind in _RECEIVES:
        f["receiver"][port] = slot
    if slot[0] == NAME_SLOT and entry.kind in (*_SENDS, SlotKind.RECEIVE):
        f["known_as"].setdefault((slot[1], port), slot[2])


def ghosts_of(state: ConcreteState) -> ConcreteState:
    """``state`` with its ghost counts counted, from slots and queues."""
    f = state.fields
    for ghost, kinds in (("sending_slots", _SENDS), ("send_once_slots", (SlotKind.SEND_ONCE,))):
        f[ghost] = dict(Counter(f["port"][slot] for slot, kind in f["kind"].items() if kind in kinds))
    f["queued_messages"] = dict(Counter(f["queue"][message] for message, stage in f["stage"].items() if stage == QUEUED))
    f["messages_with_room"] = dict(Counter(f["room"].values()))
    _ledger_ghosts(f)
    _memory_ghosts(f)
    _transit_ghosts(f)
    return state


def _memory_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """Where each object is that is in a message; of one that is in two places, one of them."""
    f["carrier_index"] = dict.fromkeys(f["mapped"].values(), NO_PAGE)
    f["carrier"] = {}
    for (message, index), number in f["memory"].items():
        f["carrier"][number], f["carrier_index"][number] = message, index


def _transit_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """How far each port is from the last to which, over one or more messages, its receive right is on its way: the
    farther, the lower.
    """
    towards = {}
    for port, receiver in f["receiver"].items():
        if receiver[0] == BODY_SLOT and f["stage"].get(receiver[1]) in (QUEUED, WAITING):
            towards[port] = f["port"].get((DESTINATION_SLOT, receiver[1], 0), NO_PORT)
    rank: dict[int, int] = {}
    for port in towards:
        steps, reached = 0, port
        while reached in towards and steps <= len(towards):  # a circle ends here: all in it are equally far
            steps, reached = steps + 1, towards[reached]
        rank[port] = -steps
    f["transit_rank"] = rank


def _ledger_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """What ledgers gave, how far they are from their roots, and their numbers among those that their payers pay for."""
    ledgers = sorted(port for port, kind in f["object"].items() if kind == PortObject.LEDGER and f["port_life"].get(port) == ALIVE)
    parent, limit = f["ledger_parent"], f["ledger_limit"]
    depth, given, number, payee = ({}, {}, {}, {})  # type: dict[int, int], dict[int, int], dict[int, int], dict[tuple[int, int], int]
    paid: Counter[int] = Counter()
    for ledger in ledgers:
        depth[ledger], above = 0, parent.get(ledger, NO_PORT)
        while above != NO_PORT and depth[ledger] <= len(ledgers):  # a circle ends here: all in it are equally far
            depth[ledger], above = depth[ledger] + 1, parent.get(above, NO_PORT)
        payer = f["ledger_payer"].get(ledger, NO_PORT)
        number[ledger], payee[payer, paid[payer]] = paid[payer], ledger
        paid[payer] += 1
    for ledger in sorted(ledgers, key=depth.__getitem__, reverse=True):
        if limit.get(ledger, 0) != -1:
            above = parent.get(ledger, NO_PORT)
            given[above] = given.get(above, 0) + limit.get(ledger, 0) + given.get(ledger, 0)
    f["ledger_depth"], f["given_limits"], f["payee_number"], f["payee"] = depth, given, number, payee
