"""The state of the system as functions, and the state after a call as updates of them.

A field is a function from tasks, ports, slots or messages to values. A rule updates it at a point, adds to it, or
sweeps over all points that satisfy a condition. Reading an updated field at a term gives a z3 term over the state
before, so proofs see plain functions. The oracle runs the list of updates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.language.memo import memoized
from sendright.model.language.sorts import INHERITANCE, KIND, LIFE, OBJECT, PLACE, STAGE, WAIT, Sorts, Term

Everywhere = Literal[
    "slots",
    "ports",
    "known",
    "messages",
    "memory",
    "pages",
    "members",
    "renamed members",
    "notifications",
    "notification destinations",
    "limbo",
    "copied objects",
]
"""The points over which a sweep runs: those that exist, or those that the rule's choices make."""


class FieldDeclaration(msgspec.Struct, frozen=True):
    """A field: its domain and range by the names of sorts, whether it is a ghost (for proofs only), and what it
    means.
    """

    domain: tuple[str, ...]
    range: str
    about: str
    ghost: bool = False


FIELDS: dict[str, FieldDeclaration] = {
    # tasks
    "task_life": FieldDeclaration(("Task",), "Life", "not yet made, alive, or terminated"),
    "task_port": FieldDeclaration(("Task",), "Port", "the task's own kernel port"),
    "security": FieldDeclaration(("Task",), "SecurityToken", "its security token"),
    "audit": FieldDeclaration(("Task",), "AuditToken", "its audit token"),
    "wired": FieldDeclaration(("Task",), "Port", "the ledger it draws wired memory on"),
    "paged": FieldDeclaration(("Task",), "Port", "the ledger it draws paged memory on"),
    "suspend_count": FieldDeclaration(("Task",), "Int", "how often it is suspended: at 0 it runs"),
    "exception_behaviour": FieldDeclaration(("Task", "Place"), "Int", "of an exception place: what the message carries"),
    "exception_flavour": FieldDeclaration(("Task", "Place"), "Int", "of an exception place: which thread state it carries"),
    "wait": FieldDeclaration(("Task",), "Wait", "the call that it waits in"),
    "waits_with": FieldDeclaration(("Task",), "Message", "waiting to send: the message"),
    "waits_at": FieldDeclaration(("Task",), "Name", "waiting to receive: the name that it receives from"),
    "waits_for": FieldDeclaration(("Task",), "Port", "waiting to receive: the port that was under that name, or NO_PORT: it is a port set"),
    "waits_limit": FieldDeclaration(("Task",), "Int", "waiting to receive: bytes of room, or -1"),
    "waits_large": FieldDeclaration(("Task",), "Bool", "waiting to receive: whether a message that is too large stays queued"),
    "waits_trailer": FieldDeclaration(("Task",), "Int", "waiting to receive: the requested elements of the trailer"),
    "waits_child": FieldDeclaration(("Task",), "Task", "between the steps of a creation: the child that it made"),
    "waits_security": FieldDeclaration(("Task",), "SecurityToken", "between the steps of a creation: the security token that the child will get"),
    "waits_audit": FieldDeclaration(("Task",), "AuditToken", "between the steps of a creation: the audit token that the child will get"),
    "waits_host": FieldDeclaration(("Task",), "Port", "between the steps of a creation: the host port that the child will get"),
    # slots
    "kind": FieldDeclaration(("Slot",), "Kind", "what the slot contains"),
    "port": FieldDeclaration(("Slot",), "Port", "the port of the right in it"),
    "urefs": FieldDeclaration(("Slot",), "Int", "user references; 0 outside port name spaces"),
    "form": FieldDeclaration(("Slot",), "Int", "for a place of a message: the form in which the receiver will see the right"),
    "known_as": FieldDeclaration(("Task", "Port"), "Name", "the name under which the space has SEND or RECEIVE for the port, or NULL"),
    # ports
    "port_life": FieldDeclaration(("Port",), "Life", "not yet made, active, or dead"),
    "object": FieldDeclaration(("Port",), "PortObject", "the kernel object for which it stands"),
    "object_task": FieldDeclaration(("Port",), "Task", "of a task port: the task"),
    "receiver": FieldDeclaration(("Port",), "Slot", "the slot of its receive right"),
    "mscount": FieldDeclaration(("Port",), "Int", "make-send count"),
    "seqno": FieldDeclaration(("Port",), "Int", "sequence number of the next message received"),
    "srights": FieldDeclaration(("Port",), "Int", "send rights, as the kernel counts them"),
    "sorights": FieldDeclaration(("Port",), "Int", "send-once rights, as the kernel counts them"),
    "msgcount": FieldDeclaration(("Port",), "Int", "messages in its queue, as the kernel counts them"),
    "qlimit": FieldDeclaration(("Port",), "Int", "messages that fit in its queue"),
    "member": FieldDeclaration(("Port", "Name"), "Bool", "it is in the port set of this name, in the space the slot of its receive right"),
    "context": FieldDeclaration(("Port",), "Int", "a word that the receiver gave the port; of a guarded port it is the guard"),
    "is_guarded": FieldDeclaration(("Port",), "Bool", "only a holder of the guard can end the receive right"),
    "is_strict": FieldDeclaration(("Port",), "Bool", "the guard is hidden from requests for the context"),
    "is_immovable": FieldDeclaration(("Port",), "Bool", "the receive right can't be carried"),
    "no_senders_due": FieldDeclaration(
        ("Port",),
        "Int",
        "its last send right went in this call, and a no-senders request is registered: 1 + the make-send count at that time; else 0",
    ),
    # ledgers, by their ports
    "ledger_limit": FieldDeclaration(("Port",), "Int", "what can be drawn; -1: without limit"),
    "ledger_balance": FieldDeclaration(("Port",), "Int", "what is drawn"),
    "ledger_parent": FieldDeclaration(("Port",), "Port", "the ledger that gave the limit, or NO_PORT"),
    "ledger_payer": FieldDeclaration(("Port",), "Port", "the ledger that pays for the ledger itself, or NO_PORT"),
    "given_limits": FieldDeclaration(("Port",), "Int", "the sum of its finite children's limits, and of what they gave in turn", ghost=True),
    "ledger_depth": FieldDeclaration(("Port",), "Int", "how far it is from its root", ghost=True),
    "payee_number": FieldDeclaration(("Port",), "Int", "its number among the ledgers that its payer pays for", ghost=True),
    "payee": FieldDeclaration(("Port", "Int"), "Port", "the ledger of this number among those that it pays for", ghost=True),
    "sending_slots": FieldDeclaration(("Port",), "Int", "how many slots hold a send right to it", ghost=True),
    "send_once_slots": FieldDeclaration(("Port",), "Int", "how many slots hold a send-once right to it", ghost=True),
    "queued_messages": FieldDeclaration(("Port",), "Int", "how many messages are queued on it", ghost=True),
    "transit_rank": FieldDeclaration(("Port",), "Int", "rises from a port whose receive right is on its way to another, to that one", ghost=True),
    # messages
    "stage": FieldDeclaration(("Message",), "Stage", "free, on its way in or out of the kernel, queued, or waiting for room in a queue"),
    "queue": FieldDeclaration(("Message",), "Port", "of a queued message: the port"),
    "arrival": FieldDeclaration(("Message",), "Int", "of a queued message: its place in the order of arrival"),
    "owner": FieldDeclaration(("Message",), "Task", "of a message that isn't queued: the task that is sending or receiving it"),
    "id": FieldDeclaration(("Message",), "Int", "msgh_id"),
    "body_count": FieldDeclaration(("Message",), "Int", "rights in the body"),
    "layout": FieldDeclaration(("Message",), "Layout", "which of the body's rights and pages are of which descriptor"),
    "memory": FieldDeclaration(("Message", "Int"), "Object", "the memory object of the body's page of this number, or NO_OBJECT"),
    "size": FieldDeclaration(("Message",), "Int", "msgh_size, in bytes"),
    "sender_security": FieldDeclaration(("Message",), "SecurityToken", "the sender's security token when it sent"),
    "sender_audit": FieldDeclaration(("Message",), "AuditToken", "the sender's audit token when it sent"),
    "data": FieldDeclaration(("Message",), "Int", "the first word of its inline data: what a notification reports"),
    "from_kernel": FieldDeclaration(("Message",), "Bool", "made by the kernel"),
    "clock": FieldDeclaration((), "Int", "the next arrival number"),
    # memory
    "mapped": FieldDeclaration(("Task", "Int"), "Object", "the memory object at a page, or NO_OBJECT"),
    "inheritance": FieldDeclaration(("Task", "Int"), "Inheritance", "what a child inherits of the page"),
    "content": FieldDeclaration(("Object",), "Int", "what the object contains"),
    "object_made": FieldDeclaration(("Object",), "Bool", "the object exists or existed"),
    "carrier": FieldDeclaration(("Object",), "Message", "of an object in a message: the message", ghost=True),
    "carrier_index": FieldDeclaration(("Object",), "Int", "of an object in a message: its number there; of one in a task's map: -1", ghost=True),
}


