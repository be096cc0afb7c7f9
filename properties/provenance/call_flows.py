"""Which slots each call reads and fills, by its arguments and results: the knowledge about calls that derivation needs.

``flows(rights, step)`` is the only public function. A failed call moves no rights, unless its signature has results for
the code. A pending call has moved the rights of its first part, and moves the rest when it is resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sendright.mach.abi.codes import IN_PROGRESS, RECEIVES, ReturnCode
from sendright.mach.abi.rights import (
    DEAD_NAME,
    EXCEPTION_PLACES,
    REGISTERED_PLACES,
    TASK_FLAVOURS,
    Disposition,
    Notification,
    Place,
    PortObject,
    Right,
    SlotKind,
    exception_places,
)
from sendright.mach.kernel.profiles import HostSelf
from sendright.mach.signatures import CHILD_MAKERS, SIGNATURES
from sendright.mach.signatures.processes import BY_TOKEN, FLAVOURS_BY_PID, MAKES_TOKEN, kind_of_port_found
from sendright.mach.state.snapshot import Slot
from sendright.mach.state.trace import Step
from sendright.properties.provenance.carried import DESTINATION, REPLY, Carried, carried_by, named_by
from sendright.properties.provenance.origins import (
    Flow,
    HeldRight,
    How,
    Rights,
    carried_right,
    child_port,
    new_ledger,
    new_messages,
    parts,
)

_TAKE = (ReturnCode.MACH_MSG_SUCCESS, ReturnCode.MACH_RCV_TOO_LARGE, ReturnCode.MACH_RCV_INVALID_DATA, ReturnCode.MACH_RCV_BODY_ERROR_VM_SPACE)
"""The codes of a receive that may have taken a message from its queue."""

NOWHERE = Slot("name", -1, -1)
"""A slot that is always empty."""

INHERITED = (Place.HOST, Place.BOOTSTRAP, Place.EXCEPTION, *REGISTERED_PLACES, *EXCEPTION_PLACES)
"""The places in which a child inherits its parent's rights, as clones."""
INHERITED_BY_PROCESS = (*INHERITED, Place.ACCESS)
"""Those in which the new task of a process does."""
_HOW: dict[int, How] = {
    Disposition.COPY_SEND: "copied",
    Disposition.MOVE_SEND: "moved",
    Disposition.MOVE_SEND_ONCE: "moved",
    Disposition.MOVE_RECEIVE: "moved",
}


def flows(rights: Rights, step: Step) -> list[Flow]:
    """All ways in which the call of ``step``, made in the state ``rights``, may bring a right into a slot."""
    found = (_GOING_ON if step.resume else _FLOWS).get(step.call) or (ADDED_GOING_ON if step.resume else ADDED_FLOWS).get(step.call)
    if found is None or not (has_begun(step) or SIGNATURES[step.call].results(step.code)):
        return []
    return list(found(StepView(rights, step)))


def has_begun(step: Step) -> bool:
    """Whether the call has done what it was made for, or a first part of it: a call that sends and receives has sent,
    if it fails to receive."""
    has_sent = _sends_and_receives(step) and step.code & RECEIVES == RECEIVES
    return has_sent or step.code in (ReturnCode.KERN_SUCCESS, *IN_PROGRESS)


def _sends_and_receives(step: Step) -> bool:
    signature = SIGNATURES[step.call]
    return signature.sends_message and signature.receives_message


