"""Which slots each call reads and fills, by its arguments and results: the knowledge that derivation needs of the calls.

``flows(rights, step)`` is the only thing to call. A call that failed moves nothing, except that a send which timed out hands back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sendright.mach.codes import ReturnCode
from sendright.mach.profiles import HostSelf
from sendright.mach.rights import DEAD_NAME, Disposition, Place, PortObject, SlotKind
from sendright.mach.signatures import SIGNATURES
from sendright.mach.snapshot import Slot
from sendright.mach.trace import Step
from sendright.properties.origins import DESTINATION, REPLY, Flow, How, Rights, carried_as, child_port, descriptors_in

NOWHERE = Slot("name", -1, -1)
"""A slot that is always empty."""

INHERITED = (Place.HOST, Place.BOOTSTRAP, Place.EXCEPTION, Place.REGISTERED_0, Place.REGISTERED_1, Place.REGISTERED_2, Place.REGISTERED_3)
"""The places of which a child gets clones of its parent's rights."""
_REGISTERED = INHERITED[3:]
_HOW: dict[int, How] = {
    Disposition.COPY_SEND: "copied",
    Disposition.MOVE_SEND: "moved",
    Disposition.MOVE_SEND_ONCE: "moved",
    Disposition.MOVE_RECEIVE: "moved",
}


def flows(rights: Rights, step: Step) -> list[Flow]:
    """Every way in which the call ``step``, made when the rights were ``rights``, may bring a right into a slot."""
    moment = Moment(rights, step)
    if step.code == ReturnCode.KERN_SUCCESS and step.call in _FLOWS:
        return list(_FLOWS[step.call](moment))
    if step.code == ReturnCode.MACH_SEND_TIMED_OUT and step.call == "mach_msg_send":
        return list(_handed_back(moment))
    return []


class Moment:
    """One step, and the state it was made in. Whatever a trace may say in place of a number is taken for a name that denotes nothing."""

    def __init__(self, rights: Rights, step: Step) -> None:
        self.rights = rights
        self.step = step

    def argument(self, name: str) -> Any:
        default = SIGNATURES[self.step.call].argument(name).default
        return self.step.arguments.get(name, default)

    def own(self, name: Any) -> Slot:
        """The slot of a name of the caller's."""
        return Slot("name", self.step.task, name) if isinstance(name, int) else NOWHERE

    def task(self, argument: str) -> int:
        """The task whose port the caller's name in ``argument`` denotes; -1: none."""
        port = self.rights.at(self.own(self.argument(argument))).port
        return -1 if port is None else self.rights.task_of.get(port, -1)

    def name(self, task: int, name: Any) -> Slot:
        """The slot of a name in the space of ``task``."""
        return Slot("name", task, name) if isinstance(name, int) else NOWHERE

    def names(self, argument: str) -> list[Any]:
        """An array argument."""
        given = self.argument(argument)
        return list(given) if isinstance(given, (list, tuple)) else []

    def output(self, name: str) -> Slot:
        """The slot of the name that the caller was given."""
        return self.own(self.step.outputs.get(name))

    def outputs(self, name: str) -> list[Slot]:
        given = self.step.outputs.get(name)
        if name == "descriptors":
            return [self.own(each) for each, _ in descriptors_in(given)]
        return [self.own(each) for each in given] if isinstance(given, (list, tuple)) else []

    def new_messages(self) -> list[int]:
        """The messages that the step queued."""
        return [
            change.slot.owner
            for change in self.step.changes
            if change.slot.where == "message" and change.slot.index == DESTINATION and not change.before.kind
        ]

    def sent_to_kernel(self) -> bool:
        """The step sends to a kernel port, which answers at once."""
        return self.rights.at(self.own(self.argument("dest"))).port in self.rights.objects

    def sent_message(self) -> int | None:
        """The message that the caller's send queued. None: it queued none (notifications of rights that it gave up are not it)."""
        if self.step.call != "mach_msg_send" or self.step.code != ReturnCode.KERN_SUCCESS or self.sent_to_kernel():
            return None
        moved = [self.rights.at(self.own(name)).kind for name in carried_as(self.step, Disposition.MOVE_RECEIVE)]
        moves_receive = SlotKind.RECEIVE in moved or SlotKind.SEND_RECEIVE in moved
        receivers = {change.slot.owner for change in self.step.changes if change.slot.where == "message" and change.after.kind is SlotKind.RECEIVE}
        # A circular message carries a receive right, and is not queued.
        return next((message for message in self.new_messages() if message in receivers or not moves_receive), None)

    def carried(self, target: Slot, name: Any, disposition: Any, how: How | None = None) -> Iterator[Flow]:
        """A right of the caller's is carried to ``target``."""
        form = disposition if isinstance(disposition, int) else -1
        if name == DEAD_NAME:
            yield Flow(target, "made", kind=SlotKind.DEAD_NAME)
        else:
            yield Flow(target, how or _HOW.get(form, "made"), self.own(name), form)

    def copied(self, target: Slot, name: Any) -> Iterator[Flow]:
        """A port argument is kept."""
        return self.carried(target, name, Disposition.COPY_SEND)


def _create(m: Moment) -> Iterator[Flow]:
    child, parent = m.step.created_task, m.task("parent_task")
    port = child_port(m.step)
    if child is None or port is None or port in m.rights.known_ports:
        return
    own = frozenset({port})
    yield Flow(m.output("child_task"), "made", made_from=own)
    yield Flow(Slot("place", child, Place.KERNEL), "made", made_from=own)
    for place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER):
        yield Flow(Slot("place", child, place), "made", made_from=m.rights.ports_of(PortObject.LEDGER))
    for place in INHERITED:
        yield Flow(Slot("place", child, place), "inherited", Slot("place", parent, place))


