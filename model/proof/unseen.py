"""Switches of a profile that no rule reads, and so no proof sees: the order of what a release leads to, the form of
results, and how the oracle finds what the kernel chose.

Where two profiles differ in one, a case isn't called the same, unless it is proved that the switch has no effect on it.
What each switch is read for is in ``execution/consequences.py``. A switch that isn't listed here may have an effect on
every release.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import NamedTuple

import z3

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import Profile
from sendright.model.execution import consequences, told_results
from sendright.model.execution.kernel_choices import switches_that_choose
from sendright.model.language.release import Release
from sendright.model.language.sorts import KIND, PLACE, STAGE, UNBOUNDED, Term
from sendright.model.language.state import FIELDS, sort_named
from sendright.model.proof.any_state import held_by_any_state
from sendright.model.proof.counterexamples.counterexample import mentioned
from sendright.model.proof.obligations import CaseProof
from sendright.model.proof.solver.cache import Proof
from sendright.model.proof.solver.instantiate import first_effort, follows_from_nothing


@cache
def switches_read_by(module: ModuleType) -> tuple[str, ...]:
    """The profile's switches that a module reads, in the order of ``Profile``."""
    read = {node.attr for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)}
    return tuple(name for name in Profile.__struct_fields__ if name in read)


class Unseen(NamedTuple):
    """What no proof sees of a case."""

    words: str
    """The switches in which the two profiles differ, and that may have an effect on the case."""
    same: Term | None
    """What isn't so in some states in which they have an effect; None: no such states are known."""


def unseen_difference(unit: CaseProof, second: Profile, assumptions: Sequence[Term]) -> Unseen | None:
    """What differs between the profiles, and no proof sees, and may have an effect on the case; None: nothing does.
    The ``assumptions`` hold where the case applies.
    """
    first, made = unit.profile, unit.after.releases
    of_choice = _of_choices(unit, second)
    if of_choice:
        return Unseen(f"what the kernel chooses differs by {_named(of_choice)}", None)
    of_order = [
        switch
        for switch in _different(first, second, switches_read_by(consequences))
        if made and not _has_no_effect(switch, unit, second, assumptions)
    ]
    if of_order:
        return Unseen(f"the order of consequences differs by {_named(of_order)}", _same_order(of_order, unit, second))
    of_form = _different(first, second, switches_read_by(told_results))
    formed = [(name, term) for name, term in unit.case.outputs.items() if "." in name and term.sort() != z3.IntSort()]
    if of_form and formed:
        return Unseen(f"the form of the results differs by {_named(of_form)}", _same_form(of_form, unit, dict(formed)))
    return None


def _of_choices(unit: CaseProof, second: Profile) -> list[str]:
    """The switches by which the oracle finds other choices of the kernel's, on which the case depends."""
    found: dict[str, None] = {}
    for choice in unit.k.rule.choices:
        different = _different(unit.profile, second, sorted(switches_that_choose(choice)))
        found |= dict.fromkeys(different if different and _depends_on(unit, choice) else ())
    return list(found)


def _depends_on(unit: CaseProof, choice: str) -> bool:
    """Whether the results of a case, or the state after it, mention a choice."""
    changed = [(field, FIELDS[name].domain) for name, field in unit.after.fields.items() if unit.after.changed(name)]
    after = [field(*[z3.Const(f"x{place}", sort_named(UNBOUNDED, part)) for place, part in enumerate(domain)]) for field, domain in changed]
    return any(term.eq(unit.k[choice]) for term in mentioned([*unit.case.outputs.values(), *after]))


def _different(first: Profile, second: Profile, switches: Iterable[str]) -> list[str]:
    return [name for name in switches if getattr(first, name) != getattr(second, name)]


def _named(switches: list[str]) -> str:
    return f"the {'switch' if len(switches) == 1 else 'switches'} {', '.join(switches)}"


# ---- that a switch has no effect


class _Ends:
    """Where a release begins: some slots and ports, which stand for any."""

    def __init__(self, made: Release) -> None:
        self.made, self.b, sorts = made, made.base, made.base.sorts
        self.slot, self.other_slot = z3.Consts("slot other_slot", sorts.Slot)
        self.port, self.other_port = z3.Consts("port other_port", sorts.Port)
        self.message = z3.Const("message", sorts.Message)

    def gives_up(self, slot: Term) -> Term:
        """What is in the slot is given up."""
        return z3.And(self.made.starts_at(slot), z3.Not(self.b.empty(slot)))

    def gives_up_receive(self, slot: Term, port: Term) -> Term:
        """The slot's receive right, to this port, is given up."""
        return z3.And(self.made.starts_at(slot), self.b.receives(slot), self.b.port(slot) == port)

    def ends(self, port: Term) -> Term:
        """The port is one of those with which the release begins."""
        return z3.And(self.b.active(port), self.made.roots(port))

    def asked(self, port: Term) -> Term:
        """The port has a port-destroyed request."""
        return z3.Not(self.b.empty(self.b.sorts.Slot.port_destroyed_slot(port)))

    def quiet(self, port: Term) -> Term:
        """The port's end leads to no other port's: it isn't rescued, and its queue has nothing."""
        queued = z3.And(self.b.stage(self.message) == STAGE.QUEUED, self.b.queue(self.message) == port)
        return z3.Not(z3.Or(self.asked(port), queued))

    def always(self, claim: Term) -> Term:
        """The claim, of all these slots, ports and messages."""
        return z3.ForAll([self.slot, self.other_slot, self.port, self.other_port, self.message], claim)


