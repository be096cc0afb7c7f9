"""The ports to which a task's exceptions go: for each type of exception a right, a behaviour and a flavour.

A reply tells them in groups: types with equal right, behaviour and flavour, in the order of each group's first type. The right of a group
travels in the place of the reply that belongs to its first type, so that a rule needs no list of groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.codes import ReturnCode
from sendright.mach.rights import EXC_MASK_ALL, EXCEPTION_PLACES, PortObject
from sendright.model.actions import drop_held_send_if, hold_copy_if, place_slot
from sendright.model.calls.special_ports import may_be_kept
from sendright.model.rules import FINISH, Case, Context, rule
from sendright.model.sequences import Driver, Steps, copy_out, run, sequence
from sendright.model.sorts import PLACE, Term
from sendright.model.state import After

EXCEPTION_TYPES = range(1, len(EXCEPTION_PLACES) + 1)


def _selected(k: Context, number: int) -> Term:
    """The mask has the bit of type ``number``."""
    return (k.exception_mask / z3.IntVal(1 << number)) % 2 == 1


def _request(k: Context, *others: str) -> Iterator[Case]:
    """The first tests of the three calls."""
    yield from k.request("task", *others)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is no task", z3.Not(k.object(k.task, PortObject.TASK)))
    known = z3.And(k.exception_mask >= 0, k.exception_mask <= EXC_MASK_ALL, k.exception_mask % 2 == 0)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the mask has bits of no type", z3.Not(known))


def _can_be_set(k: Context) -> Iterator[Case]:
    """A live right needs a behaviour that there is; some kernels look at the right, and at the flavour."""
    unknown = z3.And(*[k.behavior != int(behaviour) for behaviour in sorted(k.profile.behaviours)])
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such behaviour", z3.And(k.sends(k.new_port), unknown))
    yield from may_be_kept(k, k.new_port)
    if k.profile.has_guards:
        immovable = z3.And(k.sends(k.new_port), k.before.is_immovable(k.before.port(k.slot(k.new_port))))
        yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the port's receive right is immovable", immovable)
    if k.profile.state_flavours is not None:
        none = z3.And(*[k.new_flavor != flavour for flavour in sorted(k.profile.state_flavours)])
        yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "no such flavour", none)


class _Groups:
    """NAMES of a reply: which of a task's types begin a group, which groups the caller has room for, and what they tell."""

    def __init__(self, k: Context, task: Term) -> None:
        b = k.before
        self.slots = {number: place_slot(b, task, place) for number, place in enumerate(EXCEPTION_PLACES, 1)}
        places = {number: PLACE.of(place) for number, place in enumerate(EXCEPTION_PLACES, 1)}
        self.behaviours = {number: b.exception_behaviour(task, place) for number, place in places.items()}
        self.flavours = {number: b.exception_flavour(task, place) for number, place in places.items()}
        self.k = k
        self.begins: dict[int, Term] = {}
        self.told: dict[int, Term] = {}
        before = z3.IntVal(0)
        for number in EXCEPTION_TYPES:
            like_earlier = [z3.And(_selected(k, earlier), self.equal(earlier, number)) for earlier in range(1, number)]
            self.begins[number] = z3.And(_selected(k, number), z3.Not(z3.Or(*like_earlier)))
            self.told[number] = z3.And(self.begins[number], before < k.count)
            before = before + z3.If(self.begins[number], 1, 0)

    def equal(self, one: int, other: int) -> Term:
        """The two types have equal right, behaviour and flavour. (A dead right equals a dead one, none equals none.)"""
        b, slot, second = self.k.before, self.slots[one], self.slots[other]
        rights = z3.And(b.kind(slot) == b.kind(second), b.port(slot) == b.port(second))
        return z3.And(rights, self.behaviours[one] == self.behaviours[other], self.flavours[one] == self.flavours[other])

    def has_room(self, number: int) -> Term:
        """The type is selected, and its group is told."""
        groups = [z3.And(self.told[first], self.equal(first, number)) for first in range(1, number)]
        return z3.And(_selected(self.k, number), z3.Or(self.told[number], *groups))

    def mask(self, number: int) -> Term:
        """The bits of the selected types that are like ``number``, which begins their group."""
        later = [z3.And(_selected(self.k, other), self.equal(number, other)) for other in range(number + 1, EXCEPTION_TYPES.stop)]
        bits = [z3.If(like, 1 << other, 0) for other, like in enumerate(later, number + 1)]
        return z3.Sum(z3.IntVal(1 << number), *bits)

    def outputs(self) -> dict[str, Term]:
        """What is told, for each type that may begin a group."""
        found: dict[str, Term] = {}
        for number in EXCEPTION_TYPES:
            found |= {f"told.{number}": self.told[number], f"masks.{number}": self.mask(number)}
            found |= {f"behaviors.{number}": self.behaviours[number], f"flavors.{number}": self.flavours[number]}
        return found

    def begin_reply(self, after: After) -> None:
        """RIGHTS: a clone of the right of each group that is told."""
        results = self.k.begin_reply(after, len(EXCEPTION_TYPES))
        for number, result in zip(EXCEPTION_TYPES, results, strict=True):
            source = self.slots[number]
            hold_copy_if(after, self.told[number], after.kind(source), after.port(source), result)


