"""The state of the system as functions, and the state after a call as updates of them.

A field is a function from tasks, ports, slots or messages to values. A rule updates it at a point, adds to it, or
sweeps over all points that satisfy a condition. Reading an updated field at a term gives a z3 term over the state
before, so proofs see plain functions. The oracle runs the list of updates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.language.ghosts import (
    GIVEN_LIMITS,
    MESSAGES_WITH_ROOM,
    QUEUED_MESSAGES,
    SEND_ONCE_SLOTS,
    SENDING_SLOTS,
    Choice,
    Count,
    Ghost,
    Number,
    Recount,
    RecountStep,
    Total,
)
from sendright.model.language.memo import memoized
from sendright.model.language.sorts import KIND, LIFE, NUMBERED_ENUMERATIONS, STAGE, Sorts, Term
from sendright.model.language.term_walk import address_of, declarations_in

Everywhere = Literal[
    "slots",
    "tasks",
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
    "due requests",
    "copied objects",
    "possible",
]
"""The points over which a sweep runs: those that exist, or those that the rule's choices make."""


class FieldDeclaration(msgspec.Struct, frozen=True):
    """A field: its domain and range by the names of sorts, and what it means. Raises TypeError for a ghost that doesn't
    say what it is.
    """

    domain: tuple[str, ...]
    range: str
    about: str
    ghost: Ghost | None = None
    """What it counts or who chooses it, if only proofs have it."""

    def __post_init__(self) -> None:
        if self.ghost is not None and not isinstance(self.ghost, Ghost):
            raise TypeError(f"the ghost {self.about!r} doesn't say whether it is counted, a total or chosen: {self.ghost!r}")


