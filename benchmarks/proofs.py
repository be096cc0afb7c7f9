"""Where the time of proofs goes: in z3, around it, in a second solver, with the cache.

One run proves the same obligations in several ways, in turn, in one process. What counts are the ratios: they say the
same on any machine. Processor time is measured, of this process and of the second solver's.

    python benchmarks/proofs.py [--profile P] [--call CALL] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import z3
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.results.checks import Basis, ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof.obligations import decide
from sendright.model.proof.prove import UnknownSelection, proof_tasks, prove
from sendright.model.proof.solver.cache import Cache, open_cache
from sendright.model.proof.solver.questions import Also
from sendright.model.proof.solver.second_solver import CVC5

CALLS = ("mach_port_deallocate", "mach_port_mod_refs")


class Clock:
    """Processor time that passes in z3's checks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of all checks in the block."""
        check = z3.Solver.check

        def timed(solver: Any, *assumptions: Any) -> Any:
            began = time.process_time()
            try:
                return check(solver, *assumptions)
            finally:
                self.seconds += time.process_time() - began

        z3.Solver.check = timed
        try:
            yield
        finally:
            z3.Solver.check = check


def proved(profile: Profile, calls: list[str], cache: Cache | None = None, also: Also | None = None) -> ProofResult:
    """Prove the calls in this process. Exits if something isn't proved: then its time says nothing."""
    result = prove(profile, calls=calls, jobs=0, cache=cache, also=also or Also())
    if result.verdict not in (Verdict.PROVED, Verdict.BREAKS_AS_KNOWN):
        sys.exit(f"not proved: {result.verdict.value}")
    return result


def measure(profile: Profile, calls: list[str], rounds: int) -> dict[str, Any]:
    """All ways in turn; each number is the median of the rounds."""
    seconds: dict[str, list[float]] = {}
    counts: dict[Basis, int] = {}
    with_cvc5 = find_spec(CVC5) is not None

    def timed(name: str, work: Callable[[], ProofResult]) -> ProofResult:
        began = time.process_time()
        result = work()
        seconds.setdefault(name, []).append(time.process_time() - began)
        return result

    decide(
        profile.name, next(part for part in proof_tasks(profile, calls) if part.kind == "cases")
    )  # what is made once in a process is made before the first round
    for _ in track(range(rounds), "Measuring", console=Console(stderr=True), transient=True):
        clock = Clock()
        with clock.running():
            counts = timed("proving", lambda: proved(profile, calls)).counts
        seconds.setdefault("in z3", []).append(clock.seconds)
        with tempfile.TemporaryDirectory() as folder:
            cache = open_cache(Path(folder, "proofs").resolve())
            timed("proving and caching", lambda: proved(profile, calls, cache))  # noqa: B023
            timed("cached", lambda: proved(profile, calls, cache))  # noqa: B023
        timed("writing SMT-LIB", lambda: prove(profile, calls=calls, jobs=0, also=Also(scripts=True)))
        if with_cvc5:
            result = proved(profile, calls, also=Also(second_solver=CVC5))
            opinions = [one.second for one in result.obligations if one.second is not None]
            seconds.setdefault("in cvc5", []).append(sum(opinion.seconds for opinion in opinions))
            confirmed = sum(opinion.verdict is Verdict.PROVED for opinion in opinions)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    proving, in_z3 = median["proving"], median["in z3"]
    return {
        "profile": profile.name,
        "calls": calls,
        "obligations": sum(counts.values()),
        "counts": {basis.value: count for basis, count in counts.items()},
        "seconds": median,
        "proofs_per_second": sum(counts.values()) / proving,
        "around_z3_to_z3": (proving - in_z3) / in_z3,
        "cached_to_proving": median["cached"] / proving,
        "caching_to_proving": median["proving and caching"] / proving,
        "smtlib_to_proving": median["writing SMT-LIB"] / proving,
        "cvc5_to_z3": median["in cvc5"] / in_z3 if with_cvc5 else None,
        "confirmed_by_cvc5": confirmed if with_cvc5 else None,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), default="manual", help="kernel profile (default: manual)")
    parser.add_argument("--call", action="append", help=f"a call to prove; may be repeated (default: {', '.join(CALLS)})")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    asked = parser.parse_args(arguments)
    if asked.rounds < 1:
        parser.error("--rounds is at least 1")
    try:
        found = measure(PROFILES[asked.profile], asked.call or list(CALLS), asked.rounds)
    except UnknownSelection as error:
        parser.error(str(error))
    if asked.json:
        json.dump(found, sys.stdout)
        return
    table = Table(
        "", "ratio", title=f"{found['obligations']:,} obligations of {found['profile']}, {found['proofs_per_second']:.0f} proofs per second"
    )
    table.columns[1].justify = "right"
    table.add_row("time around z3 : time in z3", f"{found['around_z3_to_z3']:.2f} : 1")
    table.add_row("cvc5 : z3, on the same questions", f"{found['cvc5_to_z3']:.2f} : 1" if found["cvc5_to_z3"] else "cvc5 is not installed")
    table.add_row("answered from the cache : proving", f"{found['cached_to_proving']:.2f} : 1")
    table.add_row("proving and caching : proving", f"{found['caching_to_proving']:.2f} : 1")
    table.add_row("proving and writing SMT-LIB : proving", f"{found['smtlib_to_proving']:.2f} : 1")
    for basis, count in found["counts"].items():
        table.add_row(basis, f"{count:,}")
    Console(width=None if Console().is_terminal else 120).print(table)


if __name__ == "__main__":
    main()
