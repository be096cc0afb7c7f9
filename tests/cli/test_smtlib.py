"""``sendright prove --smtlib DIR``: a script for each obligation, and an index. No file of a user's is touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import z3

from sendright.cli import smtlib
from sendright.cli.main import main
from sendright.mach.kernel.profiles import MANUAL
from sendright.mach.results.checks import Basis, Obligation, ProofResult
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof import obligations
from sendright.model.proof import prove as prover
from sendright.model.proof.counterexamples import refute
from sendright.model.proof.processes.workers import in_workers
from sendright.model.proof.solver.questions import Also, doing, write_script
from sendright.reports import write

PART = ["prove", "-q", "--no-cache", "--call", "mach_port_deallocate", "--jobs", "1"]
CHOSEN = [*PART, "--invariant", "8", "--invariant", "26", "--invariant", "T2"]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prover, "in_workers", lambda decide, work, jobs, *_: ((part, decide(part)) for part in work))
    return tmp_path


def written(chosen: list[str], folder: str) -> dict[str, bytes]:
    assert main([*chosen, "--smtlib", folder]) == 0
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != smtlib.INDEX}


def test_every_obligation_with_a_question_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CHOSEN, "--smtlib", "new/folder", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    index = json.loads(Path("new/folder/index.json").read_bytes())
    scripts = {path.name: path.read_text() for path in Path("new/folder").glob("*.smt2")}
    assert [entry["file"] for entry in index["scripts"]] == sorted(scripts)
    assert data["reports"] == ["new/folder/index.json"]
    asked = {(one["call"], one["case"], one["property"]) for one in data["obligations"] if one["basis"] != Basis.UNTOUCHED.value}
    assert {(entry["call"], entry["case"], entry["property"]) for entry in index["scripts"]} == asked
    assert index["counts"] == data["counts"]
    assert index["not_checked"]
    for entry in index["scripts"]:
        text = scripts[entry["file"]]
        assert text.startswith(f"; written by sendright\n; {entry['call']}, {entry['case']}: {entry['property']}, ")
        assert f"(set-info :status {entry['status']})" in text
        assert entry["status"] == "unsat"
        assert "!" not in text.replace("!any", ""), "numbers that differ from run to run"


def test_files_are_the_same_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(CHOSEN, "first")
    with monkeypatch.context() as patch:
        patch.setattr(prover, "in_workers", in_workers)
        assert first == written([*CHOSEN, "--jobs", "2"], "second")
    assert first == written(CHOSEN, "first")
    fewer = written([*PART, "--invariant", "8"], "first")
    assert fewer.items() < first.items(), "an earlier run's scripts are gone, those of the same obligations are the same"


@pytest.mark.heavy
def test_the_cache_may_answer(tmp_path: Path) -> None:
    cached = [word for word in CHOSEN if word != "--no-cache"] + ["--cache", str(tmp_path / "proofs")]
    assert written(cached, "first") == written(cached, "second") == written(CHOSEN, "third")


def test_what_is_not_proved_has_no_known_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refute, "refute", lambda *arguments: refute.Outcome("not looked for", None, False))
    monkeypatch.setattr(obligations, "_decide", lambda *arguments: (obligations.Verdict.UNDETERMINED, 0.0, "a clause"))
    scripts = smtlib.Scripts(Path("out"))
    result = prover.prove(MANUAL, calls=["mach_port_deallocate"], invariants=[8], jobs=0, also=Also(scripts=True), on_script=scripts.add)
    assert scripts.finish(result) == ""
    index = json.loads(Path("out/index.json").read_bytes())
    assert {entry["status"] for entry in index["scripts"]} == {"unknown"}


def test_a_users_own_files_stay(capsys: pytest.CaptureFixture[str]) -> None:
    names = sorted(written(CHOSEN, "out"))
    own = Path("out") / names[0]
    own.write_text("my own\n")
    mine, notes = Path("out/mine.smt2"), Path("out/notes.txt")
    mine.write_text("(check-sat)\n")
    notes.write_text("; written by sendright\n")
    capsys.readouterr()
    assert main([*CHOSEN, "--smtlib", "out"]) == 2
    out, err = capsys.readouterr()
    assert "PROVED" in out
    (line,) = err.splitlines()
    assert line == f"sendright: --smtlib: 1 file is not written, the first: {own}: there is a file that sendright didn't write; remove it first"
    assert (own.read_text(), mine.read_text(), notes.read_text()) == ("my own\n", "(check-sat)\n", "; written by sendright\n")
    assert names[0] not in {entry["file"] for entry in json.loads(Path("out/index.json").read_bytes())["scripts"]}


def unfit() -> dict[str, str]:
    """Folders that can't be used, and why."""
    Path("file").write_text("x")
    Path("taken").mkdir()
    Path("taken/index.json").write_text("{}")
    Path("folder").mkdir()
    Path("folder/index.json").mkdir()
    return {"file": "File exists", "file/below": "Not a directory", "taken": "taken/index.json: there is a file that", "folder": "Is a directory"}


def test_unfit_folders(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, words in unfit().items():
        before = sorted(map(str, directory.rglob("*")))
        assert main([*CHOSEN, "--smtlib", folder]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"sendright: --smtlib: {folder} can't be used: ")
        assert words in line
        assert sorted(map(str, directory.rglob("*"))) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    Path("closed").mkdir(mode=0o555)
    assert main([*CHOSEN, "--smtlib", "closed"]) == 2
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.heavy
def test_a_script_that_is_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(smtlib, "SCRIPT_LIMIT", 10_000)
    assert main([*CHOSEN, "--smtlib", "out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the limit is 10,000" in line
    scripts = list(Path("out").glob("*.smt2"))
    assert scripts
    assert all(path.stat().st_size <= 10_000 for path in scripts)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(path: Path, text: str) -> Path:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(write, "write_text", full)
    assert main([*CHOSEN, "--smtlib", "out", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == "PROVED"
    (line,) = err.splitlines()
    assert "No space left on device" in line
    assert not list(Path("out").iterdir())


def test_a_formula_that_cannot_be_written_is_named() -> None:
    """An invariant of a plugin's may use what the writer doesn't know."""
    one = Obligation(call="mine", case="all cases", property="invariant 901", title="words", verdict=Verdict.PROVED, seconds=0.0)
    with doing(Also(scripts=True)) as scripts:
        write_script(one, [([], [z3.Length(z3.String("word")) >= 0])])
    folder = smtlib.Scripts(Path("out"))
    folder.add(*scripts)
    words = folder.finish(ProofResult(verdict=Verdict.PROVED, profile="manual", obligations=(one,), seconds=0.0, solver="z3"))
    assert words.startswith("--smtlib: 1 file is not written, the first: mine--all-cases--invariant-901--")
    assert words.endswith(": sendright can't write the sort String as SMT-LIB")
    assert json.loads(Path("out/index.json").read_bytes())["scripts"] == []
