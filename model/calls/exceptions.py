"""The ports to which a task's exceptions go: for each type of exception a right, a behaviour and a flavour.

A reply lists them in groups: types with equal right, behaviour and flavour, in the order of each group's first type.
The right of a group travels in the place of the reply that belongs to its first type, so that a rule needs no list of
groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import (
    BEHAVIOUR_BITS,
    EXCEPTION_PLACES,
    MACH_EXCEPTION_BACKTRACE_PREFERRED,
    MACH_EXCEPTION_CODES,
    Behaviour,
    Place,
    PortObject,
    combined,
)
from sendright.mach.kernel.profiles import Profile
from sendright.model.calls.processes.identity import is_root
from sendright.model.calls.special_ports import may_be_kept
from sendright.model.language.actions import hold_copy_if, lose_sends, place_slot, put_if
from sendright.model.language.evidence import page, rests_on
from sendright.model.language.ghosts import is_send
from sendright.model.language.rule import FINISH, Case, Context, rule
from sendright.model.language.sequences import Driver, Steps, copy_out, run, sequence
from sendright.model.language.sorts import PLACE, PURPOSE, Term
from sendright.model.language.state import After, exception_fields
from sendright.model.language.terms import Int, Message, Name


def _types(profile: Profile) -> dict[int, Place]:
    """The numbers of the types of exception, and their places."""
    return dict(enumerate(profile.exception_places, 1))


def _selected(mask: Int, number: int) -> Term:
    """The mask has the bit of type ``number``."""
    return (mask / z3.IntVal(1 << number)) % 2 == 1


def _request(k: Context, task: Name, mask: Int, *others: Name) -> Iterator[Case]:
    """The first tests of the three calls."""
    yield from k.request(task, *others)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    known = z3.And(mask >= 0, mask <= k.profile.exception_mask, mask % 2 == 0)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the mask has bits that are not exception types", z3.Not(known))


class _Handler:
    """The new exception handler: the port under the caller's ``name``, a behaviour, a flavour."""

    def __init__(self, k: Context, name: Name, behaviour: Int, flavour: Int) -> None:
        self.k, self.name, self.behaviour, self.flavour = k, name, behaviour, flavour

    def can_be_set(self) -> Iterator[Case]:
        """A live right needs an existing behaviour; some kernels also test the right, the flavour, and whether the
        behaviour comes with codes (``set_exception_ports_validation`` in ``kern/ipc_tt.c`` of XNU 11417). There a port
        for exceptions may be immovable.
        """
        k = self.k
        unknown = z3.And(*[self.behaviour != int(behaviour) for behaviour in sorted(k.profile.behaviours)])
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such behaviour", z3.And(k.sends(self.name), unknown))
        yield from may_be_kept(k, self.name)
        if k.profile.has_guards:
            port = k.before.port(k.slot(self.name))
            stays = z3.And(k.before.is_immovable(port), k.before.purpose(port) != PURPOSE.of(PortPurpose.EXCEPTION))
            immovable = z3.And(k.sends(self.name), stays)
            yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the port's receive right is immovable", immovable)
        if k.profile.state_flavours is not None:
            none = z3.And(*[self.flavour != flavour for flavour in sorted(k.profile.state_flavours)])
            yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such flavour", none)
        if k.profile.codes_required:
            yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the behaviour needs codes", self._needs_codes())

    def _needs_codes(self) -> Term:
        """The behaviour is to protect identities without more, or prefers a backtrace, and comes without codes."""

        def has(bit: int) -> Term:
            return (self.behaviour / z3.IntVal(bit)) % 2 == 1

        others = combined(tuple([bit for bit in BEHAVIOUR_BITS if bit != MACH_EXCEPTION_CODES]))
        protects = z3.Or(*[self.behaviour == (Behaviour.IDENTITY_PROTECTED | bits) for bits in others])
        return z3.Or(protects, z3.And(has(MACH_EXCEPTION_BACKTRACE_PREFERRED), z3.Not(has(MACH_EXCEPTION_CODES))))

    def set(self, after: After, task: Term, chosen: dict[int, Term]) -> None:
        """Each type for which ``chosen`` holds gets a copy of the port, the behaviour and the flavour. Then the old
        rights are given up (``task_set_exception_ports`` in ``kern/ipc_tt.c``). XNU 11417 notes whether root has set
        it.

        XNU 11417 keeps null for a kernel object's port (``exception_port_copy_send`` in ``kern/exception.c``).
        """
        k, places = self.k, _types(self.k.profile)
        kind, port = k.handler_kind(self.name), k.handler_port(self.name)
        after.add("srights", port, z3.If(is_send(kind), z3.Sum(*[z3.If(when, 1, 0) for when in chosen.values()]), 0))
        held = {number: place_slot(after, task, places[number]) for number in chosen}
        lose_sends(after, [(after.port(held[number]), z3.And(when, is_send(after.kind(held[number])))) for number, when in chosen.items()])
        for number, when in chosen.items():
            put_if(after, when, held[number], kind, port)
            after.at("had")[held[number]] = z3.If(when, k.sorts.no_port, after.had(held[number]))
            words = {"exception_behaviour": self.behaviour, "exception_flavour": self.flavour, "set_by_root": is_root(k.before, k.caller)}
            for field in exception_fields(k.profile):
                point = (task, PLACE.of(places[number]))
                after.at(field)[point] = z3.If(when, words[field], after.fields[field](*point))


