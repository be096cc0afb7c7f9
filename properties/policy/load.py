"""Reads a policy from a TOML file (docs/policies.md).

The whole file is checked before anything is proved, and each error names the file and the place in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from sendright.mach.files import CantRead, read_regular
from sendright.mach.suggestions import perhaps_meant
from sendright.model.policy.policy import NEVER_FOR_ANY_TASK, OF_RIGHTS, ROLES, Authority, Edge, Policy, Where, complete

FORMAT = "sendright-policy/1"
LARGEST_FILE = 1 << 20
MOST_LABELS = 24
MOST_GROUPS = 100
MOST_ENTRIES = 500
LONGEST_NAME = 60
ANY_TASK = "any task"
"""In ``[boot]``: any task may have rights to these ports."""

_TABLES = {"allow": Where.HOLDS, "keep": Where.KEEPS, "carry": Where.CARRIES}
_TABLE_OF = {where.value: table for table, where in _TABLES.items()}
_TOP = ("format", "title", "trusted", "labels", "groups", "boot", "children", "ports", "tasks", "user_ports", *_TABLES)
_FIRST, _OTHERS = "first task", "other tasks"


class BadPolicy(ValueError):
    """The file is not a policy. The message is one line: the file, the place in it, what is wrong and what to do."""

    def __init__(self, path: Path, place: str, what: str) -> None:
        name = str(path).encode("ascii", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
        super().__init__(f"{name}: {f'{place}: ' if place else ''}{what}")


def load_policy(path: Path | str) -> Policy:
    """The policy in the file at ``path``, with all defaults written out. Raises BadPolicy for everything that can be
    wrong with the file.
    """
    path = Path(path)
    try:
        text = read_regular(path, LARGEST_FILE).decode()
    except CantRead as error:
        raise BadPolicy(path, "", str(error)) from None
    except UnicodeDecodeError as error:
        raise BadPolicy(path, "", f"not UTF-8 (byte {error.object[error.start]:#04x} at position {error.start}): save it as UTF-8") from None
    return parse_policy(text, path)


def parse_policy(text: str, path: Path) -> Policy:
    """The policy in ``text``, which is from the file at ``path``. Raises BadPolicy."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(path, "", f"not TOML: {' '.join(str(error).split())} (a policy is a TOML file: docs/policies.md)") from None
    except RecursionError:
        raise BadPolicy(path, "", "not TOML that can be read: nested too deeply") from None
    return _Reader(path, data).policy()


