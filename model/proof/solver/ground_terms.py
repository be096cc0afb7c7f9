"""The ground terms that come up in formulas: candidates for the variables of assumptions.

Terms are addresses and numbers here (``term_walk.py``), since a proof notes hundreds of thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple, TypeAlias

import z3

from sendright.model.language.sorts import PLACE, Sorts, Term
from sendright.model.language.term_walk import address_of, applications_at, depth_at, number_at, sort_of, term_at

ONE_PART = ("destination_slot", "reply_slot", "kernel_slot", "no_senders_slot", "port_destroyed_slot", "limbo_slot", "host_slot")

Candidate: TypeAlias = tuple[int, int]
"""A term: its number and its address."""


class Matters(NamedTuple):
    """What matters of the applications of one declaration: the sort under which they are noted, what makes them if they
    are slots, whether their two arguments are noted as a pair, and which of their arguments are integers to be noted.
    """

    sort: int | None = None
    slot: str | None = None
    pair: bool = False
    integers: tuple[int, ...] = ()


NOTHING_MATTERS = Matters()


@cache
def _matters_in(sorts: Sorts) -> dict[int, tuple[Matters, object]]:
    """What is known to matter of the applications of declarations, by their addresses, and of constants by those of
    their sorts. The declarations are kept, since z3 reuses the address of one that is gone.
    """
    return {}


class Notes(NamedTuple):
    """What is noted of one application: terms with their sorts, and pairs that index slots and memory."""

    single: tuple[tuple[int, Candidate], ...]
    pairs: tuple[tuple[tuple[int, int], tuple[Candidate, Candidate]], ...]


class Reader:
    """Reads formulas: what is to be noted of each application in them, found once."""

    def __init__(self, sorts: Sorts) -> None:
        S = self.S = sorts.Slot
        self.sorts = sorts
        self.notes: dict[int, Notes | None] = {}
        self.keep: list[object] = []  # numbers and addresses stay valid only while the terms live
        self._matters = _matters_in(sorts)
        self.slot_id = S.get_id()
        self.int_id = z3.IntSort().get_id()
        self.interesting = {sort.get_id() for sort in (sorts.Task, sorts.Port, sorts.Name, sorts.Message, sorts.Object, S, PLACE.sort)}
        self.pair_sorts = {
            "name_slot": (sorts.Task, sorts.Name),
            "place_slot": (sorts.Task, PLACE.sort),
            "body_slot": (sorts.Message, z3.IntSort()),
            "request_slot": (sorts.Task, sorts.Name),
        }

    def new(self, formula: int, seen: set[int]) -> Iterator[Notes]:
        """What is to be noted of the applications in the formula at an address (quantified parts are skipped), except
        those whose addresses are in ``seen``, where these are added.

        The caller keeps the formula, in ``keep`` or as an instance.
        """
        notes = self.notes
        for address, declaration, arguments in applications_at(formula, seen):
            if address not in notes:
                alike = declaration if arguments else sort_of(address)  # of constants nothing but the sort matters
                if alike not in self._matters:
                    self._matters[alike] = self._what_matters(address)
                matters, _ = self._matters[alike]
                notes[address] = None if matters == NOTHING_MATTERS else self._notes(address, arguments, matters)
            if (found := notes[address]) is not None:
                yield found

    def _what_matters(self, address: int) -> tuple[Matters, object]:
        """What matters of all applications of the declaration that is applied at ``address``, and the declaration."""
        declaration = term_at(address).decl()
        sort, arity = declaration.range().get_id(), declaration.arity()
        domain = [declaration.domain(index) for index in range(arity)]
        if sort in self.interesting and declaration.kind() == z3.Z3_OP_ITE:
            return NOTHING_MATTERS, declaration
        free = declaration.kind() == z3.Z3_OP_UNINTERPRETED
        matters = Matters(
            sort=sort if sort in self.interesting else None,
            slot=declaration.name() if sort == self.slot_id else None,
            pair=free and arity == 2 and (domain[1].get_id() == self.int_id or domain[1] == self.sorts.Name),
            integers=tuple(index for index in range(arity) if free and sort != self.slot_id and domain[index].get_id() == self.int_id),
        )
        return matters, declaration

    def _notes(self, address: int, arguments: list[int], matters: Matters) -> Notes:
        term = term_at(address)
        self.keep.append(term)
        single: list[tuple[int, Candidate]] = []
        pairs: list[tuple[tuple[int, int], tuple[Candidate, Candidate]]] = []

        def note(part: Term) -> tuple[int, Candidate]:
            noted = part.sort().get_id(), (number_at(address_of(part)), address_of(part))
            single.append(noted)
            return noted

        def note_pair(first: Term, second: Term) -> None:
            (sort, one), (other_sort, other) = note(first), note(second)
            pairs.append(((sort, other_sort), (one, other)))

        if matters.sort is not None:
            note(term)
        if matters.slot in self.pair_sorts:
            note_pair(term.arg(0), term.arg(1))
        elif matters.slot in ONE_PART:
            note(term.arg(0))
        elif matters.slot is not None:  # a slot of unknown form: whatever it may turn out to be, of those forms that receive rights and messages have
            S = self.S
            of_pairs = [(S.space(term), S.name(term)), (S.holder(term), S.place(term)), (S.carrying(term), S.index(term))]
            alone = [S.destined(term), S.replied(term), S.of(term)]
            self.keep += [of_pairs, alone]
            for first, second in of_pairs:
                note_pair(first, second)
            for part in alone:
                note(part)
        if matters.pair:
            note_pair(term_at(arguments[0]), term_at(arguments[1]))
        for index in matters.integers:
            note(term_at(arguments[index]))
        return Notes(tuple(single), tuple(pairs))


class Terms:
    """The ground terms that have come up, by sort, and the pairs that index slots and memory."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.by_sort: dict[int, dict[int, int]] = {}
        """By sort and number the address."""
        self.pairs: dict[tuple[int, int], dict[tuple[int, int], tuple[Candidate, Candidate]]] = {}
        self._seen: set[int] = set()

    def copy(self) -> Terms:
        """The same terms, to be added to apart."""
        other = Terms(self.reader)
        other.by_sort = {sort: dict(found) for sort, found in self.by_sort.items()}
        other.pairs = {sorts: dict(found) for sorts, found in self.pairs.items()}
        other._seen = set(self._seen)
        return other

    def collect(self, formula: Term) -> None:
        """Note all ground terms of ``formula`` (quantified parts are skipped)."""
        self.reader.keep.append(formula)
        self.collect_at(address_of(formula))

    def collect_at(self, formula: int) -> None:
        """As ``collect``, of the formula at an address, which the caller keeps as long as the reader lives."""
        by_sort, pairs = self.by_sort, self.pairs
        for notes in self.reader.new(formula, self._seen):
            for sort, (number, address) in notes.single:
                by_sort.setdefault(sort, {})[number] = address
            for sorts, pair in notes.pairs:
                pairs.setdefault(sorts, {})[pair[0][0], pair[1][0]] = pair

    def no_deeper_than(self, depth: int) -> Terms:
        """Of these terms those that are nested no deeper, to be instantiated at."""
        other = Terms(self.reader)
        for sort, found in self.by_sort.items():
            other.by_sort[sort] = {number: address for number, address in found.items() if depth_at(address) <= depth}
        for sorts, pairs in self.pairs.items():
            other.pairs[sorts] = {numbers: pair for numbers, pair in pairs.items() if depth_at(pair[0][1]) <= depth and depth_at(pair[1][1]) <= depth}
        return other

    def tuples(self, sorts: tuple[int, ...]) -> Iterator[tuple[Candidate, ...]]:
        """Candidates for bound variables of these sorts."""
        if len(sorts) >= 2 and (sorts[0], sorts[1]) in self.pairs:
            pairs = self.pairs[sorts[0], sorts[1]].values()
            if len(sorts) == 2:
                yield from pairs
                return
            rest = [self.by_sort.get(sort, {}).items() for sort in sorts[2:]]
            for pair in pairs:
                for others in product(*rest):
                    yield (*pair, *others)
        else:
            yield from product(*[self.by_sort.get(sort, {}).items() for sort in sorts])