def _only_quiet_ports_end(made: Release) -> Term:
    """No queue is destroyed, and no receive right is rescued. (More ports end only by a queue, or after a rescue.)"""
    e = _Ends(made)
    return e.always(z3.Implies(z3.Or(e.gives_up_receive(e.slot, e.port), e.ends(e.port)), e.quiet(e.port)))


def _no_queue_is_first(*silent: bool) -> Callable[[Release], Term]:
    """Every queue that is destroyed is destroyed inside a message's destruction, where it comes after what is on the
    list already, in both ways.

    So it is if all receive rights that are given up are in messages. So it is, too, if one port alone ends that has a
    port-destroyed request: either its receive right is redirected, or it ends in the request's message (unless the
    rescue of a circular one is ``silent``).
    """

    def holds(made: Release) -> Term:
        e = _Ends(made)
        sorts = made.base.sorts
        begins_with_other = z3.Or(e.gives_up_receive(e.other_slot, e.other_port), e.ends(e.other_port))
        alone = z3.And(z3.BoolVal(not any(silent)), e.asked(e.port), z3.Implies(begins_with_other, e.other_port == e.port))
        others_too = z3.Implies(e.gives_up_receive(e.other_slot, e.other_port), sorts.in_message(e.other_slot))
        inside = z3.And(sorts.in_message(e.slot), z3.Not(e.ends(e.other_port)), others_too)
        harmless = z3.Or(e.quiet(e.port), alone)
        in_slot = z3.Implies(e.gives_up_receive(e.slot, e.port), z3.Or(inside, harmless))
        return e.always(z3.And(in_slot, z3.Implies(e.ends(e.port), harmless)))

    return holds


def _one_sort_of_slots(is_one: Callable[[Term], Term], with_ports: bool) -> Callable[[Release], Term]:
    """Of the slots that are given up either all satisfy ``is_one`` or none does, and then (``with_ports``) no port ends
    beside them: which of two sorts ends first says nothing.
    """

    def holds(made: Release) -> Term:
        e = _Ends(made)
        beside = z3.And(e.gives_up(e.other_slot), z3.Not(is_one(e.other_slot)))
        if with_ports:
            beside = z3.Or(beside, e.ends(e.port))
        return e.always(z3.Not(z3.And(e.gives_up(e.slot), is_one(e.slot), beside)))

    return holds


def _is_place(slot: Term) -> Term:
    return UNBOUNDED.Slot.is_place_slot(slot)


def _is_ledger_place(slot: Term) -> Term:
    place = UNBOUNDED.Slot.place(slot)
    return z3.And(_is_place(slot), z3.Or(*[place == PLACE.of(ledger) for ledger in (Place.WIRED_LEDGER, Place.PAGED_LEDGER)]))


def _no_effect(switch: str, first: Profile, second: Profile) -> Callable[[Release], Term] | None:
    """What makes a release the same with the switch and without it; None: nothing is known."""
    known = {
        "queue_ends_whole": _no_queue_is_first(first.circular_rescue_is_silent, second.circular_rescue_is_silent),
        "circular_rescue_is_silent": _only_quiet_ports_end,
        "places_end_first": _one_sort_of_slots(_is_place, with_ports=False),
        "ledger_places_end_last": _one_sort_of_slots(_is_ledger_place, with_ports=True),
    }
    return known.get(switch)


# ---- a state in which a switch has an effect


def _told(e: _Ends, of: Term, home: Term) -> Term:
    """``home``, maybe the port itself, has asked for the port's no-senders message; neither of the two ends, and both
    stay where they are.
    """
    b, S = e.b, e.b.sorts.Slot
    request = S.no_senders_slot(of)

    def stays(port: Term) -> Term:
        received = z3.And(S.is_name_slot(b.receiver(port)), z3.Not(e.made.starts_at(b.receiver(port))))
        return z3.And(b.active(port), received, z3.Not(e.ends(port)))

    return z3.And(b.kind(request) == KIND.SEND_ONCE, b.port(request) == home, stays(of), stays(home))