FIELDS: dict[str, FieldDeclaration] = {
    # tasks
    "task_life": FieldDeclaration(("Task",), "Life", "not yet made, alive, or terminated"),
    "task_port": FieldDeclaration(("Task",), "Port", "the task's own kernel port"),
    "flavour_port": FieldDeclaration(("Task", "PortObject"), "Port", "its further port of this kind, or NO_PORT: none was made"),
    "security": FieldDeclaration(("Task",), "SecurityToken", "its security token"),
    "audit": FieldDeclaration(("Task",), "AuditToken", "its audit token"),
    "wired": FieldDeclaration(("Task",), "Port", "the ledger it draws wired memory on"),
    "paged": FieldDeclaration(("Task",), "Port", "the ledger it draws paged memory on"),
    "suspend_count": FieldDeclaration(("Task",), "Int", "how often it is suspended: at 0 it runs"),
    "exception_behaviour": FieldDeclaration(("Task", "Place"), "Int", "of an exception place: what the message carries"),
    "exception_flavour": FieldDeclaration(("Task", "Place"), "Int", "of an exception place: which thread state it carries"),
    "set_by_root": FieldDeclaration(("Task", "Place"), "Bool", "of an exception place: root has set it"),
    "wait": FieldDeclaration(("Task",), "Wait", "the call that it waits in"),
    "waits_with": FieldDeclaration(("Task",), "Message", "waiting to send: the message"),
    "waits_at": FieldDeclaration(("Task",), "Name", "waiting to receive, or to send before that: the name that it receives from"),
    "waits_for": FieldDeclaration(("Task",), "Port", "waiting to receive: the port that was under that name, or NO_PORT: it is a port set"),
    "waits_limit": FieldDeclaration(("Task",), "Int", "waiting to receive, or to send before that: bytes of room, or -1"),
    "waits_large": FieldDeclaration(("Task",), "Bool", "waiting to receive, or to send before that: whether a message that is too large stays"),
    "waits_trailer": FieldDeclaration(("Task",), "Int", "waiting to receive, or to send before that: the requested elements of the trailer"),
    "will_receive": FieldDeclaration(("Task",), "Bool", "waiting to send: the call then receives, with the name, limit and so on of these fields"),
    "will_wait": FieldDeclaration(("Task",), "Bool", "waiting to send, when the call then receives: whether it then waits for a message"),
    "waits_child": FieldDeclaration(("Task",), "Task", "between the steps of a creation or of an exec: the task that it made"),
    "waits_security": FieldDeclaration(("Task",), "SecurityToken", "between the steps of a creation: the security token that the child will get"),
    "waits_audit": FieldDeclaration(("Task",), "AuditToken", "between the steps of a creation: the audit token that the child will get"),
    "waits_host": FieldDeclaration(("Task",), "Port", "between the steps of a creation: the host port that the child will get"),
    "exec_phase": FieldDeclaration(("Task",), "Int", "between the phases of an exec: how many are over"),
    "waits_set_user": FieldDeclaration(("Task",), "Int", "between the phases of an exec: the owner of its set-user-id image, or UNSET"),
    "waits_set_group": FieldDeclaration(("Task",), "Int", "between the phases of an exec: the group of its set-group-id image, or UNSET"),
    "waits_pid": FieldDeclaration(("Task",), "Int", "waiting for a child: its pid, or -1 for any"),
    # the processes behind tasks
    "process": FieldDeclaration(("Task",), "Process", "whether a process is behind it"),
    "pid": FieldDeclaration(("Task",), "Int", "the pid of its process"),
    "pid_version": FieldDeclaration(("Task",), "Int", "the number of its image, which no image of any process had before"),
    "parent_pid": FieldDeclaration(("Task",), "Int", "the pid of its parent"),
    "original_parent": FieldDeclaration(("Task",), "Int", "the pid of the process that forked it"),
    "real_user": FieldDeclaration(("Task",), "Int", "its real user"),
    "effective_user": FieldDeclaration(("Task",), "Int", "its effective user; 0 is root"),
    "saved_user": FieldDeclaration(("Task",), "Int", "its saved user"),
    "real_group": FieldDeclaration(("Task",), "Int", "its real group"),
    "effective_group": FieldDeclaration(("Task",), "Int", "its effective group"),
    "saved_group": FieldDeclaration(("Task",), "Int", "its saved group"),
    "member_user": FieldDeclaration(("Task",), "Int", "the user by whose groups it is a member, or NO_MEMBER"),
    "audit_user": FieldDeclaration(("Task",), "Int", "the audit user of its session when its tokens were last set, or UNSET"),
    "session": FieldDeclaration(("Task",), "Int", "its audit session"),
    "has_changed_ids": FieldDeclaration(("Task",), "Bool", "its ids have changed since its image began, or its image changed them"),
    "is_orphan": FieldDeclaration(("Task",), "Bool", "its parent has ended: it is forgotten when it ends"),
    "exit_status": FieldDeclaration(("Task",), "Int", "of a zombie: what it gave to exit, as its parent will read it"),
    "pid_versions": FieldDeclaration((), "Int", "the next pid version"),
    "session_user": FieldDeclaration(("Int",), "Int", "the audit user of the audit session of this number, or UNSET"),
    # slots
    "kind": FieldDeclaration(("Slot",), "Kind", "what the slot contains"),
    "port": FieldDeclaration(("Slot",), "Port", "the port of the right in it"),
    "urefs": FieldDeclaration(("Slot",), "Int", "user references; 0 outside port name spaces"),
    "form": FieldDeclaration(("Slot",), "Int", "for a place of a message: the form in which the receiver will see the right"),
    "due_at": FieldDeclaration(
        ("Slot",), "Int", "of a request whose notification is due: 1 + its place in the order of arrival, if a release has reserved that; else 0"
    ),
    "died_first": FieldDeclaration(("Slot",), "Bool", "of a dead-name request beside a freed name: the name's port died before the name was freed"),
    "send_possible": FieldDeclaration(
        ("Slot",), "SendPossible", "of a request on a name, where the kernel has send-possible requests: how far it is one of them"
    ),
    "unlooked": FieldDeclaration(("Slot",), "Kind", "of a dead name: the kind of right that it was, if no call has looked at it since; else NONE"),
    "told": FieldDeclaration(("Slot",), "Bool", "of such a name: its dead-name request has fired, and its reference is still to come"),
    "had": FieldDeclaration(("Slot",), "Port", "of a task's exception place whose port has died since it was set: that port; else NO_PORT"),
    "known_as": FieldDeclaration(("Task", "Port"), "Name", "the name under which the space has SEND or RECEIVE for the port, or NULL"),
    # ports
    "port_life": FieldDeclaration(("Port",), "Life", "not yet made, active, or dead"),
    "object": FieldDeclaration(("Port",), "PortObject", "the kernel object for which it stands"),
    "object_task": FieldDeclaration(
        ("Port",), "Task", "of a task's port, or a further port of a task: the task; of an identity token: the task of which it was made"
    ),
    "image_pid": FieldDeclaration(("Port",), "Int", "of an identity token: the pid of the process whose image it names"),
    "image_version": FieldDeclaration(("Port",), "Int", "of an identity token: the pid version of that image"),
    "receiver": FieldDeclaration(("Port",), "Slot", "the slot of its receive right"),
    "mscount": FieldDeclaration(("Port",), "Int", "make-send count"),
    "seqno": FieldDeclaration(("Port",), "Int", "sequence number of the next message received"),
    "srights": FieldDeclaration(("Port",), "Int", "send rights, as the kernel counts them"),
    "lost_sends": FieldDeclaration(("Port",), "Int", "where answers of the kernel's need room: those of its send rights that the kernel has lost"),
    "sorights": FieldDeclaration(("Port",), "Int", "send-once rights, as the kernel counts them"),
    "msgcount": FieldDeclaration(("Port",), "Int", "messages in its queue, as the kernel counts them"),
    "reserved": FieldDeclaration(
        ("Port",), "Int", "where room is given to waiting senders: places in its queue that are reserved for messages that wait"
    ),
    "qlimit": FieldDeclaration(("Port",), "Int", "messages that fit in its queue"),
    "member": FieldDeclaration(("Port", "Name"), "Bool", "it is in the port set of this name, in the space the slot of its receive right"),
    "context": FieldDeclaration(("Port",), "Int", "a word that the receiver gave the port; of a guarded port it is the guard"),
    "is_guarded": FieldDeclaration(("Port",), "Bool", "only a holder of the guard can end the receive right"),
    "is_strict": FieldDeclaration(("Port",), "Bool", "the guard is hidden from requests for the context"),
    "is_immovable": FieldDeclaration(("Port",), "Bool", "the receive right can't be carried"),
    "is_donating": FieldDeclaration(("Port",), "Bool", "messages to it lend importance to its receiver"),
    "has_temp_owner": FieldDeclaration(("Port",), "Bool", "its receiver owns it for a time only, so that they don't"),
    "purpose": FieldDeclaration(("Port",), "Purpose", "what it was made for: replies, exceptions, or nothing of that kind"),
    "is_service": FieldDeclaration(("Port",), "Bool", "it was made as a service port"),
    "is_throttled": FieldDeclaration(("Port",), "Bool", "of a service port: it is marked as throttled"),
    "request_slots": FieldDeclaration(("Port",), "Int", "how large the kernel's table of its dead-name requests is, with slot 0; 0: there is none"),
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
    "given_limits": FieldDeclaration(("Port",), "Int", "the sum of its finite children's limits, and of what they gave in turn", GIVEN_LIMITS),
    "ledger_depth": FieldDeclaration(("Port",), "Int", "how far it is from its root", Choice((37,))),
    "payee_number": FieldDeclaration(("Port",), "Int", "its number among the ledgers that its payer pays for", Choice((37,))),
    "payee": FieldDeclaration(("Port", "Int"), "Port", "the ledger of this number among those that it pays for", Choice((37,))),
    "sending_slots": FieldDeclaration(("Port",), "Int", "how many slots hold a send right to it", SENDING_SLOTS),
    "send_once_slots": FieldDeclaration(("Port",), "Int", "how many slots hold a send-once right to it", SEND_ONCE_SLOTS),
    "queued_messages": FieldDeclaration(("Port",), "Int", "how many messages are queued on it", QUEUED_MESSAGES),
    "messages_with_room": FieldDeclaration(("Port",), "Int", "how many messages wait for which a place in its queue is reserved", MESSAGES_WITH_ROOM),
    "transit_rank": FieldDeclaration(("Port",), "Int", "rises from a port whose receive right is on its way to another, to that one", Choice((18,))),
    # messages
    "stage": FieldDeclaration(("Message",), "Stage", "free, on its way in or out of the kernel, queued, or waiting for room in a queue"),
    "queue": FieldDeclaration(("Message",), "Port", "of a queued message: the port"),
    "arrival": FieldDeclaration(
        ("Message",), "Int", "of a queued message: its place in the order of arrival; of one that waits, where room is given: in that of waiting"
    ),
    "room": FieldDeclaration(
        ("Message",), "Port", "of a message that waits, where room is given: the port in whose queue a place is reserved for it, or NO_PORT"
    ),
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
    "carrier": FieldDeclaration(("Object",), "Message", "of an object in a message: the message", Choice((112,))),
    "carrier_index": FieldDeclaration(("Object",), "Int", "of an object in a message: its number there; of one in a task's map: -1", Choice((112,))),
}


