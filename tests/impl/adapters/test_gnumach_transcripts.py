"""The live kernel's recorded answers and views, judged by the specification: what a machine without QEMU can see of
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec
import pytest
from support.gnumach_transcripts import PlayedBack, Transcript, transcripts

from sendright.impl.adapters.gnumach import GnuMach
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import tupled
from sendright.model.tracing import evidence
from sendright.properties.runs.judged_run import Violated
from sendright.properties.runs.run import Run


@pytest.fixture(scope="module")
def recorded() -> list[Transcript]:
    return transcripts()


def replayed(transcript: Transcript) -> Run:
    run = Run(GnuMach(lambda: PlayedBack(transcript)), Oracle(GNUMACH), GNUMACH)
    run.boot()
    for task, call in transcript.calls:
        with contextlib.suppress(NotMade):
            run.step(task, tupled(call))
    run.finish()
    return run


def test_the_specification_agrees_with_what_the_live_kernel_did(recorded: list[Transcript]) -> None:
    runs = [replayed(transcript) for transcript in recorded]
    steps = [step for run in runs for step in run.steps]
    assert len(steps) > 3000
    cases = {case for step in steps for case in step.cases}
    assert cases == evidence.runs()[0].cases, "what they reach is recorded as evidence: run python tests/record_evidence.py"
    assert len(cases) > 200, "the recorded runs reach most cases of the specification"
    assert any(step.resume for step in steps), "and calls that waited have gone on"


def answers(transcript: Transcript) -> Iterator[tuple[int, list[str]]]:
    """Where in its answers a transcript tells what a task shows: the lines, and their words."""
    for number, (_, answered) in enumerate(transcript.lines):
        words = answered.split()
        if any(word == "T" and words[at + 2] not in ("=",) and at + 3 < len(words) for at, word in enumerate(words)):
            yield number, words


def test_any_other_number_in_a_view_is_found(recorded: list[Transcript]) -> None:
    """Each word of some views, changed: a name, a type, references, a status. (Which port it is may show later, or not
    at all.)
    """
    transcript = next(each for each in recorded if any("2 0 0 0 0 5 0 0 0 0" in answered for _, answered in each.lines))
    number, words = next((number, words) for number, words in answers(transcript) if "2 0 0 0 0 5 0 0 0 0" in " ".join(words))
    begin = words.index("T") + 2
    found, kept = 0, []
    for at in range(begin, len(words)):
        if words[at] in ("T", "="):
            break
        changed = [*words[:at], f"{int(words[at], 16) + 1:x}", *words[at + 1 :]]
        lines = list(transcript.lines)
        lines[number] = (lines[number][0], " ".join(changed))
        try:
            replayed(msgspec.structs.replace(transcript, lines=tuple(lines)))
        except Violated as broken:
            found += broken.violation.step <= number
        else:
            kept.append(at)
    assert found > 10
    assert len(kept) <= found // 3, [words[at] for at in kept]


def test_any_other_answer_is_found(recorded: list[Transcript]) -> None:
    for transcript in recorded[:30]:
        lines = list(transcript.lines)
        number = len(lines) - 1
        asked, answered = lines[number]
        if not answered.startswith("A "):
            continue
        words = answered.split()
        lines[number] = asked, " ".join(["A", "0" if words[1] != "0" else "5", *words[2:]])
        with pytest.raises(Violated):
            replayed(msgspec.structs.replace(transcript, lines=tuple(lines)))
