"""How fast the live GNU Mach is: from nothing to ready, and runs of 30 calls, each call observed, alone and judged by
the specification.

    python benchmarks/live.py [--boots N] [--runs N] [--json]

Needs ``sendright setup gnumach``. A machine and its judge take turns, so two processors are used by two of each. On a
computer that has other things to do all of it takes longer; the processor times of both are told, too, which grow
less. The whole check, with its verdict:

    sendright check --sut gnumach -n 3000 --steps 30 -j 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import NotSetUp, files
from sendright.impl.adapters.gnumach.machine import Machine
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH
from sendright.model.execution.oracle import Oracle
from sendright.properties.generation.calls import BYTES_PER_CALL, Calls
from sendright.properties.runs.run import Run

STEPS = 30
MACHINES = 2
PROMISED = {"seconds to boot": 1.0, "runs a second": 20.0}
Recorded = list[list[tuple[int, Call]]]


def boots(count: int) -> list[float]:
    """Seconds from nothing to ready."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        machine = Machine(files())
        found.append(time.perf_counter() - began)
        machine.end()
    return found


@dataclass(frozen=True)
class Seconds:
    """What something took."""

    clock: float
    judge: float
    """Processor time of this process."""
    machine: float
    """Processor time of QEMU."""


def now(kernel: GnuMach) -> Seconds:
    """Clock and processor times so far."""
    machine = kernel.machine
    assert isinstance(machine, Machine)
    ticks = Path(f"/proc/{machine.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return Seconds(time.perf_counter(), time.process_time(), sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))


def judged(kernel: GnuMach, runs: int) -> tuple[Recorded, Seconds]:
    """Random runs, as ``sendright check`` makes them, on a machine that is started: the calls, and what they took."""
    recorded: Recorded = []
    began = now(kernel)
    for seed in range(runs):
        run = Run(kernel, Oracle(GNUMACH), GNUMACH)
        run.boot()
        calls = Calls(GNUMACH, Random(seed).randbytes(STEPS * BYTES_PER_CALL), kernel.capabilities)
        made: list[tuple[int, Call]] = []
        while len(made) < STEPS and not calls.over(run.snapshot):
            before = len(run.steps)
            made.append(calls.next(run.snapshot))
            with suppress(NotMade):
                run.step(*made[-1])
            for step in run.steps[before:]:
                calls.made(step)
        run.finish()
        recorded.append(made)
    ended = now(kernel)
    return recorded, Seconds(ended.clock - began.clock, ended.judge - began.judge, ended.machine - began.machine)


def alone(kernel: GnuMach, recorded: Recorded) -> float:
    """The same calls, each observed, and nobody judges: the seconds that they took."""
    began = time.perf_counter()
    for made in recorded:
        kernel.boot(GNUMACH)
        for task, call in made:
            with suppress(NotMade, KeyError):
                kernel.call(task, call)
                kernel.snapshot()
    return time.perf_counter() - began


def started(runs: int) -> GnuMach:
    """A kernel whose machine is started; what so many runs need of the specification is compiled, too."""
    kernel = GnuMach()
    kernel.boot(GNUMACH)
    judged(kernel, runs)
    return kernel


def _worker(runs: int, ready: Barrier, seconds: SimpleQueue[float]) -> None:
    kernel = started(2)
    ready.wait()
    seconds.put(judged(kernel, runs)[1].clock)
    kernel.end()


def side_by_side(runs: int) -> float:
    """Judged runs a second of so many machines as there are processors for."""
    context = get_context("fork")
    ready, seconds = context.Barrier(MACHINES), context.SimpleQueue()
    workers = [context.Process(target=_worker, args=(runs, ready, seconds)) for _ in range(MACHINES)]
    for worker in workers:
        worker.start()
    slowest = max(seconds.get() for _ in workers)
    for worker in workers:
        worker.join()
    return MACHINES * runs / slowest


def measure(boot_count: int, runs: int) -> dict[str, float]:
    """All of it."""
    booting = boots(boot_count)
    kernel = started(runs)
    try:
        recorded, took = judged(kernel, runs)
        unjudged = alone(kernel, recorded)
    finally:
        kernel.end()
    calls = sum(map(len, recorded))
    return {
        "seconds to boot": statistics.median(booting),
        "seconds to boot, at worst": max(booting),
        "runs a second": side_by_side(runs),
        "runs a second, one machine": runs / took.clock,
        "runs a second, one machine, not judged": runs / unjudged,
        "calls a second, one machine": calls / took.clock,
        "calls a second, one machine, not judged": calls / unjudged,
        "judge's processor milliseconds a run": 1000 * took.judge / runs,
        "QEMU's processor milliseconds a run": 1000 * took.machine / runs,
    }


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="How fast the live GNU Mach is.")
    parser.add_argument("--boots", type=int, default=10)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.boots < 1 or options.runs < 1:
        parser.error("--boots and --runs must be at least 1")
    try:
        found = measure(options.boots, options.runs)
    except NotSetUp as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(found))
        return
    table = Table("what", "measured", "promised", title=f"Live GNU Mach, runs of {STEPS} calls")
    for what, number in found.items():
        limit = PROMISED.get(what)
        table.add_row(what, f"{number:,.2f}", "" if limit is None else f"{'at most' if what.startswith('seconds') else 'at least'} {limit:g}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