def _is_last_right(e: _Ends, slot: Term, port: Term) -> Term:
    """The slot has the one send right that there is to the port."""
    return z3.And(e.b.kind(slot) == KIND.SEND, e.b.port(slot) == port, e.b.srights(port) == 1)


def _place_beside_name(is_one: Callable[[Term], Term]) -> Callable[[_Ends], Term]:
    """Such a place has the last send right to a port, and a name a send-once right to the no-senders requester's port:
    messages 70 and 71 come to one queue, in the order in which the two end.
    """

    def differs(e: _Ends) -> Term:
        b, S = e.b, e.b.sorts.Slot
        last = z3.And(e.gives_up(e.slot), is_one(e.slot), _is_last_right(e, e.slot, e.port), _told(e, e.port, e.other_port))
        name = z3.And(e.gives_up(e.other_slot), S.is_name_slot(e.other_slot))
        return z3.And(last, name, b.kind(e.other_slot) == KIND.SEND_ONCE, b.port(e.other_slot) == e.other_port)

    return differs


def _queue_beside_request(e: _Ends) -> Term:
    """A port dies that has a no-senders request, and in its queue the last send right to another port: messages 70 and
    71 come to one queue, in the order in which the request and the queue end.
    """
    b, S = e.b, e.b.sorts.Slot
    dying, queued = b.port(e.slot), S.body_slot(e.message, z3.IntVal(0))
    by_itself = z3.Or(e.ends(dying), z3.And(S.is_name_slot(e.slot), e.gives_up(e.slot)))
    dies = z3.And(b.kind(e.slot) == KIND.RECEIVE, b.receiver(dying) == e.slot, b.active(dying), by_itself, z3.Not(e.asked(dying)))
    request = S.no_senders_slot(dying)
    asked = z3.And(b.srights(dying) == 0, b.kind(request) == KIND.SEND_ONCE, b.port(request) == e.other_port)
    holds = z3.And(b.stage(e.message) == STAGE.QUEUED, b.queue(e.message) == dying, b.body_count(e.message) == 1)
    return z3.And(dies, asked, holds, _is_last_right(e, queued, e.port), _told(e, e.port, e.other_port))


_EFFECT: dict[str, Callable[[_Ends], Term]] = {
    "queue_ends_whole": _queue_beside_request,
    "places_end_first": _place_beside_name(lambda slot: z3.And(_is_place(slot), z3.Not(_is_ledger_place(slot)))),
    "ledger_places_end_last": _place_beside_name(_is_ledger_place),
}
"""Of a switch of the order: some states in which it has an effect, whatever the other switches are (of the ledgers'
places: if places end first).
"""


def _same_order(switches: Sequence[str], unit: CaseProof, second: Profile) -> Term | None:
    """What isn't so in some states in which the profiles end the case's rights in different orders, by the switches."""
    both_first = unit.profile.places_end_first and second.places_end_first
    known = [_EFFECT[switch] for switch in switches if switch in _EFFECT and (both_first or switch != "ledger_places_end_last")]
    if not known or len(unit.after.releases) != 1:
        return None
    e = _Ends(unit.after.releases[0])
    return e.always(z3.Not(known[0](e)))


def _same_form(switches: Sequence[str], unit: CaseProof, outputs: Mapping[str, Term]) -> Term | None:
    """What isn't so in some states in which the profiles write the results differently, by these switches: of port sets
    their number, whether there is one, or the name of the one.
    """
    ports = [term for name, term in outputs.items() if name.partition(".")[2] == "sets_of"]
    if not ports:
        return None
    b, sorts = unit.before, UNBOUNDED
    one, other = z3.Consts("one other", sorts.Name)
    in_one, in_other = b.member(ports[0], one), b.member(ports[0], other)
    if "many_sets" in switches:  # it is in one set, whose name isn't 1
        return z3.ForAll([one], z3.Not(z3.And(in_one, sorts.number_of(one) != 1, z3.ForAll([other], z3.Implies(in_other, other == one)))))
    return z3.ForAll([one, other], z3.Not(z3.And(in_one, in_other, one != other)))


def _has_no_effect(switch: str, unit: CaseProof, second: Profile, assumptions: Sequence[Term]) -> bool:
    """Whether it is proved that the switch has no effect on any release of the case."""
    claim = _no_effect(switch, unit.profile, second)
    if claim is None:
        return False
    goals = [goal for goal in map(claim, unit.after.releases) if not follows_from_nothing(goal)]
    if not goals:
        return True
    proof = Proof(UNBOUNDED, [*UNBOUNDED.background, *assumptions], held_by_any_state(unit.profile))
    with first_effort():
        return all(proof.decide(goal) == z3.unsat for goal in goals)
