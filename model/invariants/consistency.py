"""Output and step consistency of theorem 4: what a call does in two states that look the same to its caller.

The second state is written in terms of the first: wherever the caller sees a field, it is the first one's. So most of
what has to be equal is the same term, and nothing is left to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import z3

from sendright.model.invariants.sight import ANOTHER, LOOKS, SEEN, Sight, nowhere
from sendright.model.language.invariant import Variables
from sendright.model.language.memo import memoized
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import LIFE, STAGE, Term
from sendright.model.language.state import FIELDS, Add, After, Field, State, Store, Sweep, Tally, Update, sort_named, unknown_state
from sendright.model.language.step_property import forall
from sendright.model.language.term_walk import address_of, declarations_in, has_quantifiers
from sendright.model.language.transition import Transition

APPLIES, RESULTS, DEATHS, SIGHT = "whether it applies", "its results", "which of its own ports die", "what the caller sees after it"
"""What is compared of each case."""
OTHER = "_other"
"""What the names of the second state's fields end with."""
ORDER_ONLY = ("arrival", "due_at")
"""What is seen of these is only how they compare: step invariant 20 says that a new message comes last in its queue."""
HIDDEN = frozenset(name for name, seen in SEEN.items() if seen is nowhere)
"""What no caller sees at any point."""


class Twins:
    """Two states of one rule that look the same to its caller, ``k.before`` and ``other``.

    ``apart``, if given, are fields of which nothing is known in the second state. All others are as in the first. It
    looks the same if ``looks_alike`` holds.
    """

    def __init__(self, k: Context, v: Variables, apart: frozenset[str] | None = None) -> None:
        self.k, self.v = k, v
        self.cases = list(k.rule.cases(k))
        self.sight = Sight(v, Transition(k, self.cases[0], After(k.before, k.profile)))
        self.seen = {name: memoized(seen(self.sight)) for name, seen in SEEN.items()}
        self.open: dict[int, Term] = {}
        """The conditions under which the second state is the first one, where that isn't plain."""
        self.raw = unknown_state(v.sorts, OTHER)
        raw = {name: field(*self.point(name)) for name, field in self.raw.fields.items()}
        self._declared = {address_of(term.decl()): name for name, term in raw.items()}
        known = FIELDS.keys() - (apart or ())
        fields = {name: self._where_seen_the_same(name) if apart is None else k.before.fields[name] for name in known}
        self.other = State(v.sorts, {**self.raw.fields, **fields})
        self.k_other = Context(k.rule, self.other, k.profile)
        self.cases_other = list(k.rule.cases(self.k_other))
        there = Sight(v, Transition(self.k_other, self.cases_other[0], After(self.other, k.profile)))
        self._seen_there = {name: seen(there) for name, seen in SEEN.items()}
        self.there = there
        self.alike: dict[str, Term] = {}

    def _where_seen_the_same(self, name: str) -> Field:
        """The field of the second state: the first one's, wherever the caller sees it there."""
        here, raw = self.k.before.fields[name], self.raw.fields[name]
        if name not in SEEN or SEEN[name] is nowhere:
            return raw

        def read(*point: Term) -> Term:
            sees = self.condition(name, *point)
            if z3.is_true(sees):
                return here(*point)
            if z3.is_false(sees):
                return raw(*point)
            self.open[address_of(sees)] = sees
            return z3.If(sees, here(*point), raw(*point))

        return Field(name, memoized(read))

    def condition(self, name: str, *point: Term) -> Term:
        """That the caller sees the field at the point, simplified."""
        return z3.simplify(self.seen[name](*point))

    def point(self, name: str) -> list[Term]:
        """Variables for a point of the field."""
        return [z3.Const(f"x{index}", sort_named(self.v.sorts, part)) for index, part in enumerate(FIELDS[name].domain)]

    def assumptions(self, *terms: Term) -> list[Term]:
        """That the states look the same also where the caller sees something in the second, as far as ``terms`` read
        that.
        """
        read = self.fields_in(terms) & SEEN.keys() - HIDDEN
        if read:
            read |= set(LOOKS)
        for name in read - self.alike.keys():
            point = self.point(name)
            same = self.other.fields[name](*point) == self.k.before.fields[name](*point)
            self.alike[name] = forall(point, z3.Implies(self._seen_there[name](*point), same))
        return [self.alike[name] for name in SEEN if name in read]

    def looks_alike(self) -> list[Term]:
        """Wherever the caller sees a field in one of them, whatever the other name is, both have the same there."""
        found, another = [], z3.Const(ANOTHER, self.v.sorts.Name)
        for name in SEEN:
            if name in HIDDEN or self.other.fields[name] is self.k.before.fields[name]:
                continue
            point = self.point(name)
            same = self.other.fields[name](*point) == self.k.before.fields[name](*point)
            found.append(forall([*point, another], z3.Implies(z3.Or(self.seen[name](*point), self._seen_there[name](*point)), same)))
        return found

    def fields_in(self, terms: Iterable[Term]) -> set[str]:
        """The fields of the second state that ``terms`` read where they may differ from the first's."""
        looked_at: set[int] = set()
        found = {declaration for term in terms for declaration in declarations_in(term, looked_at)}
        return {name for declaration, name in self._declared.items() if declaration in found}

    def comes_into_sight(self, name: str, after: After, notified: bool, point: Term) -> Term:
        """The point is of something that the kernel makes in this step for the caller: a message, a port, a child; or,
        if the update comes after they are made (``notified``), of a notification on a port that the caller receives
        from, of a right that the caller sees.
        """
        sort = FIELDS[name].domain[0]
        message = self.v.sorts.message_of(point) if sort == "Slot" else point
        told = self._notifies(message, after) if notified and sort in ("Slot", "Message") else z3.BoolVal(False)
        if sort == "Slot":
            told = z3.And(self.v.sorts.Slot.is_destination_slot(point), told)
            return z3.And(self.v.sorts.in_message(point), z3.Or(self._made("Message", message, after), told))
        return z3.Or(self._made(sort, point, after), told) if sort in _LIVES else z3.BoolVal(False)

    def _made(self, sort: str, one: Term, after: After) -> Term:
        """The rule itself makes it. (What a release makes are notifications.)"""
        field, none = _LIVES[sort]
        new = z3.And(self.k.before.fields[field](one) == none, after.fields[field](one) != none)
        released = [each.created(one) for each in after.releases] if sort == "Message" else []
        return z3.And(z3.Or(*[one == each for each in self.sight.t.named(sort)]), new, z3.Not(z3.Or(*released)))

    def _notifies(self, message: Term, after: After) -> Term:
        """A release makes the message of a right that the caller sees, for a port that it receives from."""
        told = []
        for each in after.releases:
            source = each.notified(message)
            told.append(z3.And(each.created(message), self.seen["kind"](source), self.sight.received(each.base.port(source))))
        return z3.Or(*told)