class StepView:
    """One step, and the state before it. If a trace has something else instead of a number, it counts as a name
    without a right."""

    def __init__(self, rights: Rights, step: Step) -> None:
        self.rights = rights
        self.step = step

    def argument(self, name: str) -> Any:
        default = SIGNATURES[self.step.call].argument(name).default
        return self.step.arguments.get(name, default)

    def own(self, name: Any) -> Slot:
        """The slot of a name in the caller's space."""
        return Slot("name", self.step.task, name) if isinstance(name, int) else NOWHERE

    def task(self, argument: str) -> int:
        """The task whose port the caller's name in ``argument`` denotes; -1: none."""
        return self.task_behind(self.argument(argument))

    def task_behind(self, name: Any) -> int:
        """The task whose port the caller's ``name`` denotes; -1: none."""
        port = self.rights.at(self.own(name)).port
        return -1 if port is None else self.rights.task_of.get(port, -1)

    def parent(self) -> int:
        """The task whose child the step makes, or that goes on in the new task; -1: the step makes none."""
        if self.step.call in CHILD_MAKERS:
            return self.task("parent_task")
        return self.step.task if SIGNATURES[self.step.call].creates_task else -1

    def name(self, task: int, name: Any) -> Slot:
        """The slot of a name in the space of ``task``."""
        return Slot("name", task, name) if isinstance(name, int) else NOWHERE

    def names(self, argument: str) -> list[Any]:
        """An array argument."""
        given = self.argument(argument)
        return list(given) if isinstance(given, (list, tuple)) else []

    def output(self, name: str) -> Slot:
        """The slot of the name that the call returned."""
        return self.own(self.step.outputs.get(name))

    def outputs(self, name: str) -> list[Slot]:
        given = self.step.outputs.get(name)
        return [self.own(each) for each in given] if isinstance(given, (list, tuple)) else []

    def named(self) -> dict[int, Slot]:
        """The slots of the names that the caller was given for what was copied out of a message, by its places
        there."""
        return {named.place: self.own(named.name) for named in named_by(self.step)}

    def new_ports(self) -> frozenset[int]:
        """The ports that this step created."""
        return frozenset(change.after.port for change in self.step.changes if change.after.port is not None) - self.rights.known_ports

    def new_messages(self) -> list[int]:
        """The messages that the step queued, or that wait for room since then."""
        return new_messages(self.step)

    def still_there(self, message: int) -> bool:
        """Whether a message from before the step is still in transit after it."""
        gone = (change for change in self.step.changes if change.slot == Slot("message", message, DESTINATION))
        return all(change.after.kind for change in gone)

    def sent_to_kernel(self) -> bool:
        """Whether the step sends to a kernel port, which replies at once."""
        return self.rights.at(self.own(self.argument("dest"))).port in self.rights.objects

    def sent_messages(self) -> list[int]:
        """The messages that may be the one that the caller's send queued or is blocked with; several, if notifications
        look the same; empty: it queued none."""
        sends = SIGNATURES[self.step.call].sends_message and not self.step.resume
        if not sends or not has_begun(self.step) or self.sent_to_kernel():
            return []
        sent = carried_by(self.step)
        carried = {each.place: part for each in sent if (part := self._as_carried(each.name, each.disposition)) is not None}
        # A circular message carries a receive right, and is not queued; a notification may carry that right then.
        needed = {place: part for place, part in carried.items() if place == DESTINATION or part.kind is SlotKind.RECEIVE}
        seen = {message: self._queued_in(message) for message in self.new_messages()}
        fitting = [message for message, queued in seen.items() if needed.items() <= queued.items()]
        return [message for message in fitting if seen[message] == carried] or fitting

    def may_receive_what_it_sends(self) -> bool:
        """Whether the step may have received the message that it sent, so that no new message is the sent one: it took
        a message from a queue, and no earlier one to the same port is gone.
        """
        if not _sends_and_receives(self.step) or self.step.code not in _TAKE:
            return False
        port = self.rights.at(self.own(self.argument("dest"))).port
        ends = (change for change in self.step.changes if change.slot.where == "message" and change.slot.index == DESTINATION)
        return not any(change.before.kind and not change.after.kind and change.before.port == port for change in ends)

    def _queued_in(self, message: int) -> dict[int, HeldRight]:
        """The rights in a new message, by their places."""
        ours = (change for change in self.step.changes if change.slot.where == "message" and change.slot.owner == message)
        return {change.slot.index: HeldRight(change.after.kind, change.after.port) for change in ours if change.after.kind}

    def _as_carried(self, name: Any, form: Any) -> HeldRight | None:
        """The right that results from carrying the caller's ``name`` in this form; None: none."""
        if name == DEAD_NAME:
            return HeldRight(SlotKind.DEAD_NAME, None)
        disposition = form if isinstance(form, int) else -1
        given = (carried_right(part, disposition) for part, _ in parts(self.rights.at(self.own(name))))
        return next((part for part in given if part is not None), None)

    def carried(self, target: Slot, carried: Carried, how: How | None = None) -> Iterator[Flow]:
        """A right that the call carries goes to ``target``."""
        form = carried.disposition if isinstance(carried.disposition, int) else -1
        if carried.control is not None:
            yield Flow(target, "extracted", self.name(self.task_behind(carried.control), carried.name), form)
        elif carried.name == DEAD_NAME:
            yield Flow(target, "made", kind=SlotKind.DEAD_NAME)
        else:
            yield Flow(target, how or _HOW.get(form, "made"), self.own(carried.name), form)

    def copied(self, target: Slot, name: Any) -> Iterator[Flow]:
        """A port argument is kept."""
        return self.carried(target, Carried(0, name, Disposition.COPY_SEND, None))


