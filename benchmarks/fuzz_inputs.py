"""Broken scripts, traces, states, policies, caches and answers of programs: a command that reads them says what is
wrong, in one line.

Inputs that commands read are broken at random, as text and as JSON, and given to the command itself, in this process. A
command may end with the status of what it finds (0, 1, 4) or with 2 and one line. It must not end with an internal
error, print a traceback, or take long or much memory. An entry of a cache that was broken must prove nothing. An input
that breaks a promise is written to a file, and this command ends with status 1.

    python benchmarks/fuzz_inputs.py [--seconds N] [--seed N] [--failures DIR] [--kind KIND] [--again FILE]

``--again FILE``: give a file that failed, whose name ends in its kind, to the command again. Recordings have a command
of their own, ``benchmarks/fuzz_readers.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import z3
from rich.console import Console

from sendright.cli.main import main as sendright
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.implementation import ImplementationCrash, MalformedState
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.state.view import View
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.proof.solver.cache import Cache, Proof, ProvedQueries, keep_proofs_in
from sendright.model.proof.solver.questions import Mark
from sendright.reports.write import _SIGN

ROOT = Path(__file__).parent.parent
SLOW_SECONDS = 20.0
"""An input of some 10 KiB that takes so many seconds of the processor takes too long."""
MOST_MEMORY = 3 << 30
LONGEST = 1 << 16
_NUMBERS: list[Any] = [
    *[0, 1, -1, 2, 7, 255, 4096, 65535, 65536, (1 << 31) - 1, 1 << 31, -(1 << 31), (1 << 32) - 1, 1 << 32, 1 << 63, -(1 << 63), 1 << 64],
    *[10**12, 10**30, 10**400, 1.5, -0.0, 1e300],
]
_TEXTS = [
    *["", "x", "A", "S", "me", "0", "-1", "0x10", "1" * 40, "\0", "\u202e", "a|b", "KERN_SUCCESS", "MACH_PORT_NULL", "manual", "é" * 300],
    *["]]>", "[bold]"],
]
_VALUES: list[Any] = [*_NUMBERS, *_TEXTS, None, True, False, [], {}, [[]], [None] * 9, {"": ""}, {"0": {}}, [{}]]
_PIECES = [
    *[b"", b"\0", b"\xff", b"\n", b'"', b"{", b"}", b"[", b"]", b"\\", b",", b":", b"=", b"#", b"1e999", b"NaN", b"\\ud800", b"\xef\xbb\xbf"],
    b"[[" * 3000,
]


class Broken(Exception):
    """A command broke a promise."""


def _ended(command: Sequence[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = sendright(command)
    return status, err.getvalue()


def _in_order(*command: str) -> None:
    """Run a command. Raises Broken if it ends as none may."""
    status, complaint = _ended(command)
    lines = complaint.splitlines()
    if status not in (0, 1, 2, 4) or "internal error" in complaint or "Traceback" in complaint:
        raise Broken(f"status {status}: {complaint[-400:]}")
    if (status == 2) != (len(lines) == 1) or len(lines) > 1:
        raise Broken(f"status {status} with {len(lines)} lines: {complaint[-400:]}")
    if any(len(line) > 2000 or not line.isprintable() for line in lines):
        raise Broken(f"a line that is no line: {lines[0][:400]!r}")


def _script(file: Path) -> None:
    _in_order("replay", "-q", str(file))


def _server(file: Path) -> None:
    _in_order("check-server", "-q", "--examples", "2", "--acts", "4", str(file))


def _trace(file: Path) -> None:
    _in_order("graph", str(file), "--who-can-get", "host_security")


def _state(file: Path) -> None:
    policy = ROOT / "docs" / "examples" / "policies" / "clients.toml"
    _in_order("policy", "-q", str(policy), "--trace", str(file))


def _policy(file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        _in_order("policy", "-q", str(file), "--trace", str(file.parent / "start.json"))


def _view(file: Path) -> None:
    """What a kernel over stdio answers when it is asked for its state."""
    import msgspec

    from sendright.mach.json_text import read_json
    from sendright.mach.state.snapshot import Snapshot

    for form in (Snapshot, View):
        with contextlib.suppress(msgspec.DecodeError):
            read_json(file.read_bytes(), form)
    _answer(file)


def _answer(file: Path) -> None:
    """What a kernel answers, whose state is the file: a run of it is judged, or the state is refused."""
    import msgspec

    from sendright.mach.json_text import read_json
    from sendright.mach.kernel.call import Call
    from sendright.mach.state.snapshot import Snapshot
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.runs.judged_run import JudgedRun, Violated

    class Kernel(ReferenceKernel):
        def snapshot(self) -> Snapshot:
            try:
                return read_json(file.read_bytes(), Snapshot)
            except msgspec.DecodeError as error:
                raise MalformedState(str(error)) from error

    with contextlib.suppress(Violated, ImplementationCrash, MalformedState):
        run = JudgedRun(Kernel(), Oracle(MANUAL), MANUAL, SLOW_SECONDS)
        run.boot()
        run.call(0, Call("mach_task_self", {}))


_X = z3.Int("x")


def _cache(file: Path) -> None:
    """Entries of a cache: only what the right key has made proves anything, and nothing else stops a proof."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), b"k" * 32)
        keep_proofs_in(cache)
        try:
            true, false = _X > -1, _X > 1
            where = ProvedQueries(cache, Proof(UNBOUNDED, [_X > 0], []).assumptions)
            entry = cache.entry(where.question(true))
            where.keep(where.question(true))
            (kept,) = Path(folder).iterdir()
            broken = file.read_bytes().replace(b"ENTRY", entry.encode())
            kept.write_bytes(broken)
            mark = Mark()
            if Proof(UNBOUNDED, [_X > 0], []).decide(false) != z3.sat:
                raise Broken("a cache proves what is wrong")
            if Proof(UNBOUNDED, [_X > 0], []).decide(true) != z3.unsat:
                raise Broken("a cache refutes what is right")
            if mark.all_from_cache and entry.encode() not in broken:
                raise Broken("a cache proves what it has no entry of")
        finally:
            keep_proofs_in(None)


