"""Work in processes that die, fail or are left alone."""

import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
import z3
from support.places import SENDRIGHT

from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.language.rule import RULES
from sendright.model.proof import prove as prover
from sendright.model.proof.counterexamples.counterexample import Question
from sendright.model.proof.obligations import CaseProof, looked_closer
from sendright.model.proof.processes.workers import Lost, hearing, in_workers, note


class Job(msgspec.Struct, frozen=True):
    number: int
    marks: str
    """A directory in which attempts leave a file each."""


def work(job: Job) -> int:
    attempts = len(list(Path(job.marks).glob(f"{job.number}-*")))
    Path(job.marks, f"{job.number}-{attempts}").touch()
    if job.number == 3 or (job.number == 4 and attempts == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.number == 5:
        raise ZeroDivisionError("five")
    if job.number == 6:
        time.sleep(60)
    if job.number == 7:
        note("seven")
    return job.number * 10


def test_a_process_that_dies_loses_its_own_work_only(tmp_path: Path) -> None:
    jobs = [Job(number, str(tmp_path)) for number in (1, 3, 4, 2)]
    lost = Lost("the processes that worked on it died, the last one with SIGKILL")
    assert {job.number: answer for job, answer in in_workers(work, jobs, 2)} == {1: 10, 2: 20, 3: lost, 4: 40}


def test_what_the_work_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="five"):
        list(in_workers(work, [Job(6, str(tmp_path)), Job(5, str(tmp_path))], 2))


def test_what_a_process_notes_is_heard_while_it_works(tmp_path: Path) -> None:
    heard: list[str] = []
    answers = {job.number: answer for job, answer in in_workers(work, [Job(number, str(tmp_path)) for number in (7, 1)], 1, on_note=heard.append)}
    assert (heard, answers) == (["seven"], {7: 70, 1: 10})


def test_the_progress_line_names_what_a_counterexample_is_looked_for() -> None:
    seen: list[tuple[int, int, str]] = []
    shown = prover.ProgressLine(3, lambda *what: seen.append(what))
    unit = CaseProof(RULES["mach_port_type"], 0, MANUAL)
    unproved = Obligation(call="mach_port_type", case=unit.case.id, property="invariant 8", title="", verdict=Verdict.UNDETERMINED, seconds=0.0)
    shown.one_more("mach_port_names")
    with hearing(shown.note):
        found = looked_closer(MANUAL, unproved, Question(unit.k, [("false", z3.BoolVal(False))], unit.assumptions, unit.case, unit.after))
    shown.again()
    assert found.verdict is Verdict.REFUTED
    assert seen == [(1, 3, "mach_port_names"), *[(1, 3, "looking for a counterexample: mach_port_type, invariant 8")] * 2]


def test_nobody_works_on_when_nobody_waits(tmp_path: Path) -> None:
    answers = in_workers(work, [Job(1, str(tmp_path)), Job(6, str(tmp_path))], 2)
    assert next(answers)[1] == 10
    began = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 30, "the other one would sleep for a minute"


def test_a_part_that_is_lost_is_crashed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_die(function: object, work: list[prover.ProofTask], jobs: int, *_: object) -> list[tuple[prover.ProofTask, Lost]]:
        return [(part, Lost("SIGKILL")) for part in work]

    monkeypatch.setattr(prover, "in_workers", all_die)
    result = prover.prove(MANUAL, calls=["mach_port_type"], jobs=2)
    assert result.verdict is Verdict.CRASHED
    assert {(one.call, one.property) for one in result.obligations} == {("mach_port_type", "everything"), ("mach_port_type", "sequence")}
    assert "mach_port_type/KERN_INVALID_TASK" in " ".join(f"{one.call}/{one.case}" for one in result.obligations)
    assert all("SIGKILL" in (one.scope or "") for one in result.obligations)


def test_an_interrupted_proof_ends_with_its_processes(tmp_path: Path) -> None:
    with subprocess.Popen([*SENDRIGHT, "prove", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while len(children(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert msgspec.json.decode(out)["interrupted"]
    assert (tmp_path / "sendright-report" / "junit.xml").exists()
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def children(process: int) -> list[int]:
    """Its workers: processes that it started and that are Python's spawned ones."""
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc")
    numbers = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(number) for number in numbers if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()]
