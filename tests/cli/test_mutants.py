"""``sendright mutants``: what it selects, what it decides, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sendright.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--operator", "guard broken"], "--operator: there is none called 'guard broken'"),
        (["--survivors", "nowhere.json"], "nowhere.json: No such file"),
        (["--profile", "nonsense"], "nonsense"),
        (["--page", "README.md"], "README.md"),
    ],
)
def test_wrong_options(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("mine")
    assert main(["mutants", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.heavy
@pytest.mark.parametrize("arguments", [["--in", "nowhere"], ["--mutant", "memory.vm_write/0"]])
def test_what_there_is_not(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "-q", *arguments]) == 2
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.heavy
def test_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--list", "--in", "vm_write", "--operator", "guard dropped", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["operator"] for one in found} == {"guard dropped"}
    assert any(one["where"].startswith("model/calls/memory.py:") for one in found)


@pytest.mark.heavy
def test_mutants_that_are_noticed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "score.md"
    arguments = ["mutants", "-q", "-j", "1", "--count", "3", "--in", "memory.vm_write", "--operator", "guard dropped", "--page", str(page)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "PASSED"
    assert [one["check"]["outcome"] for one in found["mutants"]] == ["killed"] * len(found["mutants"])
    assert page.read_text().startswith("<!-- written by sendright -->")
