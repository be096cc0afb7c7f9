"""Snapshots that share their unchanged parts: a part that hasn't changed is the same object in the next snapshot.

So the changes between two snapshots are found without comparing everything, however large the system is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from itertools import compress
from operator import is_not
from typing import Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


class Parts(dict[int, V], Generic[V]):
    """Parts by number. Those from ``updated_parts`` know their predecessor, and which parts are new objects since
    then."""

    __slots__ = ("__weakref__", "changed", "earlier")

    changed: Collection[int]
    earlier: weakref.ref[Parts[V]]

    def __reduce__(self) -> tuple[type[Parts[V]], tuple[dict[int, V]]]:
        return type(self), (dict(self),)  # in another process it has no predecessor


def updated_parts(earlier: Parts[V], changed: Collection[int], show: Callable[[int], V | None]) -> Parts[V]:
    """A copy of ``earlier`` in which ``show`` gives each ``changed`` part; if it gives None, the part is gone."""
    if not changed:
        return earlier
    later: Parts[V] = Parts(earlier)
    later.earlier, later.changed = weakref.ref(earlier), tuple(sorted(changed))
    for number in later.changed:
        shown = show(number)
        if shown is None:
            later.pop(number, None)
        else:
            later[number] = shown
    return later


def changed_keys(before: Mapping[K, object], after: Mapping[K, object]) -> Collection[K]:
    """The keys whose values may be different objects in ``before`` and ``after``. (These may still be equal.)"""
    if before is after:
        return ()
    if isinstance(after, Parts) and hasattr(after, "earlier") and after.earlier() is before:
        return cast(Collection[K], after.changed)
    found = list(compress(after, map(is_not, map(before.get, after), after.values())))
    if len(before) - len(after) + sum(key not in before for key in found):
        found += before.keys() - after.keys()
    return found
