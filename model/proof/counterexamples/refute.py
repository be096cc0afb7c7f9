"""Refutation: what could not be proved, over a few tasks, ports, names and messages.

The same formulas over enumerated sorts, with every quantifier written out. There the ghost counts are what they mean:
numbers of slots. A violation found here is a concrete state and call; none found says only that there is none of this
size. ``counterexample.py`` searches, ``concrete.py`` puts what it finds into words and snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import z3

from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.counterexamples import Counterexample
from sendright.model.language.ghosts import Count, Total
from sendright.model.language.sorts import PLACE, Sorts, Term
from sendright.model.language.state import FIELDS, After, State, sort_named
from sendright.model.language.term_walk import Body, has_quantifiers
from sendright.model.proof.counterexamples.small_scope import ReleasesHere, SmallScope

if TYPE_CHECKING:
    from sendright.model.proof.counterexamples.counterexample import Question
    from sendright.model.proof.counterexamples.recorded import Values


class Outcome(msgspec.Struct, frozen=True):
    """What a small scope showed."""

    scope: str
    counterexample: str | None
    """A state, a call and what it breaks, in words; None: nothing found."""
    finished: bool = True
    """False: the solver gave up even in this scope."""
    clause: str = ""
    """The title of the first clause that the counterexample breaks."""
    example: Counterexample | None = None
    """The counterexample for reports."""


def refute(profile: Profile, question: Question, sentence: str = "", recorded: Values | None = None) -> Outcome:
    """Look for the smallest state of a small scope in which the ``question``'s goals don't follow, first for the
    ``recorded`` one. ``sentence`` is the property in its own words.
    """
    from sendright.model.proof.counterexamples.concrete import described
    from sendright.model.proof.counterexamples.counterexample import Nothing, search

    found = search(profile, question, recorded)
    if isinstance(found, Nothing):
        return Outcome(found.scope, None, found.finished)
    example = described(found, sentence)
    return Outcome(str(found.here.scope), in_words(example), clause=example.broken[0] if example.broken else "", example=example)


def in_words(example: Counterexample) -> str:
    """The counterexample in words: what the step changes, what that breaks, and where."""
    if example.second is not None:
        return "\n".join([example.second.sentence, *(f"hidden from it: {one}" for one in example.second.hidden)])
    lines = [str(change) for change in example.changes] or ["nothing changes"]
    lines.append(f"then this is broken: {'; '.join(example.broken) or 'the property'}")
    lines += [f"where {where}" for where in example.where]
    return "\n".join([*lines, *map(str, example.there), *example.also])


def expand(formula: Term, sorts: Sorts) -> Term:
    """``formula`` with every quantifier replaced by its instances over the scope."""
    if z3.is_quantifier(formula):
        domains = [list(sorts.elements(formula.var_sort(index))) for index in range(formula.num_vars())]
        body = Body(formula.body(), len(domains))
        instances = [body.at(values) for values in product(*domains)]
        if has_quantifiers(formula.body()):  # drop impossible instances: a place isn't a name
            instances = [expand(z3.simplify(instance), sorts) for instance in instances]
        return z3.And(*instances) if formula.is_forall() else z3.Or(*instances)
    if z3.is_app(formula) and formula.sort() == z3.BoolSort() and has_quantifiers(formula):
        return formula.decl()(*[expand(child, sorts) for child in formula.children()])
    return formula


def meaning(state: State, sorts: Sorts, after: After | ReleasesHere) -> list[Term]:
    """In a small scope a count is a sum, and every slot, name and number is one of those there are."""
    slots = list(sorts.elements(sorts.Slot))
    facts = [equation for _, equation in sums(state, sorts)]
    for port in sorts.elements(sorts.Port):
        facts.append(z3.Or(*[state.receiver(port) == slot for slot in slots]))
        facts += [number(port) == z3.Sum([z3.If(z3.And(number.so(s), number.port(s) == port), 1, 0) for s in slots]) for number in after.numbers]
    for message in sorts.elements(sorts.Message):
        facts.append(z3.And(state.body_count(message) >= 0, state.body_count(message) <= sorts.scope.descriptors if sorts.scope else 0))
    for layout in sorts.elements(sorts.Layout):
        counts = [sorts.parts_of(layout), sorts.rights_of(layout), sorts.pages_of(layout)]
        facts += [z3.And(count >= 0, count <= 1) for count in counts]
    for release in after.releases:
        facts += [z3.Or(*[release.notified(m) == slot for slot in slots]) for m in sorts.elements(sorts.Message)]
    return facts


def sums(state: State, sorts: Sorts) -> Iterator[tuple[str, Term]]:
    """What each ghost that counts means in ``state``: (its name, an equation), for each port."""
    for name, declaration in FIELDS.items():
        ghost = declaration.ghost
        for port in sorts.elements(sorts.Port) if isinstance(ghost, Count | Total) else ():
            if isinstance(ghost, Count):
                members = sorts.elements(sort_named(sorts, FIELDS[ghost.what].domain[0]))
                terms = [z3.If(z3.And(ghost.member(state, x), ghost.port(state, x) == port), 1, 0) for x in members]
            elif isinstance(ghost, Total):
                others = sorts.elements(sorts.Port)
                terms = [z3.If(state.fields[ghost.by](x) == port, ghost.amount(state, x), 0) for x in others]
            yield name, state.fields[name](port) == z3.Sum(terms)


def nothing_elsewhere(state: State, sorts: Sorts) -> list[Term]:
    """The places of tasks that the scope leaves out hold nothing. (So what is said of all places holds of them.)"""
    left_out = [place for place in PLACE.constants if not any(place.eq(element) for element in sorts.elements(PLACE.sort))]
    slots = [sorts.Slot.place_slot(task, place) for task in sorts.members["Task"] for place in left_out]
    return [z3.And(state.empty(slot), state.port(slot) == sorts.no_port, state.urefs(slot) == 0) for slot in slots]


def nothing_beyond(terms: Iterable[Term], here: SmallScope) -> Iterator[Term]:
    """The state has nothing at numbers that the scope leaves out. (So what is said of all numbers holds of them.)

    ``terms`` are fields of the state at points: what a step reads.
    """
    for term in map(here.term, terms):
        there = [z3.Or(*[part == element for element in here.sorts.elements(part.sort())]) for part in term.children()]
        yield z3.Or(z3.And(*there), term == first_of(term.sort(), here.sorts))


def first_of(sort: z3.SortRef, sorts: Sorts) -> Term:
    """The first value of a sort: nothing, not, 0."""
    return z3.BoolVal(False) if sort == z3.BoolSort() else next(iter(sorts.elements(sort)))


__all__ = ["Outcome", "expand", "first_of", "in_words", "meaning", "nothing_beyond", "nothing_elsewhere", "refute", "sums"]
