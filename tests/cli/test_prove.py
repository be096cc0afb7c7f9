"""``sendright prove``, in parts that are quick."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.report_runs import proof_result, refuted

from sendright.cli.main import main
from sendright.mach.results.checks import ProofResult
from sendright.mach.results.verdicts import Verdict

PART = ["prove", "--call", "mach_port_type", "--invariant", "8", "--invariant", "26", "--jobs", "1"]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_proof_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PART, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    data = json.loads(line)
    assert data["verdict"] == "PROVED"
    assert {one["verdict"] for one in data["obligations"]} == {"PROVED"}
    assert "invariant 8" in {one["property"] for one in data["obligations"]}
    assert {one["call"] for one in data["obligations"]} == {"mach_port_type"}
    assert not Path("sendright-report").exists()


def test_a_proof_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PART) == 0
    text = capsys.readouterr().out
    assert "mach_port_type" in text
    assert "I8" in text
    assert "PROVED: " in text
    assert "not checked: the other invariants (assumed to hold before each call)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--call", "mach_port_typ", "mach_port_typ"),
        ("--invariant", "999", "999"),
        ("--invariant", "x", "S22 or T1"),
        ("--invariant", "T9", "unknown invariant T9"),
    ],
)
def test_nothing_of_that_name(capsys: pytest.CaptureFixture[str], option: str, value: str, words: str) -> None:
    assert main(["prove", option, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("verdict", "interrupted", "status"),
    [(Verdict.REFUTED, False, 1), (Verdict.REFUTED, True, 1), (Verdict.UNDETERMINED, False, 4), (Verdict.UNDETERMINED, True, 130)],
)
def test_what_is_not_proved_has_its_own_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verdict: Verdict, interrupted: bool, status: int
) -> None:
    """Nothing of the real specification is refuted: the results are made up, all else is real."""
    result: ProofResult = msgspec.structs.replace(proof_result(), verdict=verdict, interrupted=interrupted)

    def prove(*_: Any, **__: Any) -> ProofResult:
        return result

    monkeypatch.setattr("sendright.model.proof.prove.prove", prove)
    assert main(["prove", "--call", "task_create", "--json"]) == status
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == verdict.value
    assert [Path(path).name for path in data["reports"]] == ["report.html", "junit.xml", "report.sarif"]
    assert "sendright prove --profile manual --call task_create" in Path("sendright-report/report.html").read_text()


@pytest.mark.parametrize(
    ("words", "properties"),
    [
        ("I8", {"invariant 8"}),
        ("S22", {"step invariant 22"}),
        ("invariant 8", {"invariant 8"}),
        ("T2", {"theorem 2"}),
        ("theorem 3", {"theorem 3"}),
        ("S32", {"step invariant 32"}),
    ],
)
def test_names_as_tables_print_them(capsys: pytest.CaptureFixture[str], words: str, properties: set[str]) -> None:
    assert main(["prove", "--call", "mach_port_type", "--invariant", words, "--jobs", "1", "--json"]) == 0
    assert {one["property"] for one in json.loads(capsys.readouterr().out)["obligations"]} == properties


def test_a_rule_that_calls_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--call", "copy in a right", "--invariant", "6", "--jobs", "1", "--json"]) == 0
    assert {one["call"] for one in json.loads(capsys.readouterr().out)["obligations"]} == {"copy in a right"}


def test_what_had_not_to_be_proved_is_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--call", "mach_port_type", "--invariant", "8", "--jobs", "1"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    count = re.search(r"PROVED: (\d+) of \1 obligations proved \(\1 trivially: the case changes no field that they mention\)", text)
    assert count, text


@pytest.mark.parametrize(("options", "looked"), [([], [3.0]), (["--reach", "60"], [60.0]), (["--reach", "0"], [])])
def test_runs_from_boot_are_looked_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch, options: list[str], looked: list[float]) -> None:
    seconds: list[float] = []

    def with_runs(result: ProofResult, implementation: Any, profile: Any, how_long: float, on_progress: Any) -> ProofResult:
        seconds.append(how_long)
        return result

    monkeypatch.setattr("sendright.model.proof.prove.prove", lambda *_, **__: refuted())
    monkeypatch.setattr("sendright.properties.coverage.reach.with_runs", with_runs)
    assert main(["prove", "--call", "task_create", "--json", *options]) == 1
    assert seconds == looked
