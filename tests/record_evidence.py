"""Records which cases of the specification a live GNU Mach has agreed on, for ``sendright trace-spec --evidence``.

Run ``python tests/record_evidence.py`` on a machine that is set up (``sendright setup gnumach``), when rules or
recorded transcripts have changed. It judges the transcripts again, replays ``tests/scripts/gnumach.json`` on the live
kernel, and makes random runs on it. What they reach is in ``model/tracing/runs.json`` then. A case counts if the
kernel's answer to the step, and all that it showed after the step, agreed.

Without a live kernel, ``--transcripts`` records only what the transcripts reach, and keeps the other records whose
cases still exist.
"""

from __future__ import annotations

import argparse
import sys

import msgspec
from support.gnumach_transcripts import PlayedBack, transcripts
from support.places import TESTS

from sendright.impl.adapters.gnumach import GnuMach
from sendright.impl.adapters.gnumach.files import NotSetUp, files
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH
from sendright.mach.results.evidence import EvidenceKind
from sendright.mach.results.verdicts import Verdict
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import tupled
from sendright.model.tracing.evidence import RUNS, RecordedRun, runs
from sendright.properties.check import check
from sendright.properties.runs.run import Run
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

KERNEL = "GNU Mach 1.8 of Debian (2:1.8+git20221224-2), under QEMU"
EXAMPLES, STEPS, SEED = 300, 30, 1


def of_transcripts() -> frozenset[str]:
    """The cases that the recorded runs reach."""
    reached: set[str] = set()
    for transcript in transcripts():
        run = Run(GnuMach(lambda transcript=transcript: PlayedBack(transcript)), Oracle(GNUMACH), GNUMACH)  # type: ignore[misc]
        run.boot()
        for task, call in transcript.calls:
            try:
                run.step(task, tupled(call))
            except NotMade:
                continue
        run.finish()
        reached.update(case for step in run.steps for case in step.cases)
    return frozenset(reached)


def of_live_runs() -> frozenset[str]:
    """The cases that scripts and random runs reach on the live kernel. Raises NotSetUp, and SystemExit if it
    disagrees.
    """
    files()
    kernel = GnuMach()
    scripts = replay([load_script(TESTS / "scripts" / "gnumach.json")], lambda: kernel, Oracle)
    random = check(lambda: kernel, Oracle, GNUMACH, EXAMPLES, STEPS, seed=SEED)
    kernel.end()
    for result in (scripts, random):
        if result.verdict is not Verdict.PASSED:
            raise SystemExit(f"the live kernel disagrees with the specification: {result.verdict.value}. Nothing is recorded.")
    steps = [step for case in scripts.cases if case.trace for step in case.trace.steps]
    return frozenset(random.cases_reached) | {case for step in steps for case in step.cases}


def seen(words: str, cases: frozenset[str]) -> RecordedRun:
    return RecordedRun(profile=GNUMACH.name, kind=EvidenceKind.LIVE_RUN, words=f"{KERNEL}: {words}", cases=cases)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transcripts", action="store_true", help="record only what the transcripts reach")
    chosen = parser.parse_args(arguments)
    recorded = of_transcripts()
    if chosen.transcripts:
        live = frozenset(case for each in runs()[1:] for case in each.cases) & set(Oracle(GNUMACH).all_cases)
    else:
        try:
            live = of_live_runs()
        except NotSetUp as error:
            print(f"record_evidence.py: {error}", file=sys.stderr)
            return 2
    found = (
        seen("recorded runs that each test run judges anew (tests/transcripts/gnumach.jsonl.gz)", recorded),
        seen(f"tests/scripts/gnumach.json, and {EXAMPLES} random runs with the seed {SEED} (tests/record_evidence.py)", live - recorded),
    )
    RUNS.write_bytes(msgspec.json.format(msgspec.json.encode(found, order="deterministic"), indent=1) + b"\n")
    for each in found:
        print(f"{len(each.cases)} cases: {each.words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
