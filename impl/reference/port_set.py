"""Port sets: groups of receive rights in one space, from which a task receives as from one port.

A set is a name, and its members are names. Sets end with their space, and a receive right that leaves the space leaves
its sets.
"""

from __future__ import annotations


class PortSets:
    """The members of a space's port sets. An empty set isn't recorded here: the entry of its name says that it is a
    set.
    """

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[int, set[int]] = {}

    def members(self, pset: int) -> list[int]:
        """The names of the set's receive rights, ascending."""
        return sorted(self._members.get(pset, ()))

    def sets_with(self, member: int) -> list[int]:
        """The sets that the receive right is in."""
        return [pset for pset, members in self._members.items() if member in members]

    def insert(self, member: int, pset: int) -> None:
        """Add the receive right to the set; it stays in its other sets."""
        self._members.setdefault(pset, set()).add(member)

    def extract(self, member: int, pset: int) -> None:
        """Take the member out of the set."""
        members = self._members[pset]
        members.remove(member)
        if not members:
            del self._members[pset]

    def extract_from_all(self, member: int) -> None:
        """Take the receive right out of all sets that it is in, if any."""
        for pset in self.sets_with(member):
            self.extract(member, pset)

    def forget(self, name: int) -> None:
        """Remove a name, of a set or of a member."""
        self._members.pop(name, None)
        self.extract_from_all(name)

    def rename(self, old: int, new: int) -> None:
        """Change a name, of a set or of a member."""
        if old in self._members:
            self._members[new] = self._members.pop(old)
        for pset in self.sets_with(old):
            self._members[pset].remove(old)
            self._members[pset].add(new)

    def show(self) -> dict[int, tuple[int, ...]]:
        """All sets that have members, as a snapshot has them."""
        return {pset: tuple(sorted(members)) for pset, members in self._members.items()}
