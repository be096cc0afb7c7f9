"""Terms that are made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sendright.model.language.term_walk import number_of

if TYPE_CHECKING:
    from sendright.model.language.sorts import Term


def memoized(make: Callable[..., Term]) -> Callable[..., Any]:
    """``make``, which makes a term from terms and nothing else, with its results kept: it runs once for each point.

    Making a term takes far longer than finding it, and invariants need the same terms again and again.
    """
    known: dict[tuple[int, ...], tuple[tuple[Term, ...], Term]] = {}

    def made(*point: Term) -> Term:
        key = tuple(map(number_of, point))
        found = known.get(key)
        if found is None:
            found = known[key] = point, make(*point)  # keeps the point alive, since z3 reuses the number of a term that is gone
        return found[1]

    return made
