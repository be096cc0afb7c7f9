"""Transcripts of a live GNU Mach: what was asked of the driver, and what it answered, so that the comparison runs
without QEMU too.

``python tests/support/gnumach_transcripts.py`` records them anew, on a machine that is set up (``sendright setup
gnumach``): random runs, and the specification's witnesses. A transcript has the calls of a run, and the lines that went
over the serial port; in these calls have their names, so that a new call in the signature table doesn't matter.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from random import Random

import msgspec

from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import files
from sendright.impl.adapters.gnumach.kernel import DriverConnection
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.impl.adapters.gnumach.words import NUMBERS
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import tupled, witnesses
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls
from sendright.properties.runs.run import Run
from support.places import TESTS

FILE = TESTS / "transcripts" / "gnumach.jsonl.gz"
RUNS, STEPS, SEED = 120, 30, 1
_NAMES = {number: name for name, number in NUMBERS.items()}


class Transcript(msgspec.Struct, frozen=True):
    """One run."""

    calls: tuple[tuple[int, Call], ...]
    """Those that were asked for: what the kernel can't make is among them."""
    lines: tuple[tuple[str, str], ...]
    """Line to the driver, and its answer."""


def transcripts() -> list[Transcript]:
    """Those that are recorded."""
    with gzip.open(FILE) as file:
        return [msgspec.json.decode(line, type=Transcript) for line in file]


class PlayedBack:
    """Stands in for a machine: it answers what the live one did, as long as it is asked the same."""

    def __init__(self, transcript: Transcript) -> None:
        self._lines = iter(transcript.lines)
        self.alive = True

    def exchange(self, line: str) -> list[str]:
        asked, answered = next(self._lines)
        assert named(line) == asked
        return answered.split()

    def end(self) -> None:
        self.alive = False


def named(line: str) -> str:
    """A line to the driver with the name of its call."""
    words = line.split()
    return " ".join([*words[:2], _NAMES[int(words[2], 16)], *words[3:]]) if words[0] == "call" else line


class _Recording:
    """A machine whose lines are noted."""

    def __init__(self, machine: Machine, lines: list[tuple[str, str]]) -> None:
        self._machine, self._lines = machine, lines

    @property
    def alive(self) -> bool:
        return self._machine.alive

    def exchange(self, line: str) -> list[str]:
        words = self._machine.exchange(line)
        self._lines.append((named(line), " ".join(words)))
        return words

    def end(self) -> None:
        self._machine.end()


def _witness_calls() -> Iterator[list[tuple[int, Call]]]:
    for witness in witnesses(GNUMACH):
        yield [(step.task, msgspec.structs.replace(tupled(step.call), shortage=0)) for step in witness.steps]


def record() -> None:
    """Write the transcripts. Raises Violated if the kernel disagrees with the specification."""
    lines: list[tuple[str, str]] = []

    def start() -> DriverConnection:
        return _Recording(Machine(files()), lines)

    kernel = GnuMach(start)
    random = Random(SEED)
    made: list[Transcript] = []

    def run_of(calls: Iterator[tuple[int, Call]] | Calls) -> None:
        lines.clear()
        run = Run(kernel, Oracle(GNUMACH), GNUMACH)
        run.boot()
        asked: list[tuple[int, Call]] = []
        while True:
            if isinstance(calls, Calls):
                if len(asked) >= STEPS or calls.over(run.snapshot):
                    break
                task, call = calls.next(run.snapshot)
            else:
                following = next(calls, None)
                if following is None:
                    break
                task, call = following
                if not run.can_make(task, call):
                    continue
            asked.append((task, call))
            before = len(run.steps)
            with contextlib.suppress(NotMade):
                run.step(task, call)
            if isinstance(calls, Calls):
                for step in run.steps[before:]:
                    calls.made(step)
        run.finish()
        made.append(Transcript(tuple(asked), tuple(lines)))

    for calls in _witness_calls():
        run_of(iter(calls))
    for _ in range(RUNS):
        run_of(Calls(GNUMACH, random.randbytes(BYTES_PER_CALL * STEPS), kernel.capabilities))
    kernel.end()
    FILE.parent.mkdir(exist_ok=True)
    content = b"".join(msgspec.json.encode(transcript) + b"\n" for transcript in made)
    FILE.write_bytes(gzip.compress(content, mtime=0))


if __name__ == "__main__":
    record()
