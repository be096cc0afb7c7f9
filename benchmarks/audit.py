"""What an audit costs: to a bare decode of the same bytes, in memory, and with a second worker.

Logs are synthesized. The cost is processor time of this process, decode and audit in turn, several rounds in one run,
and what counts is their ratio; the bare decode makes Python objects of every line with the JSON library that the
readers use, and does nothing with them. Memory is the largest resident set of a ``sendright audit -`` that reads a log
of so many events from a pipe. Workers are compared by wall time, on as many hosts' logs.

    python benchmarks/audit.py [--events N] [--rounds N] [--memory-events N] [--hosts N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.impl.synthesis.logs import log_of
from sendright.impl.synthesis.plants import PLANTS
from sendright.properties.audit.audit import Log, audit_group
from sendright.properties.audit.many import audit_logs

AT_MOST, MEMORY_AT_MOST, SPEED_AT_LEAST = 2.0, 1024, 1.7
"""What is promised: times a bare decode, MiB at ten million events, times as fast with two workers."""


@dataclass
class Measured:
    """Seconds, round by round."""

    decode: list[float] = field(default_factory=list)
    audit: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    events: int = 0
    megabytes: float = 0.0
    memory: float | None = None
    """MiB."""
    memory_events: int = 0

    @property
    def cost(self) -> float:
        """The audit to the decode."""
        return statistics.median(self.audit) / statistics.median(self.decode)

    @property
    def speed(self) -> float:
        """One worker to two, the best round of each: others work on the machine too."""
        return min(self.one) / min(self.two) if self.two else 0.0


def write(path: Path, events: int, seed: int) -> None:
    """A log with every violation in it."""
    with path.open("wb") as file:
        file.writelines(log_of("eslogger", events, seed, list(PLANTS)))


def cost(measured: Measured, path: Path, rounds: int, console: Console) -> None:
    """Decode and audit in turn."""
    decode = msgspec.json.Decoder().decode
    for _ in track(range(rounds), "Cost", console=console, transient=True):
        began = time.process_time()
        with path.open("rb") as file:
            for line in file:
                decode(line)
        measured.decode.append(time.process_time() - began)
        began = time.process_time()
        group, _ = audit_group([Log(str(path))])
        measured.audit.append(time.process_time() - began)
        assert all(group.counts[rule].get("error") for rule in PLANTS), "every plant is found"
        measured.events = group.records
    measured.megabytes = path.stat().st_size / 1e6


def memory(measured: Measured, events: int) -> None:
    """The largest resident set of an audit that reads from a pipe."""
    command = [sys.executable, "-c", "from sendright.cli.main import run; run()"]
    plants = [word for rule in PLANTS for word in ("--plant", rule)]
    with subprocess.Popen([*command, "synthesize", "-q", "--events", str(events), *plants], stdout=subprocess.PIPE) as made:
        audit = subprocess.Popen([*command, "audit", "-", "-q", "--json"], stdin=made.stdout, stdout=subprocess.PIPE)
        assert audit.stdout is not None
        result = json.loads(audit.stdout.read())
        audit.stdout.close()
        _, status, used = os.wait4(audit.pid, 0)
        audit.returncode = os.waitstatus_to_exitcode(status)
    assert result["groups"][0]["records"] >= events
    measured.memory, measured.memory_events = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024), events


def workers(measured: Measured, paths: list[Path], rounds: int, console: Console) -> None:
    """One and two, in turn."""
    groups = [(Log(str(path)),) for path in paths]
    for _ in track(range(rounds), "Workers", console=console, transient=True):
        for jobs, seconds in ((1, measured.one), (2, measured.two)):
            began = time.perf_counter()
            audit_logs(groups, jobs=jobs)
            seconds.append(time.perf_counter() - began)


def table(measured: Measured) -> Table:
    """What people read."""
    shown = Table("", "measured", "promised", title=f"An audit of {measured.events:,} events ({measured.megabytes:,.0f} MB)")
    each = 1e6 / measured.events
    decode, audit = statistics.median(measured.decode) * each, statistics.median(measured.audit) * each
    shown.add_row("bare decode", f"{decode:.1f} µs an event", "")
    shown.add_row("audit", f"{audit:.1f} µs an event: {measured.cost:.2f} times a bare decode", f"at most {AT_MOST:g}")
    if measured.memory is not None:
        promised = f"under {MEMORY_AT_MOST:,} MiB at 10,000,000"
        shown.add_row("memory", f"{measured.memory:,.0f} MiB at {measured.memory_events:,} events", promised)
    if measured.two:
        shown.add_row("two workers", f"{measured.speed:.2f} times as fast as one", f"at least {SPEED_AT_LEAST:g}")
    return shown


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, help="in the log whose cost is measured, and in each host's (default: 200000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--memory-events", type=int, default=10_000_000, help="in the log for memory; 0: not measured (default: 10000000)")
    parser.add_argument("--hosts", type=int, default=8, help="logs for the workers; 0: not measured (default: 8)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    asked = parser.parse_args(arguments)
    if min(asked.events, asked.rounds) < 1 or min(asked.memory_events, asked.hosts) < 0:
        parser.error("--events and --rounds are at least 1, --memory-events and --hosts at least 0")
    measured, console = Measured(), Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="sendright-benchmark-") as directory:
        paths = [Path(directory) / f"host-{number}.json" for number in range(max(1, asked.hosts))]
        for number, path in enumerate(track(paths, "Synthesizing", console=console, transient=True)):
            write(path, asked.events, number)
        cost(measured, paths[0], asked.rounds, console)
        if asked.hosts:
            workers(measured, paths, asked.rounds, console)
    if asked.memory_events:
        memory(measured, asked.memory_events)
    if asked.json:
        json.dump(vars(measured) | {"cost": measured.cost, "speed": measured.speed}, sys.stdout)
        return
    output = Console()
    (output if output.is_terminal else Console(width=140)).print(table(measured))


if __name__ == "__main__":
    main()
