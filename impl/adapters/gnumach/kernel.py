"""The live kernel as an implementation to check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sendright.impl.adapters.gnumach.files import files
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.impl.adapters.gnumach.words import NUMBERS, outputs_of, words_of
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Right, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade
from sendright.mach.kernel.implementation import ImplementationCrash
from sendright.mach.kernel.profiles import GNUMACH, Profile
from sendright.mach.signatures import OWN_CALLS, SIGNATURES
from sendright.mach.state.boot import BOOTSTRAP_TASK
from sendright.mach.state.view import NamedRight, Receiver, Space, View, ViewPart

BOOTS = 500
"""The number of runs on one boot of the machine, before it is booted again."""
_MOST_TASKS = 60
_REQUEST_BIT = 0x8000
"""In the upper half of a type: a dead-name request is registered."""
_KINDS = {kind.type_bits >> 16: kind for kind in SlotKind if kind}
_PENDING = {
    "mach_msg_send": ReturnCode.MACH_SEND_IN_PROGRESS,
    "mach_msg_receive": ReturnCode.MACH_RCV_IN_PROGRESS,
    "mach_msg": ReturnCode.MACH_RCV_IN_PROGRESS,
}
"""What a call that waits returns for now; ``mach_msg`` once it has sent."""
_NOT_MADE = {
    "U": "what it is sent to is a user's port: its receiver would have to answer, not the kernel",
    "W": "it would suspend a task that waits in a call: the kernel ends the call all the same, and the model doesn't",
}


class DriverConnection(Protocol):
    """A connection to the driver: a ``Machine``, or a replacement for one in tests."""

    @property
    def alive(self) -> bool: ...
    def exchange(self, line: str) -> list[str]: ...
    def end(self) -> None: ...


def _qemu() -> Callable[[], DriverConnection]:
    found = files()
    return lambda: Machine(found)


class GnuMach:
    """GNU Mach under QEMU. Each task of the model is a Mach task. A run begins with new tasks; the machine is only
    booted again after an error, or after ``BOOTS`` runs.
    """

    name = "GNU Mach 1.8 (Debian 2:1.8+git20221224-2) under QEMU"
    capabilities = Capabilities(
        profiles=("gnumach",),
        calls=frozenset(name for name in OWN_CALLS if GNUMACH.serves(name)),
        shows=frozenset(ViewPart),
        shortages=False,
        limits=False,
        recovers=True,
        seconds=30.0,
    )

    def __init__(self, start: Callable[[], DriverConnection] | None = None) -> None:
        """``start`` makes the machine, at the first boot; by default with QEMU. Raises NotSetUp if a file that this
        needs is missing.
        """
        self._start = start or _qemu()
        self._machine: DriverConnection | None = None
        self._profile = GNUMACH
        self._begun = 0

    def boot(self, profile: Profile) -> None:
        """End all tasks and begin with one new task. Raises ImplementationCrash if the machine doesn't start."""
        self._profile = profile
        if self._machine is not None and (not self._machine.alive or self._begun >= BOOTS):
            self.end()
        if self._machine is None:
            self._machine, self._begun = self._start(), 0
        self._begun += 1
        self._number: dict[int, int] = {0: BOOTSTRAP_TASK}
        """The driver's number of an agent -> the task's."""
        self._agent: dict[int, int] = {BOOTSTRAP_TASK: 0}
        self._calls: dict[int, Call] = {}
        """Task -> the call that it is blocked in."""
        self._tasks = 1
        self._spaces: dict[int, Space] = {}
        self._ask("begin", None)

    def end(self) -> None:
        """End the machine."""
        if self._machine is not None:
            self._machine.end()
            self._machine = None

    @property
    def machine(self) -> DriverConnection | None:
        """The machine, None until it is started."""
        return self._machine

    def call(self, task: int, call: Call) -> Result:
        """As ``Implementation.call``."""
        if call.shortage:
            raise NotMade("the kernel's memory can't be made short")
        if call.resume:
            return self._ask(f"look {self._agent[task]:x}", task, self._calls.get(task, call))
        if call.stop and SIGNATURES[call.name].in_steps:
            raise NotMade("the kernel can't be stopped between its steps")
        if not self._profile.serves(call.name):
            raise NotMade("this kernel doesn't have the call")
        if SIGNATURES[call.name].creates_task and len(self._agent) >= _MOST_TASKS:
            raise NotMade(f"more than {_MOST_TASKS} tasks")
        words = " ".join(f"{word & 0xFFFFFFFF:x}" for word in words_of(call, self._profile))
        return self._ask(f"call {self._agent[task]:x} {NUMBERS[call.name]:x} {words}", task, call)

    def snapshot(self) -> View:
        """The state, as far as the spaces have it."""
        return View({self._number[agent]: space for agent, space in self._spaces.items()})

    # ---- answers

    def _ask(self, line: str, task: int | None, call: Call | None = None) -> Result:
        assert self._machine is not None
        answer = self._machine.exchange(line)
        result: Result | None = None
        created: int | None = None
        ended: dict[int, Result] = {}
        spaces: dict[int, Space] = {}
        try:
            for letter, words in _parts(answer):
                if letter in _NOT_MADE:
                    raise NotMade(_NOT_MADE[letter])
                if letter == "!":
                    raise ValueError(f"the driver failed: {words}")
                if letter == "T":
                    agent = int(words[0], 16)
                    spaces[agent] = self._spaces[agent] if words[1] == "=" else _space(_numbers(words[1:]))
                elif letter == "N":
                    created = self._adopted(int(words[0], 16))
                elif letter == "E":
                    agent, code, *results = _numbers(words)
                    other = self._number[agent]
                    ended[other] = _result(self._calls.pop(other), code, results)
                elif letter == "M":
                    ended[self._number[int(words[0], 16)]] = Result(ReturnCode.MACH_RCV_IN_PROGRESS)
                elif task is not None and call is not None:
                    result = self._answer(letter, task, call, _numbers(words))
        except (ValueError, KeyError, IndexError, StopIteration) as error:
            self._machine.end()
            raise ImplementationCrash(f"answered what makes no sense: {' '.join(answer)[:200]}") from error
        self._spaces = spaces
        self._forget_ended()
        if result is None:
            return Result(ReturnCode.KERN_SUCCESS)
        return Result(result.code, result.outputs, created, ended)

    def _answer(self, letter: str, task: int, call: Call, words: list[int]) -> Result:
        if letter == "A":
            self._calls.pop(task, None)
            return _result(call, words[0], words[1:])
        if letter in ("B", "S"):
            self._calls[task] = call
            return Result(ReturnCode.MACH_SEND_IN_PROGRESS if letter == "S" else _PENDING[call.name])
        if letter in ("G", "H"):  # the task has ended or suspended itself, so that it didn't get the answer
            return Result(ReturnCode.KERN_SUCCESS)
        raise ValueError(letter)

    def _adopted(self, agent: int) -> int:
        number = self._tasks
        self._tasks += 1
        self._number[agent], self._agent[number] = number, agent
        return number

    def _forget_ended(self) -> None:
        for agent in self._number.keys() - self._spaces.keys():
            task = self._number.pop(agent)
            del self._agent[task]
            self._calls.pop(task, None)


