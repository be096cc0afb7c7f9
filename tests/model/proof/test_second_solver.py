"""A second solver is asked everything again. What it says against the first one shows, and so does its end."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import z3
from support.places import SENDRIGHT

from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Basis, ProofResult
from sendright.mach.results.verdicts import ExitStatus, Verdict, exit_status
from sendright.model.proof import obligations
from sendright.model.proof.prove import prove
from sendright.model.proof.solver import instantiate, questions, second_solver
from sendright.model.proof.solver.cache import open_cache
from sendright.model.proof.solver.questions import Also
from sendright.model.proof.solver.second_solver import SecondSolver
from sendright.model.proof.solver.smtlib import script

pytest.importorskip("cvc5")

CALL = "mach_port_deallocate"
CVC5 = Also(second_solver="cvc5")


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    assert questions._questions.second is None, "the second solver's process has not been ended"


@pytest.fixture
def no_refuting(monkeypatch: pytest.MonkeyPatch) -> None:
    from sendright.model.proof.counterexamples import refute

    monkeypatch.setattr(refute, "refute", lambda *arguments: refute.Outcome("not looked for", None, False))


def proved(also: Also = CVC5, invariants: tuple[int | str, ...] = (8, 28, "T2"), call: str = CALL) -> ProofResult:
    return prove(MANUAL, calls=[call], invariants=invariants, jobs=0, also=also)


def test_it_confirms_every_answer() -> None:
    result = proved()
    assert (result.verdict, result.second_solver) == (Verdict.PROVED, second_solver.second_solver_version("cvc5"))
    for one in result.obligations:
        if one.basis in (Basis.UNTOUCHED, Basis.OTHERS):
            assert one.second is None
        else:
            assert one.second is not None
            assert (one.second.verdict, one.second.words, one.second.question) == (Verdict.PROVED, "", None)
            assert one.second.questions > 0
            assert one.second.seconds > 0
    assert {one.basis for one in result.obligations} > {Basis.INVARIANTS, Basis.NOTHING}


@pytest.mark.heavy
def test_nothing_changes_for_the_first_solver() -> None:
    def first(result: ProofResult) -> list[tuple[str, str, Verdict, Basis]]:
        return [(one.case, one.property, one.verdict, one.basis) for one in result.obligations]

    alone = proved(Also(), (8,))
    assert first(alone) == first(proved(invariants=(8,)))
    assert all(one.second is None for one in alone.obligations)


@pytest.mark.parametrize("wrong", ["alone", "assumed"])
def test_a_wrong_answer_of_the_first_solver_is_contradicted(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover that proves what doesn't follow: z3 is said to answer ``unsat`` where it doesn't."""
    if wrong == "alone":
        monkeypatch.setattr(obligations, "follows_from_nothing", lambda goal: True)
    else:

        def decide(self: instantiate.Proof, goal: z3.BoolRef, hint: object = None) -> z3.CheckSatResult:
            self._begin()
            self.solver.push()
            self.solver.add(z3.Bool("anything"))
            assert self.on_answer is not None
            self.on_answer(self.solver.assertions, z3.unsat)
            self.solver.pop()
            return z3.unsat

        monkeypatch.setattr(instantiate.Proof, "decide", decide)
    result = proved(invariants=(8,))
    assert result.verdict is Verdict.FAILED
    assert exit_status(result.verdict) is ExitStatus.VIOLATION
    against = [one.second for one in result.obligations if one.second is not None and one.second.verdict is Verdict.FAILED]
    assert against
    for second in against:
        assert "the first solver answers unsat, the second one sat" in second.words
        assert second.question is not None
        again = z3.Solver(ctx=z3.Context())
        again.from_string(second.question)
        assert again.check() == z3.sat
    assert {one.verdict for one in result.obligations} == {Verdict.PROVED}, "the first solver's answers stay as they are"