_LIVES = {"Message": ("stage", STAGE.FREE), "Port": ("port_life", LIFE.UNBORN), "Task": ("task_life", LIFE.UNBORN)}
"""Of what a step can make: the field that says whether it is there, and its value before."""


_OF_NOTIFICATIONS = ("notifications", "notification destinations")
"""The sweeps that write what a release's notifications are."""


class Goal(NamedTuple):
    """What has to follow in one case of a rule."""

    name: str
    guard: list[Term]
    """That the case applies to the first state, and what the kernel chooses in both."""
    claims: list[Term]
    pair: Pair


class Pair(NamedTuple):
    """One case of a rule in two states that look the same to its caller."""

    case: Case
    again: Case
    after: After
    after_again: After


def consistency(twins: Twins) -> Iterator[Goal]:
    """Output consistency and step consistency of one rule, case by case. Claims that are plainly true are left out."""
    earlier: list[Term] = []
    for index in range(len(twins.cases)):
        case, again, after, after_again = pair = _pair(twins, index)
        guard = [*earlier, case.when, *after.assumptions]
        told = [_equal(value, again.outputs[name]) for name, value in case.outputs.items()]
        for what, assumed, claims in (
            (APPLIES, [*earlier, *after.assumptions], list(_pointwise(case.when, again.when))),
            (RESULTS, guard, told),
            (DEATHS, guard, list(the_same_die(twins, after, after_again))),
            (SIGHT, [*guard, *after_again.assumptions, *_others_rescued(twins, pair)], list(_does_the_same(twins, after, after_again))),
        ):
            if claims := [claim for claim in claims if not z3.is_true(claim)]:
                yield Goal(f"{case.id}: {what}", assumed, claims, pair)
        earlier.append(z3.Not(case.when))


def the_same_die(twins: Twins, after: After, again: After) -> Iterator[Term]:
    """The same ports die in both, of those that the caller receives from. (Of others it is assumed: which of these die
    is the channel "death".)
    """
    port = z3.Const("port", twins.v.sorts.Port)
    for one, other in zip(after.releases, again.releases, strict=True):
        yield forall([port], z3.Implies(twins.sight.received(port), one.has_to_die(port) == other.has_to_die(port)))


def _others_rescued(twins: Twins, pair: Pair) -> Iterator[Term]:
    """The same ports are rescued in both, of those that the caller doesn't receive from: the channel "death"."""
    port = z3.Const("port", twins.v.sorts.Port)
    for one, other in zip(pair.after.releases, pair.after_again.releases, strict=True):
        same = one.goes_to_limbo(port) == other.goes_to_limbo(port)
        yield forall([port], z3.Or(twins.sight.received(port), same))


def in_two_states(twins: Twins, index: int) -> tuple[Pair, list[Term], list[Term]]:
    """The case of this number in both states; when it applies to the first one, and when to the second."""
    pair = _pair(twins, index)
    here, there = (applies(cases, index) for cases in (twins.cases, twins.cases_other))
    return pair, [*here, *pair.after.assumptions], [*there, *pair.after_again.assumptions, *_others_rescued(twins, pair)]


def applies(cases: Sequence[Case], index: int) -> list[Term]:
    """When the case of this number applies: it does, and none before it."""
    *earlier, when = [case.when for case in cases[: index + 1]]
    return [*map(z3.Not, earlier), when]