class _Reader:
    """Reads one file's data."""

    def __init__(self, path: Path, data: Mapping[str, Any]) -> None:
        self.path, self.data = path, data
        self.labels: tuple[str, ...] = ()
        self.groups: dict[str, tuple[str, ...]] = {}

    def policy(self) -> Policy:
        for key in self.data:
            if key not in _TOP:
                self._refuse(key, f"unknown key{_near(key, _TOP)} (known: {', '.join(_TOP)})")
        if self.data.get("format") != FORMAT:
            written = f"is {self.data['format']!r}" if "format" in self.data else "is missing"
            self._refuse("format", f"{written}: write format = {FORMAT!r}")
        self.labels = self._labels()
        self.groups = self._groups()
        roles, first, others = self._boot()
        edges = {where: self._edges(table) for table, where in _TABLES.items()}
        policy = Policy(
            title=self._text(self.data.get("title", self.path.stem), "title"),
            labels=self.labels,
            trusted=frozenset(self._some(self.data.get("trusted", []), "trusted", empty=True)),
            first_task=first,
            other_tasks=others,
            roles=roles,
            children=self._choices("children"),
            ports=self._choices("ports"),
            edges=frozenset(edge for found in edges.values() for edge in found),
            named_tasks=self._numbered("tasks"),
            named_ports=self._numbered("user_ports"),
        )
        self._all_used(policy)
        kept, carried = (frozenset(edge.who for edge in edges[where]) | self._emptied(table) for table, where in list(_TABLES.items())[1:])
        return complete(policy, kept, carried)

    def _refuse(self, place: str, what: str) -> NoReturn:
        raise BadPolicy(self.path, place, what)

    # ---- labels and groups

    def _labels(self) -> tuple[str, ...]:
        table = self._table("labels")
        if not table:
            self._refuse("labels", "a policy needs labels: write [labels], and a line for each label that says what it is for")
        if len(table) > MOST_LABELS:
            self._refuse("labels", f"{len(table)} labels are too many (at most {MOST_LABELS}: give one label to all that may do the same)")
        for label, about in table.items():
            self._name(label, f"labels.{label}")
            self._text(about, f"labels.{label}")
        return tuple(table)

    def _groups(self) -> dict[str, tuple[str, ...]]:
        table = self._table("groups")
        if len(table) > MOST_GROUPS:
            self._refuse("groups", f"{len(table)} groups are too many (at most {MOST_GROUPS}: leave out those that nothing names)")
        for group, members in table.items():
            self._name(group, f"groups.{group}")
            if group in self.labels:
                self._refuse(f"groups.{group}", "is a label too: give the group another name")
            if not isinstance(members, list) or not members:
                self._refuse(f"groups.{group}", "isn't a list of labels and groups")
            for member in members:
                if not isinstance(member, str) or (member not in self.labels and member not in table):
                    self._unknown(member, f"groups.{group}", [*self.labels, *table])
        found: dict[str, tuple[str, ...]] = {}

        def members_of(group: str, above: tuple[str, ...]) -> tuple[str, ...]:
            if group in above:
                self._refuse(f"groups.{above[0]}", f"a group contains itself: {' > '.join([*above, group])} (take one of them out)")
            if group not in found:
                parts = [(part,) if part in self.labels else members_of(part, (*above, group)) for part in table[group]]
                found[group] = tuple(dict.fromkeys(label for part in parts for label in part))
            return found[group]

        for group in table:
            members_of(group, ())
        return found

    def _unknown(self, label: object, place: str, known: Iterable[str]) -> NoReturn:
        if not isinstance(label, str):
            self._refuse(place, f"{label!r} is not the name of a label (write it as a string)")
        self._refuse(place, f"unknown label {label!r}{_near(label, known)} (known: {', '.join(known)})")

    def _one(self, label: object, place: str) -> str:
        if not isinstance(label, str) or label not in self.labels:
            self._unknown(label, place, self.labels)
        return label

    def _some(self, value: object, place: str, empty: bool = False) -> tuple[str, ...]:
        """The labels that ``value`` names: a label, a group, or a list of them."""
        given = value if isinstance(value, list) else [value]
        if not given and not empty:
            self._refuse(place, "names no label")
        found: list[str] = []
        for each in given:
            if isinstance(each, str) and each in self.groups:
                found += self.groups[each]
            else:
                if not isinstance(each, str) or each not in self.labels:
                    self._unknown(each, place, [*self.labels, *self.groups])
                found.append(each)
        if len({*map(str, given)}) != len(given):
            self._refuse(place, "names a label twice: leave one out")
        return tuple(dict.fromkeys(found))

    # ---- what has which label

    def _boot(self) -> tuple[dict[str, str | None], str, str | None]:
        table = self._table("boot")
        known = [_FIRST, _OTHERS, *ROLES]
        for key in table:
            if key not in known:
                self._refuse(f"boot.{key}", f"unknown{_near(key, known)} (known: {', '.join(known)})")
        for key in (_FIRST, *ROLES):
            if key not in table:
                self._refuse("boot", f"{key!r} has no label: write {key!r} = a label{'' if key == _FIRST else f', or {ANY_TASK!r}'}")
        roles: dict[str, str | None] = {}
        for role, object_ in ROLES.items():
            if table[role] == ANY_TASK:
                if object_ in NEVER_FOR_ANY_TASK:
                    self._refuse(f"boot.{role}", f"a policy that lets {ANY_TASK!r} have the {role} keeps nothing apart: give it a label")
                roles[role] = None
            else:
                roles[role] = self._one(table[role], f"boot.{role}")
        return roles, self._one(table[_FIRST], f"boot.{_FIRST}"), self._one(table[_OTHERS], f"boot.{_OTHERS}") if _OTHERS in table else None

    def _choices(self, name: str) -> dict[str, tuple[str, ...]]:
        """For each label those of what its tasks make; its own, unless the file says otherwise."""
        found: dict[str, tuple[str, ...]] = {label: (label,) for label in self.labels}
        given: dict[str, str] = {}
        for key, value in self._table(name).items():
            for label in self._some(key, f"{name}.{key}"):
                if label in given:
                    self._refuse(f"{name}.{key}", f"{label!r} is given twice, by {given[label]!r} too: leave one out")
                given[label] = key
                found[label] = self._some(value, f"{name}.{key}")
        return found

    def _numbered(self, name: str) -> dict[int, str]:
        found: dict[int, str] = {}
        for key, value in self._table(name).items():
            if not (key.isascii() and key.isdecimal() and len(key) < 10):
                self._refuse(f"{name}.{key}", "isn't a number (write the number that a trace gives it)")
            if int(key) in found:
                self._refuse(f"{name}.{key}", f"{int(key)} is given twice: leave one out")
            found[int(key)] = self._one(value, f"{name}.{key}")
        return found

    def _all_used(self, policy: Policy) -> None:
        used = {*policy.of_tasks, *policy.of_ports, *filter(None, policy.roles.values())}
        for label in self.labels:
            if label not in used:
                self._refuse(f"labels.{label}", "nothing has this label: name it in [boot], [children] or [ports], or leave it out")
        carriers = {*policy.of_ports, policy.roles["privileged host port"]}
        for edge in sorted(policy.edges):
            if edge.where == Where.CARRIES.value and edge.who not in carriers:
                self._refuse("carry", f"{edge}: {edge.who!r} isn't the label of a user's port or of the privileged host port (leave this out)")
            if edge.where != Where.CARRIES.value and edge.who not in policy.of_tasks:
                self._refuse(_TABLE_OF[edge.where], f"{edge}: {edge.who!r} isn't the label of a task, and only tasks have rights (leave this out)")
        for label in sorted(policy.trusted - set(policy.of_tasks)):
            self._refuse("trusted", f"{label!r} isn't the label of a task, and only tasks can be trusted (leave it out)")

    # ---- what is allowed

    def _edges(self, table: str) -> set[Edge]:
        entries = self.data.get(table, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self._refuse(table, f"isn't a list of tables: write [[{table}]]")
        if len(entries) > MOST_ENTRIES:
            self._refuse(table, f"{len(entries)} entries are too many (at most {MOST_ENTRIES}: put labels into groups)")
        found: dict[Edge, int] = {}
        for number, entry in enumerate(entries, 1):
            for edge in self._edges_of(entry, table, f"{table} entry {number}"):
                if edge in found:
                    self._refuse(f"{table} entry {number}", f"{edge} is in entry {found[edge]} too: leave one out")
                found[edge] = number
        return set(found)

    def _edges_of(self, entry: Mapping[str, Any], table: str, place: str) -> Iterator[Edge]:
        keys = ("who", "may", "to", "why")
        for key in entry:
            if key not in keys:
                self._refuse(f"{place}.{key}", f"unknown key{_near(key, keys)} (known: {', '.join(keys)})")
        for key in ("who", "may", "to"):
            if key not in entry:
                self._refuse(place, f"{key!r} is missing")
        self._text(entry.get("why", ""), f"{place}.why")
        who = self._some(entry["who"], f"{place}.who")
        to = self._some(entry["to"], f"{place}.to", empty=True)
        may = self._may(entry["may"], table, f"{place}.may")
        if bool(may) != bool(to):
            self._refuse(place, f"{'to' if may else 'may'!r} is not empty: leave both empty, or none")
        for one in who:
            for authority in may:
                yield from (Edge(_TABLES[table].value, one, authority, other) for other in to)

    def _may(self, value: object, table: str, place: str) -> list[str]:
        known = [authority.value for authority in (Authority if table == "allow" else OF_RIGHTS)]
        given: list[Any] = value if isinstance(value, list) else [value]
        for each in given:
            if not isinstance(each, str) or each not in known:
                self._refuse(place, f"unknown authority {each!r}{_near(each, known)} (known here: {', '.join(known)})")
        if len(set(given)) != len(given):
            self._refuse(place, "names an authority twice: leave one out")
        return [str(each) for each in given]

    def _emptied(self, table: str) -> frozenset[str]:
        """The labels of which the file says that nothing lies there: ``may`` and ``to`` are empty."""
        entries = [entry for entry in self.data.get(table, []) if not entry.get("may")]
        return frozenset(label for entry in entries for label in self._some(entry["who"], table))

    # ---- forms

    def _table(self, name: str) -> dict[str, Any]:
        table = self.data.get(name, {})
        if not isinstance(table, dict):
            self._refuse(name, f"isn't a table: write [{name}]")
        return table

    def _text(self, value: object, place: str) -> str:
        if not isinstance(value, str):
            self._refuse(place, "isn't text in quotes")
        return value

    def _name(self, name: str, place: str) -> None:
        plain = name.strip() and name.isprintable() and not {'"', "\\"} & set(name)
        if not plain or len(name) > LONGEST_NAME or name == ANY_TASK:
            self._refuse(place, f"can't be a name (1 to {LONGEST_NAME} printable characters, no quotes or backslashes, and not {ANY_TASK!r})")


def _near(word: object, known: Iterable[str]) -> str:
    return perhaps_meant(repr(str(word)), map(repr, known))
