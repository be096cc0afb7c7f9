"""The specification's sorts, unbounded or in a small scope.

Tasks, ports, names, messages and memory objects are uninterpreted sorts: a proof over them holds for any number of
each. The same rules over enumerated sorts (a *scope*) give concrete counterexamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import count
from typing import Any, TypeAlias

import msgspec
import z3

from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import Inheritance, Place, PortObject, SlotKind
from sendright.mach.abi.tokens import AUDIT_TOKEN_WORDS, SECURITY_TOKEN_WORDS
from sendright.model.language.memo import memoized

Term: TypeAlias = Any
"""A z3 expression. (z3's Python types don't say of which sort.)"""


HOST_SELECTOR_IN_SCOPE = 8
"""The one special port of the host that small scopes have."""


class Scope(msgspec.Struct, frozen=True):
    """How many of each a small scope has. Names count without the two reserved ones."""

    tasks: int = 3
    ports: int = 4
    names: int = 2
    messages: int = 2
    descriptors: int = 1
    objects: int = 2
    pages: int = 1
    tokens: int = 2
    layouts: int = 1
    places: tuple[Place, ...] = tuple(Place)
    """The places of tasks that may hold something. With fewer places, counterexamples are found sooner."""

    def __str__(self) -> str:
        counted = {"task": self.tasks, "port": self.ports, "name": self.names, "message": self.messages}
        return ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for what, number in counted.items())


_serial = count()


def _enumeration(name: str, members: Sequence[str]) -> tuple[Any, list[Term]]:
    sort, constants = z3.EnumSort(name, list(members))
    return sort, list(constants)


class Enumeration:
    """A z3 enumeration sort whose members are those of a Python enumeration, e.g. ``KIND.SEND``."""

    def __init__(self, name: str, members: Sequence[str]) -> None:
        self.sort, self.constants = _enumeration(name, members)
        self.members = list(members)
        for member, constant in zip(members, self.constants, strict=True):
            setattr(self, member, constant)

    def __getattr__(self, name: str) -> Term:  # for type checkers: members are set in __init__
        raise AttributeError(name)

    def of(self, index: int) -> Term:
        """The constant whose Python number is ``index``."""
        return self.constants[index]


KIND = Enumeration("Kind", [kind.name for kind in SlotKind])
OBJECT = Enumeration("PortObject", [f"OBJECT_{kind.name}" for kind in PortObject])
PLACE = Enumeration("Place", [*(f"PLACE_{place.name}" for place in Place), "PLACE_IN_HAND"])
"""The places of a task, and one more, in which the kernel holds a right that a stopped call of the task's has taken and
not yet released.
"""
INHERITANCE = Enumeration("Inheritance", [f"INHERIT_{inheritance.name}" for inheritance in Inheritance])
LIFE = Enumeration("Life", ["UNBORN", "ALIVE", "ENDED"])
STAGE = Enumeration("Stage", ["FREE", "IN_KERNEL", "QUEUED", "WAITING"])
WAIT = Enumeration("Wait", ["NOTHING", "SENDING", "RECEIVING", "CREATING", "SETTING", "EXECUTING", "BEGINNING", "FOR_CHILD"])
"""What a task waits in: for room, for a message, between the steps of a creation or of setting a special port, between
the phases of an exec; as an exec's new task, for its end; for a child that has ended.
"""
PROCESS = Enumeration("Process", ["NO_PROCESS", "RUNNING", "SHADOW", "ZOMBIE"])
"""Whether a process is behind a task: none; one that its pid denotes; one whose pid denotes another task, while an exec
is under way; or one that has ended with the task, and for which its parent hasn't waited.
"""
POSSIBLE = Enumeration("SendPossible", ["NOT_ASKED", "DELAYED", "ARMED", "DUE", "FIRED"])
"""What a request on a name is for send-possible: nothing; not yet armed; armed; about to fire; or it has fired, and the
kernel still has its place in the table of requests.
"""
PURPOSE = Enumeration("Purpose", [f"PURPOSE_{purpose.name}" for purpose in PortPurpose])
"""What a port was made for."""

NUMBERED_ENUMERATIONS = (KIND, OBJECT, PLACE, INHERITANCE, LIFE, STAGE, WAIT, POSSIBLE, PURPOSE, PROCESS)


class Sorts:
    """The sorts, their distinguished constants and the slots that can be built from them."""

    def __init__(self, scope: Scope | None = None) -> None:
        self.scope = scope
        tag = "" if scope is None else f"!{next(_serial)}"
        self.members: dict[str, list[Term]] = {}

        def sort(name: str, size: int, reserved: Sequence[str] = ()) -> Any:
            if scope is None:
                declared = z3.DeclareSort(name)
                self.members[name] = [z3.Const(member, declared) for member in reserved]
                return declared
            enumerated, constants = _enumeration(
                name + tag, [member + tag for member in reserved] + [f"{name.lower()}{index}{tag}" for index in range(size)]
            )
            self.members[name] = constants
            return enumerated

        small = scope or Scope()
        self.Task = sort("Task", small.tasks)
        self.Port = sort("Port", small.ports, ["NO_PORT"])
        self.Name = sort("Name", small.names, ["NULL", "DEAD"])
        self.Message = sort("Message", small.messages)
        self.Object = sort("Object", small.objects, ["NO_OBJECT"])
        self.SecurityToken = sort("SecurityToken", small.tokens, ["KERNEL_SECURITY_TOKEN"])
        self.AuditToken = sort("AuditToken", small.tokens, ["KERNEL_AUDIT_TOKEN"])
        self.Layout = sort("Layout", small.layouts, ["NO_DESCRIPTORS", "ONE_PORT"])
        """Which of a body's rights and pages belong to which descriptor. Only their numbers are specified."""
        self.no_descriptors, self.one_port = self.members["Layout"][:2]
        self.parts_of, self.rights_of, self.pages_of = (
            z3.Function(counted + tag, self.Layout, z3.IntSort()) for counted in ("parts_of", "rights_of", "pages_of")
        )
        self.no_port = self.members["Port"][0]
        self.null, self.dead = self.members["Name"][:2]
        self.no_object = self.members["Object"][0]
        self.host_port = z3.Const("host_port" + tag, self.Port)
        """The host's ordinary (name) port: it lives as long as the system."""
        self.host_priv_port = z3.Const("host_priv_port" + tag, self.Port)
        """The host's privileged port, in kernels that give it to callers that present another port (hazard H-4)."""
        self.first_task = z3.Const("first_task" + tag, self.Task)
        """The first task of the system: that of launchd or init, in kernels that treat it unlike the others."""
        self.second_task = z3.Const("second_task" + tag, self.Task)
        """The second task at boot, in kernels where it is a process's, too."""
        self.number_of = z3.Function("number_of" + tag, self.Name, z3.IntSort())
        """A name as a number, as a notification carries it."""
        self.security_token_of = z3.Function("security_token_of" + tag, *[z3.IntSort()] * SECURITY_TOKEN_WORDS, self.SecurityToken)
        self.audit_token_of = z3.Function("audit_token_of" + tag, *[z3.IntSort()] * AUDIT_TOKEN_WORDS, self.AuditToken)
        """The token with these words, in kernels that make a task's tokens of the ids of its process."""
        self.kernel_security_token = self.members["SecurityToken"][0]
        self.kernel_audit_token = self.members["AuditToken"][0]

        slot = z3.Datatype("Slot" + tag)
        slot.declare("name_slot", ("space", self.Task), ("name", self.Name))
        slot.declare("place_slot", ("holder", self.Task), ("place", PLACE.sort))
        slot.declare("destination_slot", ("destined", self.Message))
        slot.declare("reply_slot", ("replied", self.Message))
        slot.declare("body_slot", ("carrying", self.Message), ("index", z3.IntSort()))
        slot.declare("kernel_slot", ("of", self.Port))
        slot.declare("request_slot", ("requester", self.Task), ("requested", self.Name))
        slot.declare("no_senders_slot", ("watched", self.Port))
        slot.declare("port_destroyed_slot", ("guarded", self.Port))
        slot.declare("limbo_slot", ("rescued", self.Port))
        slot.declare("host_slot", ("number", z3.IntSort()))
        self.Slot = slot.create()
        self.in_message = memoized(self._in_message)
        """Whether the slot is a place of some message."""
        self.message_of = memoized(self._message_of)
        """The message of a slot that is in one."""

    @cached_property
    def background(self) -> list[Term]:
        """The axioms of the sorts."""
        counts = [self.parts_of, self.rights_of, self.pages_of]
        known = [(self.no_descriptors, (0, 0, 0)), (self.one_port, (1, 1, 0))]
        layouts = [count(layout) == number for layout, numbers in known for count, number in zip(counts, numbers, strict=True)]
        return layouts if self.scope else [self.null != self.dead, *layouts]

    def slots_of_message(self, slot: Term, message: Term) -> Term:
        """``slot`` is a place of ``message``."""
        S = self.Slot
        return z3.Or(
            z3.And(S.is_destination_slot(slot), S.destined(slot) == message),
            z3.And(S.is_reply_slot(slot), S.replied(slot) == message),
            z3.And(S.is_body_slot(slot), S.carrying(slot) == message),
        )

    def _in_message(self, slot: Term) -> Term:
        S = self.Slot
        return z3.Or(S.is_destination_slot(slot), S.is_reply_slot(slot), S.is_body_slot(slot))

    def _message_of(self, slot: Term) -> Term:
        S = self.Slot
        return z3.If(S.is_destination_slot(slot), S.destined(slot), z3.If(S.is_reply_slot(slot), S.replied(slot), S.carrying(slot)))

    def of_task(self, slot: Term, task: Term) -> Term:
        """``slot`` is a name of ``task``'s space or one of its places."""
        S = self.Slot
        return z3.Or(z3.And(S.is_name_slot(slot), S.space(slot) == task), z3.And(S.is_place_slot(slot), S.holder(slot) == task))

    def elements(self, sort: Any) -> Iterator[Term]:
        """All members of ``sort`` in a small scope, slots and indices included."""
        assert self.scope is not None
        if sort == self.Slot:
            S = self.Slot
            for task in self.members["Task"]:
                for name in self.members["Name"]:
                    yield S.name_slot(task, name)
                for place in self.elements(PLACE.sort):
                    yield S.place_slot(task, place)
            for message in self.members["Message"]:
                yield S.destination_slot(message)
                yield S.reply_slot(message)
                for index in range(self.scope.descriptors):
                    yield S.body_slot(message, z3.IntVal(index))
            for port in self.members["Port"]:
                yield S.kernel_slot(port)
                yield S.no_senders_slot(port)
                yield S.port_destroyed_slot(port)
                yield S.limbo_slot(port)
            for task in self.members["Task"]:
                for name in self.members["Name"]:
                    yield S.request_slot(task, name)
            yield S.host_slot(z3.IntVal(HOST_SELECTOR_IN_SCOPE))
        elif sort == PLACE.sort:
            yield from (*map(PLACE.of, self.scope.places), PLACE.PLACE_IN_HAND)
        elif sort == z3.IntSort():
            yield from (z3.IntVal(index) for index in range(max(self.scope.descriptors, self.scope.pages, 2)))
        else:
            for enumeration in NUMBERED_ENUMERATIONS:
                if sort == enumeration.sort:
                    yield from enumeration.constants
                    return
            yield from next(members for members in self.members.values() if members and members[0].sort() == sort)


UNBOUNDED = Sorts()
"""Any number of tasks, ports, names, messages and memory objects."""