def exception_fields(profile: Profile) -> tuple[str, ...]:
    """What the kernel keeps of each place of exceptions, beside the right: the names of fields."""
    return ("exception_behaviour", "exception_flavour", *(["set_by_root"] if profile.has_processes else []))


OF_PROCESS = (
    *("process", "pid", "pid_version", "parent_pid", "original_parent", "member_user", "audit_user", "session"),
    *(f"{which}_{of}" for of in ("user", "group") for which in ("real", "effective", "saved")),
    *("has_changed_ids", "is_orphan", "exit_status"),
)
"""The fields that say whether a process is behind a task, and who it is."""

_OF_ALL_SYSTEMS = {"Int": z3.IntSort(), "Bool": z3.BoolSort(), **{each.sort.name(): each.sort for each in NUMBERED_ENUMERATIONS}}


def sort_named(sorts: Sorts, name: str) -> Any:
    """The z3 sort that a field declaration calls ``name``."""
    return _OF_ALL_SYSTEMS[name] if name in _OF_ALL_SYSTEMS else getattr(sorts, name)


class Store(msgspec.Struct, frozen=True):
    """The field's value at one point (if ``when``)."""

    point: tuple[Term, ...]
    value: Term
    when: Term | None = None


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


class Field(msgspec.Struct, frozen=True, eq=False):
    """A field in some state: read it with ``field(point)``."""

    name: str
    read: Callable[..., Term]
    updates: tuple[Update, ...] = ()

    def __call__(self, *point: Term) -> Term:
        return self.read(*point)