def _kept(file: Path) -> None:
    """A report that was there before: it is replaced, or refused in a line; it stays if it isn't sendright's."""
    before = file.read_bytes()
    _in_order("replay", "-q", str(file.parent / "good.json"), "--html", str(file))
    if before and not _SIGN.match(before[:4096]) and file.read_bytes() != before:
        raise Broken("a file that isn't sendright's was replaced")


CHECKS: dict[str, Callable[[Path], None]] = {
    "script": _script,
    "server": _server,
    "trace": _trace,
    "state": _state,
    "policy": _policy,
    "view": _view,
    "cache": _cache,
    "report": _kept,
}
"""Each kind of input, and the command that reads it."""


def seeds(place: Path) -> Mapping[str, list[bytes]]:
    """What is broken, by kind: this repository's own files, and a trace made from one. Writes what the commands need
    besides into ``place``.
    """
    scripts = [path.read_bytes() for path in sorted((ROOT / "tests" / "scripts").glob("*.json"))]
    cases = [
        json.dumps({**whole, "cases": [case]}).encode()
        for text in scripts
        for whole in [json.loads(text)]
        for case in whole["cases"][:40]
        if len(json.dumps(case)) < 3000
    ]
    policies = [path.read_bytes() for path in sorted((ROOT / "docs" / "examples" / "policies").glob("*.toml"))]
    servers = [path.read_bytes() for path in sorted((ROOT / "docs" / "examples" / "servers").glob("*.json"))]
    short = next(case for case in cases if 3 <= len(json.loads(case)["cases"][0]["steps"]) <= 6)
    (place / "good.json").write_bytes(short)
    if sendright(["replay", "-q", str(place / "good.json"), "--trace", str(place / "trace.json"), "--html", str(place / "report.html")]) != 0:
        raise SystemExit("a script of the tests doesn't pass")
    trace = (place / "trace.json").read_bytes()
    first = json.loads(trace)
    first |= {"steps": [], "final": first["initial"]}
    start = json.dumps(first).encode()
    (place / "start.json").write_bytes(start)
    state = json.dumps(json.loads(trace)["final"]).encode()
    page = (place / "report.html").read_bytes()[:LONGEST]
    return {
        "script": cases,
        "server": servers,
        "trace": [trace],
        "state": [start, trace, state],
        "policy": policies,
        "view": [state],
        "cache": [b"\nENTRY\n", b"ENTRY", b"\n" + b"0" * 64 + b"\nENTRY\n"],
        "report": [page, *cases[:5]],
    }


