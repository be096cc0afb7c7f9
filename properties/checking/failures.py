"""Failing runs of earlier checks, kept so that the next check tries them first.

A database is a folder with one file for each kernel and profile that was checked. What lies there counts as if an
attacker had put it there: only regular files of the user's are read, up to a limit, and what doesn't have the form of
calls is left out. The calls of an entry can do no more than random calls can. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from sendright.mach.json_text import read_json
from sendright.mach.own_files import Unusable, folder_in, own_folder, read_own
from sendright.mach.signatures import SIGNATURES, ArgumentType, Signature
from sendright.mach.state.trace import Trace
from sendright.properties.checking.runs import EarlierRun
from sendright.properties.minimization.symbolic_calls import ResultRef, SymbolicCall, to_symbolic

FORMAT = "sendright-failures/1"
MOST_RUNS = 20
"""Failing runs of one kernel and profile: the latest ones."""
MOST_CALLS = 1000
"""Calls of one of them."""
MOST_FILES = 200
"""Files in a database: the oldest ones go."""
FILE_LIMIT = 1 << 20
"""Bytes of a file at most."""
_NUMBERS = range(-(1 << 63), 1 << 64)
_DEPTH = 4


class _Kept(msgspec.Struct, frozen=True):
    """A call as a file has it."""

    number: int
    caller: int
    name: str
    arguments: dict[str, Any]
    shortage: int = 0
    stop: bool = False
    resume: bool = False
    creates: int | None = None


class _File(msgspec.Struct, frozen=True):
    """The content of a file."""

    format: str
    kernel: str
    profile: str
    runs: list[list[_Kept]]


class FailureDatabase:
    """Failing runs in a folder of the user's."""

    def __init__(self, folder: Path | None = None) -> None:
        """The database in ``folder``, or in the user's own cache directory. Raises Unusable."""
        self.folder = own_folder(folder.absolute()) if folder is not None else folder_in(platformdirs.user_cache_path, "sendright/failures")

    def runs(self, kernel: str, profile: str) -> list[EarlierRun]:
        """The failing runs of a kernel, the latest first. ``kernel`` says what was checked (``--sut``, ``--fault``)."""
        try:
            content = read_json(read_own(self._file(kernel, profile), FILE_LIMIT), _File)
        except (OSError, Unusable, msgspec.DecodeError, UnicodeError, RecursionError):
            return []
        if (content.format, content.kernel, content.profile) != (FORMAT, kernel, profile):
            return []
        return [run for calls in content.runs[:MOST_RUNS] if (run := _calls(calls)) is not None]

    def keep(self, kernel: str, profile: str, failing: Sequence[Trace]) -> bool:
        """Keep the runs ``failing`` before those that are there; whether that succeeded."""
        new = [to_symbolic(trace.steps, trace.initial) for trace in failing if 0 < len(trace.steps) <= MOST_CALLS]
        if not new:
            return True
        runs: dict[bytes, EarlierRun] = {}
        for run in (*new, *self.runs(kernel, profile)):
            runs.setdefault(msgspec.json.encode([(call.name, call.arguments, call.caller) for call in run]), run)
        kept = list(runs.values())[:MOST_RUNS]
        while len(text := self._text(kernel, profile, kept)) > FILE_LIMIT and kept:
            kept.pop()
        try:
            handle, temporary = tempfile.mkstemp(prefix=".failures-", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text)
                os.replace(temporary, self._file(kernel, profile))  # a link there is replaced, and not followed
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._drop_oldest()
        except OSError:
            return False
        return True

    @staticmethod
    def _text(kernel: str, profile: str, runs: Sequence[EarlierRun]) -> bytes:
        return msgspec.json.encode({"format": FORMAT, "kernel": kernel, "profile": profile, "runs": runs})

    def _file(self, kernel: str, profile: str) -> Path:
        name = sha256(f"{len(kernel)} {kernel} {profile}".encode("utf-8", "backslashreplace")).hexdigest()[:32]
        return self.folder / f"{name}.json"

    def _drop_oldest(self) -> None:
        aged: list[tuple[float, Path]] = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):
                aged.append((path.lstat().st_mtime, path))
        for _, path in sorted(aged)[: max(0, len(aged) - MOST_FILES)]:
            path.unlink(missing_ok=True)


def _calls(kept: Sequence[_Kept]) -> EarlierRun | None:
    """The calls of a run; None if they aren't calls of the signature table."""
    if not 0 < len(kept) <= MOST_CALLS:
        return None
    calls = []
    for one in kept:
        signature = SIGNATURES.get(one.name)
        numbers = (one.number, one.caller, one.shortage, one.creates or 0)
        if signature is None or not all(0 <= number < 1 << 31 for number in numbers):
            return None
        arguments = {} if one.resume else _arguments(one.arguments, signature)
        if arguments is None:
            return None
        calls.append(SymbolicCall(one.number, one.caller, one.name, arguments, one.shortage, one.stop, one.resume, one.creates))
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
    if isinstance(value, str) and len(value) <= 64:
        return value
    if isinstance(value, dict) and value.keys() == {"call", "output", "index", "seen"}:
        try:
            return msgspec.convert(value, ResultRef)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
    if isinstance(value, list) and depth and len(value) <= MOST_CALLS:
        return tuple([_value(each, depth - 1) for each in value])
    raise ValueError("not a value of an argument")