def _pair(twins: Twins, index: int) -> Pair:
    case, again = twins.cases[index], twins.cases_other[index]
    after, after_again = After(twins.k.before, twins.k.profile), After(twins.other, twins.k.profile)
    case.effect(after)
    with the_same_choices(after):
        again.effect(after_again)
    return Pair(case, again, after, after_again)


def looks_the_same_after(twins: Twins, pair: Pair) -> Iterator[tuple[str, Term]]:
    """What step consistency means: of each field that the case changes, that the caller sees the same of it after the
    two runs. ``consistency`` shows it update by update.
    """
    for name in SEEN:
        if name in HIDDEN or name in ORDER_ONLY or not (pair.after.changed(name) or pair.after_again.changed(name)):
            continue
        point = twins.point(name)
        new = [twins.comes_into_sight(name, pair.after, True, point[0])] if point else []
        seen = z3.Or(twins.seen[name](*point), *new)
        same = z3.Implies(seen, pair.after.fields[name](*point) == pair.after_again.fields[name](*point))
        yield name, forall(point, same) if point else same


def _does_the_same(twins: Twins, after: After, again: After) -> Iterator[Term]:
    """The two runs update each field that the caller sees alike: at the same points, and where it sees them, with the
    same values. So what looked the same before looks the same after.
    """
    claims: dict[int, Term] = {}
    for name, looks in twins.seen.items():
        if name in ORDER_ONLY or SEEN[name] is nowhere:
            continue
        updates = list(zip(after.fields[name].updates, again.fields[name].updates, strict=True))
        notified = next((index for index, (one, _) in enumerate(updates) if isinstance(one, Sweep) and one.over in _OF_NOTIFICATIONS), 0)
        for index, (one, other) in enumerate(updates):
            new = partial(twins.comes_into_sight, name, after, index >= notified)
            for claim in _alike(looks, new, one, other):
                if not z3.is_true(claim):
                    claims[claim.get_id()] = claim
    yield from claims.values()


def _pointwise(one: Term, other: Term) -> Iterator[Term]:
    """That two conditions of one form are equal: where both say "some …" or "all …", that they say the same of each."""
    if one.eq(other):
        return
    if not has_quantifiers(one):
        yield one == other
    elif z3.is_quantifier(one):
        variables = [z3.Const(f"{one.var_name(index)}!each", one.var_sort(index)) for index in range(one.num_vars())]
        mine, theirs = (z3.substitute_vars(each.body(), *reversed(variables)) for each in (one, other))
        yield from (forall(variables, claim) for claim in _pointwise(mine, theirs))
    else:
        plain = [part for part in one.children() if z3.is_and(one) and not has_quantifiers(part)]
        for mine, theirs in zip(one.children(), other.children(), strict=True):
            for claim in _pointwise(mine, theirs):
                yield _where(plain, claim) if has_quantifiers(mine) else claim


def _where(plain: list[Term], claim: Term) -> Term:
    """The claim where the other parts of a conjunction hold: elsewhere it makes no difference."""
    if not z3.is_quantifier(claim):
        return z3.Implies(z3.And(*plain), claim)
    variables = [z3.Const(f"{claim.var_name(index)}!where", claim.var_sort(index)) for index in range(claim.num_vars())]
    return forall(variables, z3.Implies(z3.And(*plain), z3.substitute_vars(claim.body(), *reversed(variables))))


def _equal(one: Term, other: Term) -> Term:
    return z3.BoolVal(True) if one.eq(other) else one == other


def _alike(looks: Callable[..., Term], new: Callable[[Term], Term], one: Update, other: Update) -> Iterator[Term]:
    """That two updates of a field are alike where the caller ``looks``, and at what is ``new`` to it."""
    if isinstance(one, Tally):
        return  # the number of rights that are given up is the kernel's choice here: the channel "rights"
    if isinstance(one, Sweep) and isinstance(other, Sweep):
        again = [(theirs, mine) for theirs, mine in zip(other.variables, one.variables, strict=True)]
        condition, value = (z3.substitute(term, *again) for term in (other.condition, other.value))
        same = z3.And(_equal(one.condition, condition), z3.Implies(one.condition, _equal(one.value, value)))
        if not (one.condition.eq(condition) and one.value.eq(value)):
            for seen in (looks(*one.variables), new(one.variables[0])):
                yield forall(list(one.variables), z3.Implies(seen, same))
        return
    assert not isinstance(one, Sweep)
    assert not isinstance(other, Sweep | Tally)
    yield from (_equal(mine, theirs) for mine, theirs in zip(one.point, other.point, strict=True))
    same = z3.And(*[_equal(mine, theirs) for mine, theirs in zip(_put(one), _put(other), strict=True)])
    if not z3.is_true(z3.simplify(same)):
        yield z3.Implies(looks(*one.point), same)
        if one.point:
            yield z3.Implies(new(one.point[0]), same)


def _put(update: Store | Add) -> list[Term]:
    """What an update puts at its point, and when."""
    if isinstance(update, Add):
        return [update.amount]
    return [z3.BoolVal(True) if update.when is None else update.when, update.value]