@pytest.mark.usefixtures("no_refuting")
def test_a_proof_that_the_first_solver_does_not_find_is_no_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    """z3 answers ``sat`` or ``unknown`` to what follows: the second solver says so, and nothing becomes PROVED."""
    for answer, verdict in ((z3.sat, Verdict.FAILED), (z3.unknown, Verdict.UNDETERMINED)):
        decide = instantiate.Proof.decide

        def wrong(self: instantiate.Proof, goal: z3.BoolRef, hint: object = None, answer: z3.CheckSatResult = answer) -> z3.CheckSatResult:
            told, self.on_answer = self.on_answer, None
            try:
                decide(self, goal)  # noqa: B023
            finally:
                self.on_answer = told
            assert told is not None
            told(lambda: [z3.BoolVal(False)], answer)
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(instantiate.Proof, "decide", wrong)
            result = proved(invariants=(8,))
        assert result.verdict is combined(verdict)
        open_ones = [one for one in result.obligations if one.verdict is Verdict.UNDETERMINED]
        assert open_ones
        assert {one.second.verdict for one in open_ones if one.second is not None} == {verdict}


def combined(verdict: Verdict) -> Verdict:
    return Verdict.FAILED if verdict is Verdict.FAILED else Verdict.UNDETERMINED


def test_a_question_that_takes_too_long_is_undetermined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine pigeons have not enough room in eight holes: with little effort that isn't seen."""
    holes = range(8)
    pigeons = [[z3.Bool(f"{pigeon} in {hole}") for hole in holes] for pigeon in range(9)]
    crowded = [z3.Not(z3.And(one[hole], other[hole])) for hole in holes for one, other in combinations(pigeons, 2)]
    text = script([*map(z3.Or, pigeons), *crowded])
    answers = []
    for limit in (1_000, second_solver.RLIMIT):
        solver = SecondSolver(limit)
        answers.append(solver.ask(text))
        solver.close()
    assert [answer[:2] for answer in answers] == [("unknown", "limit 1000"), ("unsat", "")]
    monkeypatch.setattr(SecondSolver, "ask", lambda *_: answers[0])
    result = proved(invariants=(8,))
    assert result.verdict is Verdict.UNDETERMINED
    assert {one.verdict for one in result.obligations} == {Verdict.PROVED}
    assert any(one.second is not None and "the second one unknown (limit 1000)" in one.second.words for one in result.obligations)


@pytest.mark.heavy
def test_the_cache_does_not_answer_for_it(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "proofs")
    for also in (Also(), CVC5, Also()):
        result = prove(MANUAL, calls=[CALL], invariants=[8], jobs=0, cache=cache, also=also)
        assert result.verdict is Verdict.PROVED
        assert all(one.second is not None or one.basis is Basis.UNTOUCHED for one in result.obligations) == (also is CVC5)
    assert any(one.cached for one in result.obligations), "and it keeps what was proved"


