"""Runs a program that speaks JSON lines as an implementation to check. ``docs/stdio.md`` describes the protocol.

Every line is one JSON object, and every request has one answer. The names and types of calls, arguments and results are
those of the signature table. States have the form of ``View``, or if the program reports everything, of ``Snapshot``.
"""

from __future__ import annotations

import shlex
from typing import Any, NoReturn, TypeVar

import msgspec

from sendright.impl.adapters.line_process import LineProcess, NoAnswer, ProgramEnded
from sendright.mach.json_text import read_json
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade
from sendright.mach.kernel.implementation import ImplementationCrash, MalformedState
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.trace import LIMITS
from sendright.mach.state.view import View
from sendright.mach.suggestions import unknown_call

_T = TypeVar("_T")

PROTOCOL = "sendright-stdio/2"
FIRST_PROTOCOL = "sendright-stdio/1"
"""A program that doesn't say what it speaks speaks this."""
STILL_SPOKEN: dict[str, str] = {
    FIRST_PROTOCOL: "numbers arrive as the kernel's bits hold them, so −1 as a name or a count is 4294967295",
}
"""Older versions that sendright can still check with: what the present one adds to each. docs/stdio.md describes it."""
USUAL_SECONDS = 2.0
START_SECONDS = 20.0


class CantStart(Exception):
    """The program can't be started, or doesn't report its capabilities; the message says why."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The program's first answer: its name and its capabilities."""

    name: str
    protocol: str = FIRST_PROTOCOL
    capabilities: Capabilities = Capabilities()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The program's answer to a call."""

    code: int | None = None
    outputs: dict[str, Any] = {}
    created_task: int | None = None
    ended: dict[int, Answer] = {}
    """Blocked calls of other tasks that ended because of this call."""
    not_made: str | None = None
    """Why the program can't make this call. Nothing has changed."""
    error: str | None = None
    """What is wrong with the program itself."""


class StdioProgram:
    """An implementation given by a command line, which is split as by a shell. A boot after the program has ended
    starts it again.
    """

    def __init__(self, command: str) -> None:
        """Start the program, and read its first answer. Raises CantStart."""
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise CantStart(f"{command!r} isn't a command line: {error}") from error
        if not self._command:
            raise CantStart("no program is named (write it as stdio:PROGRAM, with its arguments)")
        self._process: LineProcess | None = None
        self.capabilities = Capabilities()
        try:
            hello = self._start()
        except (ImplementationCrash, MalformedState) as error:
            raise CantStart(str(error)) from error
        unknown = sorted((hello.capabilities.calls or frozenset()) - SIGNATURES.keys())
        if unknown:
            raise CantStart(f"its capabilities list an {unknown_call(unknown[0])}")
        self.name = hello.name
        self.capabilities = hello.capabilities
        self._seconds = hello.capabilities.seconds or USUAL_SECONDS

    def boot(self, profile: Profile) -> None:
        """As ``Implementation.boot``."""
        if self._process is None or not self._process.alive:
            self._start()
        answer = self._answered(self._ask({"boot": {"profile": profile.name, **{limit: getattr(profile, limit) for limit in LIMITS}}}, Answer))
        if answer.not_made is not None or answer.code:
            self._crash(f"can't be booted: it answered {f'not_made: {answer.not_made}' if answer.not_made is not None else f'code {answer.code}'}")

    def call(self, task: int, call: Call) -> Result:
        """As ``Implementation.call``."""
        question: dict[str, Any] = {"call": call.name, "task": task, "arguments": call.arguments}
        question |= {name: value for name in ("shortage", "stop", "resume") if (value := getattr(call, name))}
        answer = self._answered(self._ask(question, Answer))
        if answer.not_made is not None:
            raise NotMade(answer.not_made)
        return _result(answer)

    def snapshot(self) -> Snapshot | View:
        """As ``Implementation.snapshot``."""
        return self._ask({"show": True}, Snapshot) if self.capabilities.shows is None else self._ask({"show": True}, View)

    def end(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.end()

    def _start(self) -> Hello:
        try:
            self._process = LineProcess(self._command)
        except OSError as error:
            raise ImplementationCrash(f"can't be started: {error.strerror}") from error
        try:
            hello = self._ask({"hello": PROTOCOL}, Hello, START_SECONDS)
        except ImplementationCrash as error:
            raise ImplementationCrash(f"{error}; the first request is hello, and it needs to speak {PROTOCOL}") from error
        if hello.protocol == PROTOCOL:
            return hello
        added = STILL_SPOKEN.get(hello.protocol)
        if added is None:
            self._crash(f"speaks {hello.protocol!r}, and needs to speak {PROTOCOL}")
        told = f"what {PROTOCOL} adds to {hello.protocol}, which it speaks: {added} (it needs to answer hello with protocol {PROTOCOL})"
        return msgspec.structs.replace(
            hello, capabilities=msgspec.structs.replace(hello.capabilities, not_compared=(*hello.capabilities.not_compared, told))
        )

    def _ask(self, question: dict[str, Any], form: type[_T], seconds: float | None = None) -> _T:
        assert self._process is not None
        try:
            answer = self._process.exchange(msgspec.json.encode(question), seconds or self._seconds)
        except ProgramEnded as error:
            raise ImplementationCrash(str(error)) from error
        except NoAnswer as error:
            raise ImplementationCrash(f"did not answer within {seconds or self._seconds:g} s") from error
        try:
            return read_json(answer, form)
        except msgspec.DecodeError as error:
            if form in (Snapshot, View):
                raise MalformedState(str(error)) from error
            self._crash(f"answered {answer[:80].decode('utf-8', 'backslashreplace')!r}, which isn't a valid {form.__name__}: {error}")

    def _answered(self, answer: Answer) -> Answer:
        if answer.error is not None:
            self._crash(f"said: {answer.error}")
        return answer

    def _crash(self, how: str) -> NoReturn:
        self.end()
        raise ImplementationCrash(how)


def _result(answer: Answer) -> Result:
    ended = {task: _result(other) for task, other in answer.ended.items()}
    return Result(answer.code, _tupled(answer.outputs), answer.created_task, ended)  # type: ignore[arg-type]


def _tupled(value: Any) -> Any:
    """Convert JSON's arrays to tuples, as results have them."""
    if isinstance(value, list):
        return tuple(map(_tupled, value))
    return {name: _tupled(each) for name, each in value.items()} if isinstance(value, dict) else value