def _set(k: Context, after: After, task: Term, number: int, when: Term) -> None:
    """If ``when``, the right that type ``number`` had is given up, and it gets a copy of ``new_port``, the behaviour and the flavour."""
    place = EXCEPTION_PLACES[number - 1]
    held = place_slot(after, task, place)
    drop_held_send_if(after, when, held)
    hold_copy_if(after, when, k.carried_kind(k.new_port), k.carried_port(k.new_port), held)
    for field, value in (("exception_behaviour", k.behavior), ("exception_flavour", k.new_flavor)):
        after.at(field)[(task, PLACE.of(place))] = z3.If(when, value, after.fields[field](task, PLACE.of(place)))


@rule("task_set_exception_ports", task="Name", exception_mask="Int", new_port="Name", behavior="Int", new_flavor="Int")
def task_set_exception_ports(k: Context) -> Iterator[Case]:
    """Say where exceptions of the types in the mask go, and what their messages carry. Source: semantics 4.2."""
    # NAMES
    task = k.task_behind(k.task)
    # CASES
    yield from _request(k, "new_port")
    yield from _can_be_set(k)

    # RIGHTS
    def set_all(after: After) -> None:
        for number in EXCEPTION_TYPES:
            _set(k, after, task, number, _selected(k, number))

    yield k.succeeds("each type in the mask has a copy of the right", True, set_all)


@rule("task_get_exception_ports", choices={"reply_message": "Message"}, task="Name", exception_mask="Int", count="Int")
def task_get_exception_ports(k: Context) -> Iterator[Case]:
    """Learn where exceptions of the types in the mask go, group by group; no more groups than the caller has room for. Source: semantics 4.2."""
    # NAMES
    groups = _Groups(k, k.task_behind(k.task))
    # CASES
    yield from _request(k)
    # RIGHTS, REPLY
    yield k.succeeds("clones of the groups' rights", True, groups.begin_reply, **groups.outputs())


@rule(
    "task_swap_exception_ports",
    choices={"reply_message": "Message"},
    task="Name",
    exception_mask="Int",
    new_port="Name",
    behavior="Int",
    new_flavor="Int",
    count="Int",
)
def task_swap_exception_ports(k: Context) -> Iterator[Case]:
    """Say where exceptions of the types in the mask go, and learn where they went.

    Types in groups that the caller has no room for keep what they had. Source: semantics 4.2, without hazard H-9.
    """
    # NAMES
    task = k.task_behind(k.task)
    groups = _Groups(k, task)
    # CASES
    yield from _request(k, "new_port")
    yield from _can_be_set(k)

    # RIGHTS, REPLY
    def swap(after: After) -> None:
        groups.begin_reply(after)
        for number in EXCEPTION_TYPES:
            _set(k, after, task, number, groups.has_room(number))

    yield k.succeeds("each type that is told has a copy of the right", True, swap, **groups.outputs())


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
    for number in EXCEPTION_TYPES:
        yield copy_out(reply, d.body(reply, number - 1), "ports", when=answered[f"told.{number}"], since=answered)
    yield run(FINISH, message=reply, since=answered)