class State:
    """All fields at one moment. ``state.kind(slot)`` reads one."""

    def __init__(self, sorts: Sorts, fields: Mapping[str, Field]) -> None:
        self.sorts = sorts
        self.fields: Mapping[str, Field] = MappingProxyType(dict(fields))

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and self.__dict__.get(name, value) is not value:
            raise AttributeError(f"{name} of a state can't be replaced")
        super().__setattr__(name, value)

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


_COUNTED = {name: declaration.ghost for name, declaration in FIELDS.items() if isinstance(declaration.ghost, Count)}
_TOTALS = {name: declaration.ghost for name, declaration in FIELDS.items() if isinstance(declaration.ghost, Total)}
_COUNTS_IN = {name: {ghost for ghost, counted in _COUNTED.items() if name in counted.reads} for name in FIELDS}
"""The counts that depend on a field."""


_MAY_ARGUE = ("sendright.model.language.choices", "sendright.model.language.release")
"""The modules that say why the kernel always has a choice."""


class Argued(msgspec.Struct, frozen=True):
    """Assumptions about one choice of the kernel's that some choice always satisfies, provided that something holds."""

    assumptions: tuple[Term, ...]
    provided: tuple[Term, ...]
    of_any: bool = False
    """They leave the rule's own choices free."""


@lru_cache(maxsize=8)
def unknown_state(sorts: Sorts, tag: str) -> State:
    """``State.arbitrary``, the same one each time, so that its terms are made once."""
    return State.arbitrary(sorts, tag)