def _create(m: StepView) -> Iterator[Flow]:
    child, parent = m.step.created_task, m.task("parent_task")
    port = child_port(m.step)
    if child is None or port is None or port in m.rights.known_ports:
        return
    own = frozenset({port})
    yield from _child_right(m, port)
    yield Flow(Slot("place", child, Place.KERNEL), "made", made_from=own)
    for place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER):
        yield Flow(Slot("place", child, place), "made", made_from=m.rights.ports_of(PortObject.LEDGER))
    given_host = _takes_host(m) and m.step.code == ReturnCode.KERN_SUCCESS
    for place in INHERITED:
        if not (given_host and place is Place.HOST and m.rights.profile is not None):
            yield Flow(Slot("place", child, place), "inherited", Slot("place", parent, place))
    if given_host:
        yield _host_right(m, child, m.rights.at(m.own(m.argument("host"))).port)


def _child_right(m: StepView, port: int) -> Iterator[Flow]:
    yield Flow(m.output("child_task"), "made", made_from=frozenset({port}))


def _takes_host(m: StepView) -> bool:
    """Whether the call that creates a task sets its host port."""
    taken = m.rights.profile is None or m.rights.profile.takes(m.step.call, "host")
    return taken and m.step.call == "host_security_create_task_token"


def _resume_create(m: StepView) -> Iterator[Flow]:
    """The creation is resumed: the child gets its host port, the caller its right to the child."""
    begun = m.rights.unfinished.get(m.step.task)
    child = None if begun is None else begun.step.created_task
    port = next((port for port, task in m.rights.task_of.items() if task == child), None)
    if begun is None or child is None or port is None:
        return
    yield from _child_right(m, port)
    if _takes_host(m):
        yield _host_right(m, child, begun.named.get("host"))


def _host_right(m: StepView, task: int, presented: int | None) -> Flow:
    """The host port that a task gets with its tokens: the privileged one if the caller presents it, or presents any
    host port in a profile that doesn't check it."""
    privileged, ordinary = m.rights.ports_of(PortObject.HOST_PRIV), m.rights.ports_of(PortObject.HOST)
    checked = m.rights.profile is None or m.rights.profile.host_is_checked
    grants = privileged if checked else privileged | ordinary
    return Flow(Slot("place", task, Place.HOST), "made", made_from=privileged if presented in grants else ordinary)


def _fork(m: StepView) -> Iterator[Flow]:
    """Also posix_spawn, and an exec: its new task is made, and perhaps gets its identity at once."""
    if m.step.created_task is not None:
        yield from _new_process(m, m.step.created_task)
    yield from _set_identity(m)


def _resume_exec(m: StepView) -> Iterator[Flow]:
    """The new task of an exec gets its identity. The port of a set-id image's task is a new one."""
    begun = m.rights.processes.execs.get(m.step.task)
    if begun is not None:
        yield Flow(Slot("place", begun.new, Place.KERNEL), "made", made_from=m.new_ports())
    yield from _set_identity(m)


def _new_process(m: StepView, task: int) -> Iterator[Flow]:
    """A task that the step makes for a process."""
    yield Flow(Slot("place", task, Place.KERNEL), "made", made_from=m.new_ports())
    for place in INHERITED_BY_PROCESS:
        yield Flow(Slot("place", task, place), "inherited", Slot("place", m.step.task, place))


def _set_identity(m: StepView) -> Iterator[Flow]:
    """The host ports of the tasks whose tokens the kernel sets: the privileged one for root's processes."""
    before = m.rights.processes.behind
    for task, process in m.rights.processes.changed_by(m.step).items():
        if process is not None and process.audit_token != before.get(task, before[m.step.task]).audit_token:
            host = PortObject.HOST if process.effective_user else PortObject.HOST_PRIV
            yield Flow(Slot("place", task, Place.HOST), "made", made_from=m.rights.ports_of(host))