# ---- its process


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package ``cvc5`` that the second solver's process finds first: its ``Solver`` runs
    ``does.py``.
    """
    (tmp_path / "cvc5").mkdir()
    (tmp_path / "cvc5" / "__init__.py").write_text(
        "import os, pathlib, signal, time\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "__version__ = '0'\n"
        "class TermManager: pass\n"
        "def Solver(manager):\n"
        "    number = int(count.read_text() or 0) if count.exists() else 0\n"
        "    count.write_text(str(number + 1))\n"
        f"    exec(pathlib.Path({str(tmp_path / 'does.py')!r}).read_text())\n"
        "    raise RuntimeError('cannot\\nread\\x07 this')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_a_process_that_dies_is_tried_again_and_then_given_up(fake: Path) -> None:
    (fake / "does.py").write_text("os.kill(os.getpid(), signal.SIGKILL)")
    result = proved(invariants=(8,))
    assert result.verdict is Verdict.CRASHED
    assert {one.verdict for one in result.obligations} == {Verdict.PROVED}
    seconds = [one.second for one in result.obligations if one.second is not None]
    assert {(second.verdict, second.words) for second in seconds} == {(Verdict.CRASHED, "its process died with SIGKILL")}
    assert sum(second.questions for second in seconds) > 2
    assert (fake / "count").read_text() == "4", "two questions are tried twice each; then it isn't started again"


def test_a_process_that_died_once_loses_nothing(fake: Path) -> None:
    (fake / "does.py").write_text("number or os._exit(7)")
    second = SecondSolver()
    try:
        answer = second.ask("(check-sat)")
        assert (answer.answer, answer.words) == ("error", "cannot read\x07 this")
        (fake / "does.py").write_text("os._exit(7)")
        assert second.ask("(check-sat)")[:2] == ("lost", "its process died with exit status 7")
    finally:
        second.close()


def test_a_process_that_hangs_is_ended(fake: Path) -> None:
    (fake / "does.py").write_text("time.sleep(60)")
    second = SecondSolver(patience=1.0)
    try:
        answer = second.ask("x" * 200_000)  # more than a pipe holds
        assert answer[:2] == ("lost", "its process gave no answer for 1 s")
        assert (fake / "count").read_text() == "1", "a hang isn't tried again"
        assert answer.seconds < 20
    finally:
        second.close()


@pytest.mark.parametrize("text", ["", "(", "(assert x)", "(check-sat)(check-sat)", "\0", "(exit)"])
def test_what_it_cannot_read_is_no_answer(text: str) -> None:
    second = SecondSolver()
    try:
        answer = second.ask(text)
        assert answer.answer == "error"
        assert answer.words
        assert second.ask("(set-logic ALL)(assert false)(check-sat)")[:2] == ("unsat", "")
    finally:
        second.close()


# ---- the command

PART = ["prove", "-q", "--no-cache", "--call", CALL, "--invariant", "8", "--jobs", "1", "--second-solver", "cvc5"]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("directory")
@pytest.mark.heavy
def test_the_command_asks_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PART, "--json"]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)
    asked_again = [one["second"] for one in data["obligations"] if one["second"]]
    assert {second["verdict"] for second in asked_again} == {"PROVED"}
    assert data["second_solver"].startswith("cvc5 ")
    assert err == ""


@pytest.mark.heavy
@pytest.mark.usefixtures("directory")
def test_the_command_says_that_it_died(fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fake / "does.py").write_text("os.kill(os.getpid(), signal.SIGKILL)")
    assert main(PART) == 3
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert "cvc5" in line
    assert "its process died with SIGKILL, so" in line
    words = " ".join(out.split())
    assert "CRASHED: " in words
    assert "confirms 0 of the" in words
    assert "obligations proved" in words
    page = Path("sendright-report/report.html").read_text()
    assert "its process died with SIGKILL" in page
    assert "Every obligation is proved, but cvc5" in page
    assert "its process died with SIGKILL" in Path("sendright-report/junit.xml").read_text()


@pytest.mark.parametrize(("name", "words"), [("cvc4", "unknown solver 'cvc4' (choose cvc5)"), ("cvc5", "pip install cvc5")])
def test_no_such_solver(directory: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(second_solver, "find_spec", lambda name: None)
    assert main(["prove", "--second-solver", name, "--smtlib", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sendright: --second-solver: ")
    assert words in line
    assert not list(directory.iterdir())


def descendants(root: int) -> set[int]:
    """All processes that ``root`` has started, and theirs."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def command_of(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the processes in")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_nothing_stays_when_the_command_ends(directory: Path, number: int, status: int) -> None:
    command = [*SENDRIGHT, "prove", "-q", "--no-cache", "--call", "mach_msg_send"]
    with subprocess.Popen([*command, "--second-solver", "cvc5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory) as process:
        deadline = time.monotonic() + 60
        while not any(b"second_solver_process" in command_of(one) for one in descendants(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        started = descendants(process.pid)
        assert len(started) > 2
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == status
    deadline = time.monotonic() + 20
    while (left := [one for one in started if command_of(one)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