class After(State):
    """The state after a case, made by updating the state before. ``after.at("urefs")[slot] = 1`` updates one field.

    Ghosts that count follow each update, and can't be written.
    """

    def __init__(self, before: State, profile: Profile) -> None:
        self._fields = dict(before.fields)
        self.sorts, self.fields = before.sorts, MappingProxyType(self._fields)
        self.before = before
        self.profile = profile
        self.assumptions: list[Term] = []
        """Constraints on what the kernel chooses."""
        self._argued: tuple[Argued, ...] = ()
        self.releases: list[Any] = []
        self._numbers: tuple[Number, ...] = ()
        self._about_ghosts: tuple[Term, ...] = ()
        self._ghost_choices: tuple[Term, ...] = ()
        self._recounted: tuple[RecountStep, ...] = ()
        self._totalled: dict[str, tuple[Term, ...]] = dict.fromkeys(_TOTALS, ())
        self._in_recount = False

    def assume_argued(self, assumptions: list[Term], provided: Sequence[Term] = (), of_any: bool = False) -> None:
        """Assume of the kernel's choices what some choice always satisfies, provided that ``provided`` holds.
        ``of_any``: that is so whatever the rule's own choices are, since the assumptions speak of further ones.

        The reason stands where this is called: only ``choices.py`` and ``release.py`` may call it. Of all other
        assumptions ``proof/choices.py`` decides it. Raises TypeError for another caller.
        """
        by = sys._getframe(1).f_globals.get("__name__")
        if by not in _MAY_ARGUE:
            raise TypeError(f"{by} may not assume without a proof: only {' and '.join(_MAY_ARGUE)} give reasons")
        self.assumptions.extend(assumptions)
        self._argued += (Argued(tuple(assumptions), tuple(provided), of_any),)

    @property
    def argued(self) -> tuple[Argued, ...]:
        """The assumptions that need no proof that a choice satisfies them."""
        return self._argued

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers of slots that the effect uses."""
        return self._numbers

    @property
    def about_ghosts(self) -> tuple[Term, ...]:
        """The assumptions that may mention ghosts: they are true of some values, in any state."""
        return self._about_ghosts

    @property
    def ghost_choices(self) -> tuple[Term, ...]:
        """The choices on which only ghosts may depend."""
        return self._ghost_choices

    @property
    def recounted(self) -> tuple[RecountStep, ...]:
        """The recounts that the effect contains."""
        return self._recounted

    def ports_of(self, total: str) -> tuple[Term, ...]:
        """The ports whose amounts in ``total`` the effect changes one by one."""
        return self._totalled[total]

    def at(self, name: str) -> _Assign:
        return _Assign(self, name)

    @property
    def plain(self) -> State:
        """The same state, of which one can't see that it was made by updates: an invariant says the same of all."""
        return State(self.sorts, {name: Field(name, field.read) if field.updates else field for name, field in self.fields.items()})

    def changed(self, name: str) -> bool:
        """Whether the case updates the field at all."""
        return self.fields[name] is not self.before.fields[name]

    def _update(self, name: str, read: Callable[..., Term], update: Update | None, point: tuple[Term, ...] | None = None) -> None:
        ghost = FIELDS[name].ghost
        if isinstance(ghost, (Count, Total)):
            raise TypeError(f"{name} can't be written: it follows {', '.join(ghost.reads)}")
        self._replace(name, memoized(read), None if ghost else update)
        for total, declared in _TOTALS.items():
            if name in declared.reads:
                self._sum_again(total, point)

    def _replace(self, name: str, read: Callable[..., Term], update: Update | None = None) -> None:
        old = self.fields[name]
        self._fields[name] = Field(name, read, old.updates if update is None else (*old.updates, update))

    def store(self, name: str, point: tuple[Term, ...], value: Term) -> None:
        """The field has ``value`` at ``point``. Raises TypeError for a ghost that counts."""
        self.store_all(point, {name: value})

    def store_all(self, point: tuple[Term, ...], values: Mapping[str, Term], when: Term | None = None) -> None:
        """Each of these fields has its value at ``point`` (if ``when``), all at once. Raises TypeError as ``store``."""
        counts = self._counted_at(point, values, when)
        for name, new in values.items():
            old = self.fields[name]
            value = new if when is None else z3.If(when, new, old(*point))
            self._update(name, partial(_stored, point, value, old), Store(point, new, when), point)
        self._count(counts)

    def add(self, name: str, point: Term, amount: Term | int) -> None:
        """The field grows by ``amount`` at ``point``. Raises TypeError as ``store``."""
        self._refuse_counted(name)
        old = self.fields[name]
        amount = z3.IntVal(amount) if isinstance(amount, int) else amount
        self._update(name, lambda x: old(x) + z3.If(x == point, amount, 0), Add((point,), amount), (point,))

    def sweep(self, name: str, over: Everywhere, change: Callable[..., tuple[Term, Term]]) -> None:
        """Wherever ``change(*point)`` gives (condition, value) with a true condition, the field has that value.

        Raises TypeError as ``store``, and for a field that is counted outside ``recounting``.
        """
        self._refuse_counted(name)
        old = self.fields[name]

        def read(*x: Term) -> Term:
            condition, value = change(*x)
            return z3.If(condition, value, old(*x))

        variables = tuple(z3.Const(f"sweep{index}", sort_named(self.sorts, part)) for index, part in enumerate(FIELDS[name].domain))
        self._update(name, read, Sweep(variables, *change(*variables), over))

    def tally(self, name: str, number: Number, sign: int) -> None:
        """The field grows (or falls) at every port by ``number``. Raises TypeError as ``sweep``."""
        self._refuse_counted(name)
        self._refuse_unknown(number)
        old = self.fields[name]
        slot = z3.Const("tallied", self.sorts.Slot)
        self._update(name, lambda p: old(p) + sign * number(p), Tally(number.function, slot, number.so(slot), sign))

    # ---- assumptions about ghosts

    def use_number(self, number: Number) -> None:
        """The effect uses ``number``: assume that it is a number of some of the slots that a ghost counts."""
        port = z3.Const("p", self.sorts.Port)
        self._numbers += (number,)
        self._assume_of_ghosts(z3.ForAll([port], number.bounds(port)))

    def choose_large(self, choice: Term, base: Term, bound: Term, each: tuple[Term, Term, Term] | None = None) -> None:
        """``choice``, on which only ghosts depend, is a number so large that ``base`` and it are more than ``bound``.

        ``each``: an index, of which the bound is a term, how many there are, and which of them matter. There is such a
        number in any state, since it is more than finitely many. Raises TypeError if the bounds depend on it.
        """
        below = bound < base + choice
        if each is not None:
            index, count, matters = each
            below = z3.ForAll([index], z3.Implies(z3.And(index >= 0, index < count, matters), below))
        seen: set[int] = set()
        if any(address_of(choice.decl()) in declarations_in(term, seen) for term in (base, bound, *(each or ())[1:])):
            raise TypeError(f"{choice} can't be a large number: what it must exceed depends on it")
        self._ghost_choices += (choice,)
        self._assume_of_ghosts(z3.And(choice >= 0, below), of_any=False)

    def sum_of_parts(self, total: str, port: Term) -> None:
        """Assume of the state before what is true of any sum: ``total`` is 0 for ``port``, or some port adds to it."""
        declared, b, part = _TOTALS[total], self.before, z3.Const("part", self.sorts.Port)
        adds = z3.And(b.fields[declared.by](part) == port, declared.amount(b, part) != 0)
        self._assume_of_ghosts(z3.Or(b.fields[total](port) == 0, z3.Exists([part], adds)))

    def _assume_of_ghosts(self, assumption: Term, of_any: bool = True) -> None:
        self.assumptions.append(assumption)
        self._argued += (Argued((assumption,), (), of_any),)
        self._about_ghosts += (assumption,)

    # ---- the ghosts that count

    def _refuse_counted(self, name: str) -> None:
        if _COUNTS_IN[name] and not self._in_recount:
            raise TypeError(f"{name} can change at many points only while {', '.join(sorted(_COUNTS_IN[name]))} is recounted: see After.recounting")

    def _refuse_unknown(self, number: Number | None) -> None:
        if number is not None and not any(number is known for known in self._numbers):
            raise TypeError(f"{number.function} is not a number that the effect uses: see After.use_number")

    def _counted_at(self, point: tuple[Term, ...], values: Mapping[str, Term], when: Term | None) -> list[tuple[str, Term, Term, int]]:
        """What an update at ``point`` adds to counts, and of which ports: (ghost, port, whether, 1 or -1)."""
        found: list[tuple[str, Term, Term, int]] = []
        if self._in_recount:
            return found
        for ghost in dict.fromkeys(ghost for ghost in _COUNTED for name in values if ghost in _COUNTS_IN[name]):
            counted, [x] = _COUNTED[ghost], point
            was, old = counted.member(self, x), counted.port(self, x)
            what = values.get(counted.what)
            counts, new = was if what is None else counted.counts(what), values.get(counted.by, old)
            for port, whether, sign in ((old, was, -1), (new, counts, 1)):
                if not z3.is_false(whether):
                    found.append((ghost, port, whether if when is None else z3.And(when, whether), sign))
        return found

    def _count(self, counts: list[tuple[str, Term, Term, int]]) -> None:
        for ghost, port, whether, sign in counts:
            self._replace(ghost, memoized(partial(_grown, self.fields[ghost], port, z3.If(whether, sign, 0))))

    @contextmanager
    def recounting(self, *recounts: Recount) -> Iterator[None]:
        """Many slots or messages change at once, and their counts with them: as the ``recounts`` say.

        Raises TypeError if a count changes of which none of them speaks.
        """
        before = State(self.sorts, self.fields)
        self._in_recount = True
        yield
        self._in_recount = False
        told = {recount.ghost for recount in recounts}
        for ghost, counted in _COUNTED.items():
            changed = any(self.fields[name] is not before.fields[name] for name in counted.reads)
            if changed and ghost not in told:
                raise TypeError(f"{', '.join(counted.reads)} change at many points, and nothing says what becomes of {ghost}")
        for recount in recounts:
            self._refuse_unknown(recount.lost)
            if recount.lost and any(recount.lost.state.fields[name] is not before.fields[name] for name in _COUNTED[recount.ghost].reads):
                raise TypeError(f"{recount.lost.function} is a number of slots in another state than that before the recount")
            self._refuse_unknown(recount.gained and recount.gained.number)
            self._replace(recount.ghost, memoized(partial(recount.after, before)))
        done = State(self.sorts, self.fields)
        self._recounted += tuple(RecountStep(recount, before, done) for recount in recounts)

    def _sum_again(self, total: str, point: tuple[Term, ...] | None) -> None:
        """A total follows the fields that it depends on, of which one has changed: at ``point``, or at many points."""
        known = self._totalled[total]
        if point is not None and not any(point[0].eq(other) for other in known):
            self._totalled[total] = (*known, point[0])
        final = sums_of(self, total)[-1]
        self._replace(total, memoized(final))


