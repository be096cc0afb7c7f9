"""Failing runs of earlier checks, kept in Hypothesis's example database, so that the next check tries them first.

Hypothesis keeps the choices from which an example was drawn. Those of a run say nothing after it was minimized, since
sendright minimizes the calls and not the choices, and they mean other calls in another version. So the calls themselves
are kept, in the same database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from hypothesis.database import ExampleDatabase

from sendright.mach.abi.descriptors import is_array, is_memory
from sendright.mach.json_text import read_json
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.mach.state.trace import LIMITS, Trace
from sendright.properties.runs.answer_form import is_number

KnownRun = Sequence[tuple[int, Call]]
MOST = 50
"""At most so many runs are tried, the shortest first."""
_LARGEST = 1 << 20
"""A larger entry, in bytes, isn't read."""
_FORM = "sendright-run/1"


class EarlierFailures:
    """The failing runs of one kernel and profile in a database; None: there is no database, and nothing is kept."""

    def __init__(self, database: ExampleDatabase | None, kernel: str, profile: Profile) -> None:
        """``kernel`` names the kernel among others: the same name in each check of it."""
        limits = ",".join(str(getattr(profile, limit)) for limit in LIMITS)
        self._database = database
        self._key = f"{_FORM}:{kernel}:{profile.name}:{limits}".encode("utf-8", "backslashreplace")
        self._entries: dict[bytes, list[tuple[int, Call]]] = {}
        if database is not None:
            read = {entry: calls for entry in database.fetch(self._key) if (calls := _calls(entry, profile)) is not None}
            self._entries = dict(sorted(read.items(), key=lambda each: (len(each[1]), each[0]))[:MOST])

    @property
    def runs(self) -> list[KnownRun]:
        """The runs, the shortest first."""
        return list(self._entries.values())

    def replace(self, tried: int, failing: Iterable[Trace]) -> None:
        """After a check that tried the first ``tried`` of ``runs``: keep what fails now, and forget the runs that were
        tried and aren't among that."""
        if self._database is None:
            return
        kept = {_entry(trace) for trace in failing if trace.steps}
        for entry in kept:
            self._database.save(self._key, entry)
        for entry in list(self._entries)[:tried]:
            if entry not in kept:
                self._database.delete(self._key, entry)


def _entry(trace: Trace) -> bytes:
    return msgspec.json.encode([(step.task, step.made) for step in trace.steps])


def _calls(entry: bytes, profile: Profile) -> list[tuple[int, Call]] | None:
    """The run in an entry of the database. None if it can't be one: it may be another version's, or damaged."""
    if len(entry) > _LARGEST:
        return None
    try:
        run = read_json(entry, list[tuple[int, Call]])
    except msgspec.DecodeError:
        return None
    calls = [
        (task, Call(call.name, {name: _tupled(value) for name, value in call.arguments.items()}, call.shortage, call.stop, call.resume))
        for task, call in run
    ]
    return calls if all(_has_form(call, profile) for _, call in calls) else None


def _tupled(value: Any) -> Any:
    """``value`` with its arrays as tuples, as the vocabulary has them (JSON has lists)."""
    return tuple([_tupled(part) for part in value]) if isinstance(value, list) else value


def _has_form(call: Call, profile: Profile) -> bool:
    """Whether the signature table has ``call``, with these arguments, each of its type."""
    signature = SIGNATURES.get(call.name)
    if signature is None:
        return False
    if call.resume:
        return not call.arguments
    taken = {argument.name: argument.type for argument in signature.arguments if profile.takes(call.name, argument.name)}
    every = {argument.name: argument.type for argument in signature.arguments}
    if not (taken.keys() <= call.arguments.keys() <= every.keys()):
        return False
    return all(_FORMS.get(every[name], _is_plain)(value) for name, value in call.arguments.items())


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool) or is_number(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_number, value))


def _are_descriptors(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_descriptor, value))


def _is_descriptor(value: Any) -> bool:
    """Whether ``value`` is a right or several rights with their disposition, or a page."""
    if not isinstance(value, tuple) or len(value) not in (2, 3):
        return False
    if is_memory(value):
        return all(map(_is_plain, value))
    return is_number(value[1]) and (_are_numbers(value[0]) if is_array(value) else is_number(value[0]))


_FORMS: dict[ArgumentType, Callable[[Any], bool]] = {
    ArgumentType.PORTS: _are_numbers,
    ArgumentType.LIMITS: _are_numbers,
    ArgumentType.SECURITY_TOKEN: lambda value: _are_numbers(value) and len(value) == 2,
    ArgumentType.AUDIT_TOKEN: lambda value: _are_numbers(value) and len(value) == 8,
    ArgumentType.DESCRIPTORS: _are_descriptors,
}