def _task_found(m: StepView) -> Iterator[Flow]:
    """A right to a port of the task that the pid or the token denotes; the kernel may make the port now."""
    kind = kind_of_port_found(m.step.call, m.step.arguments)
    if kind is None:
        return
    task = m.rights.target_task(m.step)
    ports = frozenset(port for port in m.rights.ports_of(kind) if m.rights.task_of.get(port) == task)
    made = ports if kind is PortObject.TASK else ports | m.new_ports()
    if m.step.call == BY_TOKEN:
        yield Flow(m.output("task_port"), "given by token", made_from=made)
    else:
        yield Flow(m.output("port"), "given by pid", made_from=made)


def _make_token(m: StepView) -> Iterator[Flow]:
    yield Flow(m.output("token"), "made", made_from=m.new_ports())


def _set_task_token(m: StepView) -> Iterator[Flow]:
    yield _host_right(m, m.task("target_task"), m.rights.at(m.own(m.argument("host"))).port)


def _special_places(m: StepView) -> list[Slot]:
    """The place that ``which`` selects; all places, if the profile isn't known."""
    profile, task, which = m.rights.profile, m.task("task"), m.argument("which")
    if profile is None:
        return [Slot("place", task, place) for place in Place]
    place = profile.special_ports.get(which) if isinstance(which, int) else None
    return [] if place is None else [Slot("place", task, place)]


def _get_special_port(m: StepView) -> Iterator[Flow]:
    yield from (Flow(m.output("port"), "copied", place) for place in _special_places(m))
    yield Flow(m.output("port"), "made", made_from=_further_ports(m, *TASK_FLAVOURS))


def _suspend(m: StepView) -> Iterator[Flow]:
    """The caller gets a right to the task's resume port, under a name that no result tells."""
    given = (change.slot for change in m.step.changes if (change.slot.where, change.slot.owner) == ("name", m.step.task))
    yield from (Flow(slot, "made", made_from=_further_ports(m, PortObject.TASK_RESUME)) for slot in given)


def _further_ports(m: StepView, *objects: PortObject) -> frozenset[int]:
    """The further ports of the target task that are such objects, also one that the kernel makes in this step."""
    task = m.task("task")
    return m.new_ports() | {port for port in m.rights.ports_of(*objects) if m.rights.task_of.get(port) == task}


def _set_special_port(m: StepView) -> Iterator[Flow]:
    for place in _special_places(m):
        yield from m.copied(place, m.argument("port"))
        if m.step.code != ReturnCode.KERN_SUCCESS:  # the pending call still has to release the old right
            yield Flow(Slot("held", m.step.task, 0), "moved", place)


def _register(m: StepView) -> Iterator[Flow]:
    for place, name in zip(REGISTERED_PLACES, m.names("ports"), strict=False):
        yield from m.copied(Slot("place", m.task("task"), place), name)


def _lookup(m: StepView) -> Iterator[Flow]:
    for place, given in zip(REGISTERED_PLACES, m.outputs("ports"), strict=False):
        yield Flow(given, "copied", Slot("place", m.task("task"), place))


def _task_self(m: StepView) -> Iterator[Flow]:
    yield Flow(m.output("port"), "copied", Slot("place", m.step.task, Place.KERNEL))


def _host_self(m: StepView) -> Iterator[Flow]:
    profile = m.rights.profile
    if profile is None or profile.host_self is HostSelf.SLOT:
        yield Flow(m.output("port"), "copied", Slot("place", m.step.task, Place.HOST))
    if profile is None or profile.host_self is HostSelf.MADE:
        yield Flow(m.output("port"), "made", made_from=m.rights.ports_of(PortObject.HOST))


def _allocate(m: StepView) -> Iterator[Flow]:
    target = m.name(m.task("task"), m.step.outputs.get("name"))
    yield Flow(target, "made", made_from=m.new_ports(), kind=SlotKind.RECEIVE)
    yield Flow(target, "made", kind=SlotKind.PORT_SET)
    yield Flow(target, "made", kind=SlotKind.DEAD_NAME)