def sums_of(after: After, total: str) -> list[Callable[[Term], Term]]:
    """A total as it was, and after each port's amount that an effect changes one by one was taken into account.

    The ports are in the order in which they change: each before the one to which it adds. With the ports' amounts
    contained in each other, the last sum is right if none of them changes after it was used, and no other port's amount
    changes: both are decided (``proof/counting.py``).
    """
    declared = _TOTALS[total]
    now = State(after.sorts, after.fields)
    before = after.before
    sums: list[Callable[[Term], Term]] = [before.fields[total]]
    ports = after.ports_of(total)
    for index, port in enumerate(ports):
        first = z3.And(*[port != earlier for earlier in ports[:index]])
        sums.append(partial(_summed, declared, total, before, now, sums[-1], port, first))
    return sums


def with_total(state: State, total: str, read: Callable[[Term], Term]) -> State:
    """``state`` with another total."""
    return State(state.sorts, {**state.fields, total: Field(total, read)})


def _summed(declared: Total, total: str, before: State, now: State, last: Callable[[Term], Term], port: Term, first: Term, x: Term) -> Term:
    """The total of ``x`` after ``port`` adds what it adds ``now``, unless it was taken into account already."""
    adds, added = declared.amount(with_total(now, total, last), port), declared.amount(before, port)
    more = z3.If(z3.And(first, now.fields[declared.by](port) == x), adds, 0)
    return last(x) + more - z3.If(z3.And(first, before.fields[declared.by](port) == x), added, 0)


def _stored(point: tuple[Term, ...], value: Term, old: Callable[..., Term], *x: Term) -> Term:
    if not point:
        return value
    return z3.If(_same(x, point), value, old(*x))


def _grown(old: Field, port: Term, amount: Term, x: Term) -> Term:
    return old(x) + z3.If(x == port, amount, 0)


def updated(old: Callable[..., Term], update: Update) -> Callable[..., Term]:
    """The field after ``update``, which alone says what becomes of it; ``old`` reads it before."""

    def read(*x: Term) -> Term:
        match update:
            case Store(point, value, when):
                return _stored(point, value if when is None else z3.If(when, value, old(*point)), old, *x)
            case Add(point, amount):
                return old(*x) + z3.If(x[0] == point[0], amount, 0)
            case Sweep(variables, condition, value):
                here = list(zip(variables, x, strict=True))
                return z3.If(z3.substitute(condition, *here), z3.substitute(value, *here), old(*x))
            case Tally(count, _, _, sign):
                return old(*x) + sign * count(*x)

    return memoized(read)


def _same(x: tuple[Term, ...], point: tuple[Term, ...]) -> Term:
    return z3.And(*[a == b for a, b in zip(x, point, strict=True)]) if len(x) != 1 else x[0] == point[0]