def _set_task_token(m: Moment) -> Iterator[Flow]:
    host = m.rights.ports_of(PortObject.HOST)
    presented = m.rights.at(m.own(m.argument("host"))).port
    privileged = m.rights.ports_of(PortObject.HOST_PRIV) & {presented}
    yield Flow(Slot("place", m.task("target_task"), Place.HOST), "made", made_from=privileged or host)


def _special_places(m: Moment) -> list[Slot]:
    """The place that ``which`` selects; all that there are, if the profile isn't known."""
    profile, task, which = m.rights.profile, m.task("task"), m.argument("which")
    if profile is None:
        return [Slot("place", task, place) for place in Place]
    place = profile.special_ports.get(which) if isinstance(which, int) else None
    return [] if place is None else [Slot("place", task, place)]


def _get_special_port(m: Moment) -> Iterator[Flow]:
    yield from (Flow(m.output("port"), "copied", place) for place in _special_places(m))


def _set_special_port(m: Moment) -> Iterator[Flow]:
    for place in _special_places(m):
        yield from m.copied(place, m.argument("port"))


def _register(m: Moment) -> Iterator[Flow]:
    for place, name in zip(_REGISTERED, m.names("ports"), strict=False):
        yield from m.copied(Slot("place", m.task("task"), place), name)


def _lookup(m: Moment) -> Iterator[Flow]:
    for place, given in zip(_REGISTERED, m.outputs("ports"), strict=False):
        yield Flow(given, "copied", Slot("place", m.task("task"), place))


def _task_self(m: Moment) -> Iterator[Flow]:
    yield Flow(m.output("port"), "copied", Slot("place", m.step.task, Place.KERNEL))


def _host_self(m: Moment) -> Iterator[Flow]:
    profile = m.rights.profile
    if profile is None or profile.host_self is HostSelf.SLOT:
        yield Flow(m.output("port"), "copied", Slot("place", m.step.task, Place.HOST))
    if profile is None or profile.host_self is HostSelf.MADE:
        yield Flow(m.output("port"), "made", made_from=m.rights.ports_of(PortObject.HOST))


def _allocate(m: Moment) -> Iterator[Flow]:
    target = m.name(m.task("task"), m.step.outputs.get("name"))
    new = frozenset(change.after.port for change in m.step.changes if change.after.port is not None) - m.rights.known_ports
    yield Flow(target, "made", made_from=new, kind=SlotKind.RECEIVE)
    yield Flow(target, "made", kind=SlotKind.PORT_SET)
    yield Flow(target, "made", kind=SlotKind.DEAD_NAME)


def _mod_refs(m: Moment) -> Iterator[Flow]:
    delta = m.argument("delta")
    if isinstance(delta, int) and delta > 0:
        slot = m.name(m.task("task"), m.argument("name"))
        yield Flow(slot, "counted", slot)


def _insert_right(m: Moment) -> Iterator[Flow]:
    yield from m.carried(m.name(m.task("task"), m.argument("name")), m.argument("poly"), m.argument("disposition"))


def _extract_right(m: Moment) -> Iterator[Flow]:
    source = m.name(m.task("task"), m.argument("name"))
    disposition = m.argument("disposition")
    yield Flow(m.output("poly"), "extracted", source, disposition if isinstance(disposition, int) else -1)


def _send(m: Moment) -> Iterator[Flow]:
    if m.sent_to_kernel():  # the answer goes where the reply right leads
        for message in m.new_messages():
            yield from m.carried(Slot("message", message, DESTINATION), m.argument("reply"), m.argument("reply_disposition"))
    sent = m.sent_message()
    if sent is not None:
        yield from m.carried(Slot("message", sent, DESTINATION), m.argument("dest"), m.argument("dest_disposition"))
        yield from m.carried(Slot("message", sent, REPLY), m.argument("reply"), m.argument("reply_disposition"))
        for index, (name, disposition) in enumerate(descriptors_in(m.argument("descriptors"))):
            yield from m.carried(Slot("message", sent, index), name, disposition)


def _handed_back(m: Moment) -> Iterator[Flow]:
    for part in ("dest", "reply"):
        yield from m.carried(m.output(part), m.argument(part), m.argument(f"{part}_disposition"), "handed back")
    given = m.outputs("descriptors")
    for target, (name, disposition) in zip(given, descriptors_in(m.argument("descriptors")), strict=False):
        yield from m.carried(target, name, disposition, "handed back")


def _receive(m: Moment) -> Iterator[Flow]:
    for change in m.step.changes:
        slot = change.slot
        if slot.where == "message" and slot.index == DESTINATION and not change.after.kind:
            yield Flow(m.output("reply"), "received", Slot("message", slot.owner, REPLY))
            for index, target in enumerate(m.outputs("descriptors")):
                yield Flow(target, "received", Slot("message", slot.owner, index))


_FLOWS: dict[str, Callable[[Moment], Iterator[Flow]]] = {
    "host_security_create_task_token": _create,
    "task_create": _create,
    "host_security_set_task_token": _set_task_token,
    "task_get_special_port": _get_special_port,
    "task_set_special_port": _set_special_port,
    "mach_ports_register": _register,
    "mach_ports_lookup": _lookup,
    "mach_task_self": _task_self,
    "mach_host_self": _host_self,
    "mach_port_allocate": _allocate,
    "mach_port_mod_refs": _mod_refs,
    "mach_port_insert_right": _insert_right,
    "mach_port_extract_right": _extract_right,
    "mach_msg_send": _send,
    "mach_msg_receive": _receive,
}
"""Calls that are not here bring no rights."""