def _construct(m: StepView) -> Iterator[Flow]:
    target = m.name(m.task("task"), m.step.outputs.get("name"))
    yield Flow(target, "made", made_from=m.new_ports(), kind=SlotKind.RECEIVE)
    if m.argument("insert_send"):
        yield Flow(target, "made", made_from=m.new_ports())


def _reply_port(m: StepView) -> Iterator[Flow]:
    yield Flow(m.output("port"), "made", made_from=m.new_ports(), kind=SlotKind.RECEIVE)


def _rename(m: StepView) -> Iterator[Flow]:
    old, new = (m.name(m.task("task"), m.argument(f"{which}_name")) for which in ("old", "new"))
    yield Flow(new, "moved", old)
    yield Flow(_request_of(new), "moved", _request_of(old))


def _mod_refs(m: StepView) -> Iterator[Flow]:
    delta, slot = m.argument("delta"), m.name(m.task("task"), m.argument("name"))
    if isinstance(delta, int) and delta > 0:
        yield Flow(slot, "counted", slot)
    elif m.argument("right") == Right.RECEIVE and (m.rights.profile is None or not m.rights.profile.send_survives_rescue):
        yield Flow(slot, "died", kind=SlotKind.DEAD_NAME)  # although its port is still alive (hazard H-8)


def _request_of(name: Slot) -> Slot:
    """The slot of a name's dead-name request."""
    return name if name == NOWHERE else Slot("request", name.owner, name.index)


def _request_notification(m: StepView) -> Iterator[Flow]:
    """The right is registered, or used for a notification at once; the earlier one is returned."""
    name, variant = m.name(m.task("task"), m.argument("name")), m.argument("variant")
    if variant in (Notification.DEAD_NAME, Notification.SEND_POSSIBLE):
        place = _request_of(name)
        if m.argument("sync") or variant == Notification.SEND_POSSIBLE:
            yield Flow(name, "counted", name)
    else:
        port = m.rights.at(name).port
        requests: dict[int, str] = {Notification.NO_SENDERS: "no-senders", Notification.PORT_DESTROYED: "port-destroyed"}
        where = requests.get(variant) if isinstance(variant, int) else None
        place = NOWHERE if port is None or where is None else Slot(where, port, 0)
    for target in (place, *(Slot("message", message, DESTINATION) for message in m.new_messages())):
        for carried in carried_by(m.step):
            yield from m.carried(target, carried)
    for named in m.named().values():
        yield Flow(named, "handed back", place)


def _exception_places(m: StepView) -> list[Slot]:
    mask = m.argument("exception_mask")
    return [Slot("place", m.task("task"), place) for place in exception_places(mask)] if isinstance(mask, int) else []


def _get_exception_ports(m: StepView) -> Iterator[Flow]:
    for given in m.outputs("ports"):
        yield from (Flow(given, "copied", place) for place in _exception_places(m))


def _set_exception_ports(m: StepView) -> Iterator[Flow]:
    for place in _exception_places(m):
        yield from m.copied(place, m.argument("new_port"))


def _swap_exception_ports(m: StepView) -> Iterator[Flow]:
    yield from _get_exception_ports(m)
    yield from _set_exception_ports(m)


def _host_place(m: StepView) -> Slot:
    which = m.argument("which")
    return Slot("host", 0, which) if isinstance(which, int) else NOWHERE


def _get_host_port(m: StepView) -> Iterator[Flow]:
    yield Flow(m.output("port"), "copied", _host_place(m))


def _set_host_port(m: StepView) -> Iterator[Flow]:
    yield from m.copied(_host_place(m), m.argument("port"))


def _create_ledger(m: StepView) -> Iterator[Flow]:
    port = new_ledger(m.step)
    if port is not None and port not in m.rights.known_ports:
        yield Flow(m.output("new_ledger"), "made", made_from=frozenset({port}))


def _insert_right(m: StepView) -> Iterator[Flow]:
    for carried in carried_by(m.step):
        yield from m.carried(m.name(m.task("task"), m.argument("name")), carried)


def _send(m: StepView) -> Iterator[Flow]:
    if not has_begun(m.step):
        yield from _return_rights(m)
        return
    carried = carried_by(m.step)
    if m.sent_to_kernel():  # the answer goes where the reply right leads
        for message in m.new_messages():
            for each in carried:
                if each.place == REPLY:
                    yield from m.carried(Slot("message", message, DESTINATION), each)
    for sent in m.sent_messages():
        for each in carried:
            yield from m.carried(Slot("message", sent, each.place), each)


