"""Parts of snapshots that are kept from one snapshot to the next: a part that hasn't changed is shown as the same object again.

So what has changed between two snapshots is found without a look at everything, however large a system is.
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
    """Parts by number. Those that ``updated_parts`` made know what they were made from, and which of them are other objects than there."""

    __slots__ = ("__weakref__", "changed", "earlier")

    changed: Collection[int]
    earlier: weakref.ref[Parts[V]]


def updated_parts(earlier: Parts[V], changed: Collection[int], show: Callable[[int], V | None]) -> Parts[V]:
    """``earlier``, with the parts that have changed shown anew, in new parts: those of before stay as they are. None: the part is gone."""
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
    """The keys under which the two may not have the very same object: what is there may yet be equal."""
    if before is after:
        return ()
    if isinstance(after, Parts) and hasattr(after, "earlier") and after.earlier() is before:
        return cast(Collection[K], after.changed)
    found = list(compress(after, map(is_not, map(before.get, after), after.values())))
    if len(before) - len(after) + sum(key not in before for key in found):
        found += before.keys() - after.keys()
    return found
