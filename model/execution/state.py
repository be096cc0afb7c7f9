"""A concrete state: dictionaries, and indices of what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from sendright.model.execution.candidates import BY_PART, BY_VALUE
from sendright.model.execution.encoding import DEFAULTS, NAME_SLOT, QUEUED, SlotTuple
from sendright.model.language.state import FIELDS

AFTER = "@after"
"""Tags the fields of a second state, in what is said of a step."""


Key = Callable[[Any, Any], Any]


def _value(point: Any, value: Any) -> Any:
    return value


def _indices() -> dict[str, dict[str, Key]]:
    indices: dict[str, dict[str, Key]] = {
        "kind": {"slots of": lambda slot, kind: slot[:2], "slots built by": lambda slot, kind: slot[0]},
        "known_as": {"known by": lambda point, name: (NAME_SLOT, point[0], name)},
    }
    for name in BY_VALUE:
        indices.setdefault(name, {})[f"{name} by value"] = _value
    for name in BY_PART:
        indices.setdefault(name, {}).update({f"{name} by 0": lambda point, value: point[0], f"{name} by 1": lambda point, value: point[1]})
    return indices


INDICES = _indices()
"""Of some fields, the indices, and under which key each has a point with its value."""

EXISTING = {"Slot": "kind", "Port": "port_life", "Message": "stage", "Task": "task_life"}
"""The field that has all of a sort that exist."""

SnapshotPart: TypeAlias = tuple[str, int]
"""A part of a snapshot that is written down as a whole: ("task", number), ("port", number), ("host", 0)."""

Points = Mapping[Any, None]
"""Points in the order in which they were found."""
_NO_POINTS: Points = {}
_FORGOTTEN = {
    sort: tuple(name for name, declaration in FIELDS.items() if declaration.domain == (sort,) and name != life) for sort, life in EXISTING.items()
}
"""The fields of which nothing is kept for something of a sort that has ended."""


class ConcreteState:
    """One concrete state: a dictionary for every field, without entries for what never was.

    What is written by ``write`` is found by the indices, too.
    """

    def __init__(self) -> None:
        self.fields: dict[str, dict[Any, Any]] = {name: {} for name in FIELDS}
        self.indices: dict[str, dict[Any, dict[Any, None]]] = {name: {} for keys in INDICES.values() for name in keys}
        self.shown_in: dict[str, Callable[[Any], Iterable[SnapshotPart]]] = {}
        """Of each field that snapshots show, the parts that show what it says at a point."""
        self.changed_parts: set[SnapshotPart] = set()
        """The parts that show what was written: where a point was shown before, and where it is shown after."""
        self._keys = {name: [(self.indices[index], key) for index, key in INDICES.get(name, {}).items()] for name in FIELDS}

    def __getitem__(self, name: str) -> dict[Any, Any]:
        return self.fields[name]

    def write(self, name: str, writes: dict[Any, Any]) -> None:
        """Change one field at the given points."""
        if not writes:
            return
        field, default, keys, shown_in = self.fields[name], DEFAULTS[name], self._keys[name], self.shown_in.get(name)
        for point, value in writes.items():
            gone = value == default and name != "object_task"
            was = point in field
            if not was if gone else was and field[point] == value:
                continue
            if shown_in:
                self.changed_parts.update(shown_in(point))
            for index, key in keys:
                if was:
                    self._unindex(index, key(point, field[point]), point)
                if not gone:
                    index.setdefault(key(point, value), {})[point] = None
            if gone:
                del field[point]
            else:
                field[point] = value
            if shown_in:
                self.changed_parts.update(shown_in(point))

    @staticmethod
    def _unindex(index: dict[Any, dict[Any, None]], key: Any, point: Any) -> None:
        del index[key][point]
        if not index[key]:
            del index[key]

    def forget(self, sort: str, member: int) -> None:
        """Keep nothing of what has ended but that it did."""
        for name in _FORGOTTEN[sort]:
            if member in self.fields[name]:
                self.write(name, {member: DEFAULTS[name]})

    # ---- looking for points

    def slots_of(self, constructor: int, owner: int) -> Points:
        """The slots of one constructor that belong to a task, message or port, and aren't empty."""
        return self.indices["slots of"].get((constructor, owner), _NO_POINTS)

    def built_by(self, constructor: int) -> Points:
        """All slots of one constructor that aren't empty."""
        return self.indices["slots built by"].get(constructor, _NO_POINTS)

    def by_value(self, name: str, value: Any) -> Points:
        """The points at which a field has a value."""
        if value == DEFAULTS[name]:
            return dict.fromkeys(point for point in self.fields[EXISTING[FIELDS[name].domain[0]]] if point not in self.fields[name])
        return self.indices[f"{name} by value"].get(value, _NO_POINTS)

    def by_part(self, name: str, part: int, value: Any) -> Points:
        """The points of a field of two arguments of which one is given."""
        return self.indices[f"{name} by {part}"].get(value, _NO_POINTS)

    def known_by(self, slot: SlotTuple) -> Points:
        """The task and port that are known by the name of ``slot``."""
        return self.indices["known by"].get(slot, _NO_POINTS)

    def waiting(self, port: int) -> list[int]:
        """The messages queued on ``port``, oldest first."""
        stage, arrival = self.fields["stage"], self.fields["arrival"]
        return sorted((m for m in self.by_value("queue", port) if stage.get(m) == QUEUED), key=lambda m: (arrival.get(m, 0), m))

    def reorder(self, messages: Iterable[int], order: Iterable[int]) -> None:
        """Messages of one queue, oldest first, come in another ``order``."""
        arrival = self.fields["arrival"]
        arrivals = [arrival.get(message, 0) for message in messages]
        self.write("arrival", dict(zip(order, arrivals, strict=True)))


LOOKUPS = ("slots_of", "built_by", "by_value", "by_part", "known_by")
"""The methods of ``ConcreteState`` by which ``Candidates`` finds points."""