def sort_named(sorts: Sorts, name: str) -> Any:
    """The z3 sort that a field declaration calls ``name``."""
    fixed = {
        "Int": z3.IntSort(),
        "Bool": z3.BoolSort(),
        "Kind": KIND.sort,
        "PortObject": OBJECT.sort,
        "Life": LIFE.sort,
        "Stage": STAGE.sort,
        "Inheritance": INHERITANCE.sort,
        "Place": PLACE.sort,
        "Wait": WAIT.sort,
    }
    return fixed[name] if name in fixed else getattr(sorts, name)


class Store(msgspec.Struct, frozen=True):
    """The field's value at one point."""

    point: tuple[Term, ...]
    value: Term


class Add(msgspec.Struct, frozen=True):
    """An amount added at one point."""

    point: tuple[Term, ...]
    amount: Term


class Sweep(msgspec.Struct, frozen=True):
    """New values wherever a condition holds; ``variables`` are the bound point."""

    variables: tuple[Term, ...]
    condition: Term
    value: Term
    over: Everywhere


class Tally(msgspec.Struct, frozen=True):
    """An amount added at every port: plus or minus the number of slots with that port which satisfy a condition."""

    count: Term
    """The z3 function from ports that stands for the number."""
    slot: Term
    condition: Term
    sign: int