class _Groups:
    """NAMES of a reply: which of a task's types in the mask begin a group, which groups the caller has room for, and
    what the groups report.
    """

    def __init__(self, k: Context, task: Term, mask: Int, count: Int, by_port: bool = False) -> None:
        """``by_port``: types are compared by the ports that they were given, also those that have died."""
        b, types = k.before, _types(k.profile)
        self.by_port = by_port
        self.all_fit = not k.profile.takes(k.rule.name, "count")
        self.slots = {number: place_slot(b, task, place) for number, place in types.items()}
        places = {number: PLACE.of(place) for number, place in types.items()}
        self.behaviours = {number: b.exception_behaviour(task, place) for number, place in places.items()}
        self.flavours = {number: b.exception_flavour(task, place) for number, place in places.items()}
        self.k, self.asked = k, mask
        self.begins: dict[int, Term] = {}
        self.reported: dict[int, Term] = {}
        before = z3.IntVal(0)
        for number in types:
            like_earlier = [z3.And(_selected(mask, earlier), self.joins(number, earlier)) for earlier in range(1, number)]
            self.begins[number] = z3.And(_selected(mask, number), z3.Not(z3.Or(*like_earlier)))
            self.reported[number] = self.begins[number] if self.all_fit else z3.And(self.begins[number], before < count)
            before = before + z3.If(self.begins[number], 1, 0)

    def joins(self, number: int, first: int) -> Term:
        """The type ``number`` is like the earlier type ``first``, in right, behaviour and flavour.

        None is like none, and DEAD like DEAD. A port that has died since is like none, or (``by_port``) like itself.
        """
        b, slot, second = self.k.before, self.slots[first], self.slots[number]
        died = b.had(second) == (b.had(slot) if self.by_port else self.k.sorts.no_port)
        rights = z3.And(b.kind(slot) == b.kind(second), b.port(slot) == b.port(second), died)
        return z3.And(rights, self.behaviours[first] == self.behaviours[number], self.flavours[first] == self.flavours[number])

    def has_room(self, number: int) -> Term:
        """The type is selected, and its group is reported."""
        if self.all_fit:
            return _selected(self.asked, number)
        groups = [z3.And(self.reported[first], self.joins(number, first)) for first in range(1, number)]
        return z3.And(_selected(self.asked, number), z3.Or(self.reported[number], *groups))

    def mask(self, number: int) -> Term:
        """The bits of the selected types in the group that ``number`` begins: like it, and like none before it."""
        bits: list[Term] = []
        for other in range(number + 1, len(self.slots) + 1):
            earlier = [z3.And(self.begins[first], self.joins(other, first)) for first in range(1, number)]
            like = z3.And(_selected(self.asked, other), self.joins(other, number), z3.Not(z3.Or(*earlier)))
            bits.append(z3.If(like, 1 << other, 0))
        return z3.Sum(z3.IntVal(1 << number), *bits)

    def outputs(self) -> dict[str, Term]:
        """What the reply reports, for each type that may begin a group."""
        found: dict[str, Term] = {}
        for number in self.slots:
            found |= {f"told.{number}": self.reported[number], f"masks.{number}": self.mask(number)}
            found |= {f"behaviors.{number}": self.behaviours[number], f"flavors.{number}": self.flavours[number]}
        return found

    def begin_reply(self, after: After, message: Message) -> None:
        """RIGHTS: a clone of the right of each reported group."""
        results = self.k.begin_reply(after, message, len(self.slots))
        for number, result in zip(self.slots, results, strict=True):
            source = self.slots[number]
            hold_copy_if(after, self.reported[number], after.kind(source), after.port(source), result)


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: task_set_exception_ports",
        xnu="kern/ipc_tt.c: task_set_exception_ports, set_exception_ports_validation",
        manual=page("task_set_exception_ports"),
    )
)
def task_set_exception_ports(k: Context, task: Name, exception_mask: Int, new_port: Name, behavior: Int, new_flavor: Int) -> Iterator[Case]:
    """Set where exceptions of the types in the mask go, and what their messages carry."""
    # NAMES
    target = k.task_behind(task)
    handler = _Handler(k, new_port, behavior, new_flavor)
    # CASES
    yield from _request(k, task, exception_mask, new_port)
    yield from handler.can_be_set()

    # RIGHTS
    def set_all(after: After) -> None:
        handler.set(after, target, {number: _selected(exception_mask, number) for number in _types(k.profile)})

    yield k.succeeds("each type in the mask gets a copy of the right", k.otherwise(), set_all)


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: task_get_exception_ports", xnu="kern/ipc_tt.c: task_get_exception_ports_internal", manual=page("task_get_exception_ports")
    )
)
def task_get_exception_ports(k: Context, task: Name, exception_mask: Int, count: Int, *, reply_message: Message) -> Iterator[Case]:
    """Read where exceptions of the types in the mask go, group by group; no more groups than the caller has room for.

    In OSF and XNU a request doesn't say how many that are, so the kernel gives all of them (``array[*:32]`` in
    ``mach/mach_types.defs``).
    """
    # NAMES
    groups = _Groups(k, k.task_behind(task), exception_mask, count, by_port=k.profile.exception_groups_by_port)
    # CASES
    yield from _request(k, task, exception_mask)
    # REPLY
    yield k.succeeds("clones of the groups' rights", k.otherwise(), lambda after: groups.begin_reply(after, reply_message), **groups.outputs())


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: task_swap_exception_ports",
        xnu="kern/ipc_tt.c: task_swap_exception_ports, set_exception_ports_validation",
        manual=page("task_swap_exception_ports"),
    )
)
def task_swap_exception_ports(
    k: Context, task: Name, exception_mask: Int, new_port: Name, behavior: Int, new_flavor: Int, count: Int, *, reply_message: Message
) -> Iterator[Case]:
    """Set where exceptions of the types in the mask go, and read where they went.

    Types in groups for which the caller has no room keep what they had. (Without hazard H-9.)
    """
    # NAMES
    target = k.task_behind(task)
    handler = _Handler(k, new_port, behavior, new_flavor)
    groups = _Groups(k, target, exception_mask, count)
    # CASES
    yield from _request(k, task, exception_mask, new_port)
    yield from handler.can_be_set()

    # RIGHTS, REPLY
    def swap(after: After) -> None:
        groups.begin_reply(after, reply_message)
        handler.set(after, target, {number: groups.has_room(number) for number in _types(k.profile)})

    yield k.succeeds("each reported type gets a copy of the right", k.otherwise(), swap, **groups.outputs())


@sequence("task_get_exception_ports")
def get_exception_ports(d: Driver) -> Steps:
    """The groups' rights are copied out of the reply."""
    return _copy_out_groups(d, "task_get_exception_ports")


@sequence("task_swap_exception_ports")
def swap_exception_ports(d: Driver) -> Steps:
    """The groups' rights are copied out of the reply."""
    return _copy_out_groups(d, "task_swap_exception_ports")


def _copy_out_groups(d: Driver, rule: str) -> Steps:
    answered = yield run(rule)
    reply = answered["reply_message"]
    for number in range(1, len(EXCEPTION_PLACES) + 1):
        if f"told.{number}" in answered.outputs:
            yield copy_out(reply, d.body(reply, number - 1), "ports", when=answered[f"told.{number}"], since=answered)
    yield run(FINISH, message=reply, since=answered)
