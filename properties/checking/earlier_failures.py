"""Failing runs of earlier checks, kept in a Hypothesis example database, so that the next check tries them first.

Hypothesis keeps the choices from which an example was drawn. Those of a run say nothing after it was minimized, since
sendright minimizes the calls and not the choices, and they mean other calls in another version. So the calls themselves
are kept, in the same database, with symbols for earlier calls' results: a kernel may choose other names.

What lies in a database counts as if an attacker had put it there: what doesn't have the form of calls is left out. The
calls of an entry can do no more than random calls can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis.database import ExampleDatabase

from sendright.mach.json_text import read_json
from sendright.mach.kernel.profiles import Profile
from sendright.mach.results.checks import CheckResult
from sendright.mach.signatures import SIGNATURES, ArgumentType, Signature
from sendright.mach.state.trace import LIMITS, Trace
from sendright.properties.checking.runs import EarlierRun
from sendright.properties.minimization.symbolic_calls import ResultRef, SymbolicCall, to_symbolic

MOST = 50
"""At most so many runs are tried, the shortest first."""
MOST_CALLS = 1000
"""Calls of one of them."""
LARGEST = 1 << 20
"""A larger entry, in bytes, isn't read."""
_FORM = "sendright-run/2"
_NUMBERS = range(-(1 << 63), 1 << 64)
_LONGEST = 64
"""Characters of a word."""
_DEPTH = 4


class EarlierFailures:
    """The failing runs of one kernel and profile in a database; None: there is no database, and nothing is kept."""

    def __init__(self, database: ExampleDatabase | None, kernel: str, profile: Profile) -> None:
        """``kernel`` names the kernel among others: the same name in each check of it."""
        limits = ",".join(str(getattr(profile, limit)) for limit in LIMITS)
        self._database = database
        self.key = f"{_FORM}:{kernel}:{profile.name}:{limits}".encode("utf-8", "backslashreplace")
        self._entries: dict[bytes, EarlierRun] = {}
        if database is not None:
            read = {entry: calls for entry in database.fetch(self.key) if (calls := _calls(entry)) is not None}
            self._entries = dict(sorted(read.items(), key=lambda each: (len(each[1]), each[0]))[:MOST])

    @property
    def runs(self) -> list[EarlierRun]:
        """The runs, the shortest first."""
        return list(self._entries.values())

    def update(self, result: CheckResult) -> None:
        """After a check that tried ``runs``: keep what fails now, and forget the runs that are settled. Raises OSError
        if the database can't be written to and says so.
        """
        if self._database is None:
            return
        kept = {_entry(trace) for trace in failing_runs(result) if 0 < len(trace.steps) <= MOST_CALLS}
        for entry in kept:
            self._database.save(self.key, entry)
        tried = list(self._entries)
        for number in result.earlier_settled:
            if tried[number] not in kept:
                self._database.delete(self.key, tried[number])


def failing_runs(result: CheckResult) -> list[Trace]:
    """The runs of a check that failed, minimized."""
    first = [result.failure] if result.failure is not None and result.failure.violations else []
    return [*first, *(other.failure for other in result.others)]


def _entry(trace: Trace) -> bytes:
    return msgspec.json.encode(to_symbolic(trace.steps, trace.initial))


def _calls(entry: bytes) -> EarlierRun | None:
    """The run in an entry of the database. None if it can't be one: it may be another version's, or damaged."""
    if len(entry) > LARGEST:
        return None
    try:
        kept = read_json(entry, list[SymbolicCall])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _checked(kept) if 0 < len(kept) <= MOST_CALLS else None


def _checked(kept: Sequence[SymbolicCall]) -> EarlierRun | None:
    """The calls; None if they aren't calls of the signature table, with these arguments."""
    calls = []
    for call in kept:
        signature = SIGNATURES.get(call.name)
        numbers = (call.number, call.caller, call.shortage, call.creates or 0)
        if signature is None or not all(0 <= number < 1 << 31 for number in numbers):
            return None
        arguments = {} if call.resume else _arguments(call.arguments, signature)
        if arguments is None:
            return None
        calls.append(msgspec.structs.replace(call, arguments=arguments))
    return calls


_SEQUENCES = (
    ArgumentType.PORTS,
    ArgumentType.SECURITY_TOKEN,
    ArgumentType.AUDIT_TOKEN,
    ArgumentType.DESCRIPTORS,
    ArgumentType.LIMITS,
)


def _arguments(given: dict[str, Any], signature: Signature) -> dict[str, Any] | None:
    """The arguments of a call; None if they aren't those of the signature."""
    types = {argument.name: argument.type for argument in signature.arguments}
    if not given.keys() <= types.keys() or any(argument.required and argument.name not in given for argument in signature.arguments):
        return None
    try:
        values = {name: _value(value, _DEPTH) for name, value in given.items()}
    except ValueError:
        return None
    return values if all(isinstance(value, tuple) == (types[name] in _SEQUENCES) for name, value in values.items()) else None


def _value(value: object, depth: int) -> Any:
    """The value of an argument: a number, a truth, a short word, the result of a call, or a few of these. Raises
    ValueError."""
    if isinstance(value, bool) or value is None or (isinstance(value, int) and value in _NUMBERS):
        return value
    if isinstance(value, str) and len(value) <= _LONGEST:
        return value
    if isinstance(value, dict) and value.keys() == {"call", "output", "index", "seen"}:
        try:
            return msgspec.convert(value, ResultRef)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
    if isinstance(value, list) and depth and len(value) <= MOST_CALLS:
        return tuple([_value(each, depth - 1) for each in value])
    raise ValueError("not a value of an argument")