def _parts(words: list[str]) -> list[tuple[str, list[str]]]:
    """The parts of a line from the driver, each a letter and the words after it."""
    parts: list[tuple[str, list[str]]] = []
    for word in words:
        if word.isupper() or word == "!":
            parts.append((word, []))
        else:
            parts[-1][1].append(word)
    return parts


def _numbers(words: list[str]) -> list[int]:
    return [int(word, 16) for word in words]


def _result(call: Call, code: int, words: list[int]) -> Result:
    signed = code - (1 << 32) if code >> 31 else code
    return Result(signed, outputs_of(call, signed, words))


def _space(words: list[int]) -> Space:
    source = iter(words)
    suspended = next(source)
    return Space(dict(_names(source)), suspended)


def _names(source: Iterator[int]) -> Iterator[tuple[int, NamedRight]]:
    for name in source:
        rights, urefs = next(source), next(source)
        kind = _KINDS[rights & 0x1F]
        sends, receives = rights & 1 << Right.SEND, rights & 1 << Right.RECEIVE
        port = next(source) if sends else 0
        yield name, NamedRight(kind, urefs, port or None, bool(rights & _REQUEST_BIT), _receiver(source) if receives else None)


def _receiver(source: Iterator[int]) -> Receiver:
    pset, seqno, mscount, limit, messages, send_once, sends, requests = (next(source) for _ in range(8))
    return Receiver(
        pset=pset,
        sequence_number=seqno,
        make_send_count=mscount,
        queue_limit=limit,
        messages=messages,
        send_rights=sends,
        send_once_rights=send_once,
        port_destroyed=bool(requests & 1),
        no_senders=bool(requests & 2),
    )