def _return_rights(m: StepView) -> Iterator[Flow]:
    """What was copied in is copied out again: of a message, or of the kernel's reply."""
    named = m.named()
    for carried in carried_by(m.step):
        if carried.place in named:
            yield from m.carried(named[carried.place], carried, "handed back")


def _resume_send(m: StepView) -> Iterator[Flow]:
    """The blocked message is queued: with its serial, or moved to a new one, if the implementation assigns one then."""
    begun = m.rights.unfinished.get(m.step.task)
    for message in begun.messages if begun is not None else ():
        for queued in m.new_messages():
            for slot in m.rights.slots_of(message):
                yield Flow(Slot("message", queued, slot.index), "moved", slot)


def _receive(m: StepView) -> Iterator[Flow]:
    for change in m.step.changes:
        slot = change.slot
        if slot.where == "message" and slot.index == DESTINATION and not change.after.kind:
            for place, target in m.named().items():
                yield Flow(target, "received", Slot("message", slot.owner, place))


def _send_and_receive(m: StepView) -> Iterator[Flow]:
    """What is sent may be received at once: as it was carried, or in a notification of its destruction."""
    yield from _send(m)
    if has_begun(m.step):
        yield from _receive(m)
        yield from (flow for target in m.named().values() for each in carried_by(m.step) for flow in m.carried(target, each, "received"))


def _resume_both(m: StepView) -> Iterator[Flow]:
    begun = m.rights.unfinished.get(m.step.task)
    yield from _resume_send(m)
    yield from _receive(m)
    for message in begun.messages if begun is not None else ():
        yield from (Flow(target, "received", slot) for target in m.named().values() for slot in m.rights.slots_of(message))


_FLOWS: dict[str, Callable[[StepView], Iterator[Flow]]] = {
    "host_security_create_task_token": _create,
    "task_create": _create,
    "host_security_set_task_token": _set_task_token,
    "task_get_special_port": _get_special_port,
    "task_suspend": _suspend,
    "task_set_special_port": _set_special_port,
    "mach_ports_register": _register,
    "mach_ports_lookup": _lookup,
    "mach_task_self": _task_self,
    "mach_host_self": _host_self,
    "mach_port_allocate": _allocate,
    "mach_port_allocate_name": _allocate,
    "mach_port_allocate_full": _allocate,
    "mach_port_construct": _construct,
    "mach_reply_port": _reply_port,
    "mach_port_rename": _rename,
    "mach_port_mod_refs": _mod_refs,
    "mach_port_request_notification": _request_notification,
    "task_get_exception_ports": _get_exception_ports,
    "task_set_exception_ports": _set_exception_ports,
    "task_swap_exception_ports": _swap_exception_ports,
    "host_get_special_port": _get_host_port,
    "host_set_special_port": _set_host_port,
    "ledger_create": _create_ledger,
    "mach_port_insert_right": _insert_right,
    "mach_port_extract_right": _return_rights,
    "mach_msg_send": _send,
    "mach_msg_receive": _receive,
    "mach_msg": _send_and_receive,
    **dict.fromkeys(("fork", "posix_spawn", "execve"), _fork),
    **dict.fromkeys(("setuid", "seteuid", "setreuid", "setgid", "setegid", "setregid", "setgroups", "initgroups", "setaudit_addr"), _set_identity),
    **dict.fromkeys(("task_for_pid", *FLAVOURS_BY_PID, BY_TOKEN), _task_found),
    MAKES_TOKEN: _make_token,
}
"""Call -> the function that yields its flows. The other calls bring no rights."""

_GOING_ON: dict[str, Callable[[StepView], Iterator[Flow]]] = {
    "host_security_create_task_token": _resume_create,
    "mach_msg_send": _resume_send,
    "mach_msg_receive": _receive,
    "mach_msg": _resume_both,
    "execve": _resume_exec,
}
"""Call -> the function that yields its flows when it is resumed."""

ADDED_FLOWS: dict[str, Callable[[StepView], Iterator[Flow]]] = {}
ADDED_GOING_ON: dict[str, Callable[[StepView], Iterator[Flow]]] = {}
"""The same for calls that plugins add."""