def broken(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """``data``, broken in one to five places, as JSON or as text."""
    if random.random() < 0.75 and data[:1] == b"{":
        data = _broken_json(random, data)
        if random.random() < 0.8:
            return data[:LONGEST]
    for _ in range(random.choice([1, 1, 2, 5])):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.choice([0, 1, 1, 4, 30, 1000]))
        match random.randrange(5):
            case 0:
                data = data[:at] + data[to:]
            case 1:
                data = data[:at] + random.choice(_PIECES) + data[to:]
            case 2:
                data = data[:at] + random.choice([str(random.choice(_NUMBERS)), json.dumps(random.choice(_TEXTS))]).encode() + data[to:]
            case 3:
                other = random.choice(others)
                begin = random.randrange(len(other) + 1)
                data = data[:at] + other[begin : begin + 500] + data[to:]
            case _:
                data = data[:at] + data[at:to] * 3 + data[to:]
    return data[:LONGEST]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else []
        for key in keys:
            yield inside, key
            waiting.append(inside[key])


def _broken_json(random: Random, data: bytes) -> bytes:
    """Some values of a JSON text replaced, removed, renamed or put elsewhere."""
    value = json.loads(data)
    for _ in range(random.choice([1, 1, 2, 4])):
        places = list(_places(value))
        if not places:
            break
        inside, key = random.choice(places)
        other, place = random.choice(places)
        match random.randrange(6):
            case 0 if isinstance(inside, dict):
                del inside[key]
            case 1:
                inside[key] = deepcopy(other[place])
            case 2 if isinstance(inside, dict):
                inside[str(place)] = inside.pop(key)
            case 3 if isinstance(inside, list):
                inside.insert(key, deepcopy(inside[key]))
            case 4 if isinstance(inside[key], int):
                inside[key] = random.choice(_NUMBERS)
            case _:
                inside[key] = deepcopy(random.choice(_VALUES))
    return json.dumps(value).encode()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("slow")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check(kind: str, data: bytes, place: Path) -> None:
    """Give ``data`` to what reads a ``kind``. Raises Broken where a promise is broken, and whatever is let through."""
    file = place / f"input.{kind}"
    file.write_bytes(data)
    began = time.process_time()
    with contextlib.chdir(place), _alarm(SLOW_SECONDS):
        CHECKS[kind](file)
    if time.process_time() - began > SLOW_SECONDS:  # the alarm was taken for something else
        raise Broken("slow")


def fuzz(seconds: float, seed: int, kinds: Sequence[str], failures: Path, console: Console) -> int:
    """Break and read until the time is over; the number of kinds of failures, of each of which an input is in
    ``failures``.
    """
    random = Random(seed)
    failed: dict[str, Path] = {}
    counts = dict.fromkeys(kinds, 0)
    with tempfile.TemporaryDirectory(prefix="fuzz-inputs-") as folder:
        place = Path(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            begun = seeds(place)
        began = told = time.monotonic()
        while time.monotonic() - began < seconds:
            kind = random.choice(kinds)
            data = broken(random, random.choice(begun[kind]), begun[kind])
            counts[kind] += 1
            try:
                check(kind, data, place)
            except Exception as error:
                what = f"{kind}: {type(error).__name__}: {str(error)[:80]}"
                if what not in failed:
                    failures.mkdir(parents=True, exist_ok=True)
                    failed[what] = failures / f"{hashlib.sha256(data).hexdigest()[:12]}.{kind}"
                    failed[what].write_bytes(data)
                    console.print(f"{kind}: {type(error).__name__}: {str(error)[:400]}", f"  {failed[what]}", sep="\n", markup=False)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                console.print(f"{sum(counts.values()):,} inputs in {told - began:.0f} s, {len(failed)} kinds of failures")
        each = ", ".join(f"{kind} {count:,}" for kind, count in counts.items())
        console.print(
            f"{sum(counts.values()):,} inputs ({each}) in {time.monotonic() - began:.0f} s, {len(failed)} kinds of failures (--seed {seed})"
        )
    return len(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--failures", type=Path, default=Path(".sendright/fuzz"))
    parser.add_argument("--kind", action="append", choices=list(CHECKS))
    parser.add_argument("--again", type=Path)
    options = parser.parse_args()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    if options.again:
        with tempfile.TemporaryDirectory() as folder:
            seeds(Path(folder))
            check(options.again.suffix[1:], options.again.read_bytes(), Path(folder))
        return 0
    failures = options.failures if options.failures.is_absolute() else Path(os.getcwd()) / options.failures
    return 1 if fuzz(options.seconds, options.seed, options.kind or list(CHECKS), failures, Console(stderr=True)) else 0


if __name__ == "__main__":
    sys.exit(main())