Update = Store | Add | Sweep | Tally


class Field:
    """A field in some state: read it with ``field(point)``."""

    def __init__(self, name: str, read: Callable[..., Term], updates: tuple[Update, ...] = ()) -> None:
        self.name = name
        self.read = read
        self.updates = updates

    def __call__(self, *point: Term) -> Term:
        return self.read(*point)


class State:
    """All fields at one moment. ``state.kind(slot)`` reads one."""

    def __init__(self, sorts: Sorts, fields: dict[str, Field]) -> None:
        self.sorts = sorts
        self.fields = fields

    def __getattr__(self, name: str) -> Field:
        try:
            return self.__dict__["fields"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    @classmethod
    def arbitrary(cls, sorts: Sorts, tag: str = "") -> State:
        """A state of which nothing is known: every field an uninterpreted function."""
        fields = {}
        for name, declaration in FIELDS.items():
            domain = [sort_named(sorts, part) for part in declaration.domain]
            function = z3.Function(name + tag, *domain, sort_named(sorts, declaration.range))
            fields[name] = Field(name, memoized(function))
        return cls(sorts, fields)

    # ---- common terms, used by every rule

    def sends(self, slot: Term) -> Term:
        """The slot holds a send right."""
        kind = self.kind(slot)
        return z3.Or(kind == KIND.SEND, kind == KIND.SEND_RECEIVE)

    def receives(self, slot: Term) -> Term:
        """The slot holds a receive right."""
        kind = self.kind(slot)
        return z3.Or(kind == KIND.RECEIVE, kind == KIND.SEND_RECEIVE)

    def alive(self, task: Term) -> Term:
        return self.task_life(task) == LIFE.ALIVE

    def active(self, port: Term) -> Term:
        return self.port_life(port) == LIFE.ALIVE

    def empty(self, slot: Term) -> Term:
        return self.kind(slot) == KIND.NONE

    def on_its_way(self, message: Term) -> Term:
        """The message is queued, or waits for room in a queue. Its contents are in transit."""
        return z3.Or(self.stage(message) == STAGE.QUEUED, self.stage(message) == STAGE.WAITING)

    def queued_on(self, message: Term, port: Term) -> Term:
        return z3.And(self.stage(message) == STAGE.QUEUED, self.queue(message) == port)


class _Assign:
    """``after.kind[slot] = value``."""

    def __init__(self, after: After, name: str) -> None:
        self.after = after
        self.name = name

    def __setitem__(self, point: Term, value: Term) -> None:
        self.after.store(self.name, point if isinstance(point, tuple) else (point,), value)


def _ghost(name: str) -> bool:
    return FIELDS[name].ghost


class Argued(msgspec.Struct, frozen=True):
    """Assumptions about one choice of the kernel's that some choice always satisfies, provided that something holds."""

    assumptions: tuple[Term, ...]
    provided: tuple[Term, ...]


class After(State):
    """The state after a case, made by updating the state before. ``after.at("urefs")[slot] = 1`` updates one field."""

    def __init__(self, before: State, profile: Profile) -> None:
        super().__init__(before.sorts, dict(before.fields))
        self.before = before
        self.profile = profile
        self.assumptions: list[Term] = []
        """Constraints on what the kernel chooses."""
        self.argued: list[Argued] = []
        """Those of them that need no proof that a choice satisfies them."""
        self.releases: list[Any] = []

    def assume_argued(self, assumptions: list[Term], provided: Sequence[Term] = ()) -> None:
        """Assume of the kernel's choices what some choice always satisfies, provided that ``provided`` holds.

        The reason stands where this is called. Only ``choices.py`` and ``release.py`` call it. Of all other assumptions
        ``proof/choices.py`` decides it.
        """
        self.assumptions += assumptions
        self.argued.append(Argued(tuple(assumptions), tuple(provided)))

    def at(self, name: str) -> _Assign:
        return _Assign(self, name)

    def changed(self, name: str) -> bool:
        """Whether the case updates the field at all."""
        return self.fields[name] is not self.before.fields[name]

    def _update(self, name: str, read: Callable[..., Term], update: Update | None) -> None:
        old = self.fields[name]
        self.fields[name] = Field(name, memoized(read), old.updates if update is None else (*old.updates, update))

    def store(self, name: str, point: tuple[Term, ...], value: Term) -> None:
        """The field has ``value`` at ``point``."""
        old = self.fields[name]
        self._update(name, lambda *x: z3.If(_same(x, point), value, old(*x)), Store(point, value))

    def add(self, name: str, point: Term, amount: Term | int) -> None:
        """The field grows by ``amount`` at ``point``."""
        old = self.fields[name]
        amount = z3.IntVal(amount) if isinstance(amount, int) else amount
        self._update(name, lambda x: old(x) + z3.If(x == point, amount, 0), None if _ghost(name) else Add((point,), amount))

    def sweep(self, name: str, over: Everywhere, change: Callable[..., tuple[Term, Term]]) -> None:
        """Wherever ``change(*point)`` gives (condition, value) with a true condition, the field has that value."""
        old = self.fields[name]

        def read(*x: Term) -> Term:
            condition, value = change(*x)
            return z3.If(condition, value, old(*x))

        variables = tuple(z3.Const(f"sweep{index}", sort_named(self.sorts, part)) for index, part in enumerate(FIELDS[name].domain))
        update = None if _ghost(name) else Sweep(variables, *change(*variables), over)
        self._update(name, read, update)

    def tally(self, name: str, count: Term, sign: int, condition: Callable[[Term], Term]) -> None:
        """The field grows (or falls) at every port by the number of slots with that port which satisfy
        ``condition``.
        """
        old = self.fields[name]
        slot = z3.Const("tallied", self.sorts.Slot)
        update = None if _ghost(name) else Tally(count, slot, condition(slot), sign)
        self._update(name, lambda p: old(p) + sign * count(p), update)


def _same(x: tuple[Term, ...], point: tuple[Term, ...]) -> Term:
    return z3.And(*[a == b for a, b in zip(x, point, strict=True)]) if len(x) != 1 else x[0] == point[0]
