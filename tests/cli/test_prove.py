"""``sendright prove``, in parts that are quick."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.report_runs import proof_result, refuted

from sendright.cli.main import main
from sendright.mach.results.checks import Basis, ProofResult
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
    assert "I8" not in capsys.readouterr().out, "the table is for those who ask"
    assert main([*PART, "-v"]) == 0
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


def test_four_numbers_say_what_the_obligations_rest_on(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["prove", "--call", "mach_port_mod_refs", *(f"--invariant={one}" for one in ("8", "26", "29", "S35", "T3", "T5")), "--jobs", "1"]
    assert main([*chosen, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    counts = data["counts"]
    assert list(counts) == [basis.value for basis in Basis]
    assert sum(counts.values()) == len(data["obligations"])
    assert all(counts.values())
    assert {one["property"] for one in data["obligations"] if one["basis"] == Basis.OTHERS.value} >= {"theorem 5"}
    assert main([*chosen, "-v"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    numbers = re.search(
        r"PROVED: (\d+) of \1 obligations proved \((\d+) put to the solver with the invariants, (\d+) follow without assumptions, "
        r"(\d+) with nothing to ask, (\d+) repeat others; \d+ from the cache\)",
        text,
    )
    assert numbers, text
    assert [int(number) for number in numbers.groups()[1:]] == list(counts.values())
    for basis, count in counts.items():
        assert f"{basis} {count}" in text
    assert data["asked_of_no_case"]
    assert "with the invariants in no case here: " + ", ".join(name.split()[-1] for name in data["asked_of_no_case"]) in text


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
