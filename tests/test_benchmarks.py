"""The benchmarks run, and say what they promise. How fast anything is isn't asserted."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from support.benchmarks import benchmark

TINY = ["--sizes", "2,5", "--rounds", "1", "--repeats", "1"]


def test_growth_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    growth = benchmark("growth")
    growth.main([*TINY, "--json"])
    small, large = json.loads(capsys.readouterr().out)["sizes"]
    assert (small["size"], large["size"]) == (2, 5)
    assert small["groups"].keys() == growth.GROUPS.keys()
    assert small["ratio"] == 1
    assert all(len(group["seconds"]) == 1 and group["ratio"] > 0 for group in large["groups"].values())


def test_growth_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = list(TINY)
    if importlib.util.find_spec("matplotlib"):
        arguments += ["--plot", str(tmp_path / "growth.svg")]
    growth = benchmark("growth")
    growth.main(arguments)
    shown = capsys.readouterr().out
    assert all(name in shown for name in growth.GROUPS)
    assert "5 tasks and ports" in shown
    assert "--plot" not in arguments or "<svg" in (tmp_path / "growth.svg").read_text()


def test_what_is_grown_is_as_large_as_before() -> None:
    growth = benchmark("growth")
    system = growth.Grown(3)
    tasks, ports = len(system.run.snapshot.tasks), len(system.run.snapshot.ports)
    for group in growth.GROUPS.values():
        group(system)
        assert (len(system.run.snapshot.tasks), len(system.run.snapshot.ports)) == (tasks, ports)


@pytest.mark.parametrize(
    ("wrong", "words"), [(["--sizes", "x"], "are no numbers"), (["--sizes", "0"], "at least 1"), (["--rounds", "0"], "at least 1")]
)
def test_growth_says_what_it_cannot_do(wrong: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark("growth").main(wrong)
    assert words in capsys.readouterr().err


AUDIT = ["--events", "2500", "--rounds", "1"]


@pytest.mark.heavy
def test_audit_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark("audit").main([*AUDIT, "--memory-events", "2500", "--hosts", "2", "--json"])
    measured = json.loads(capsys.readouterr().out)
    assert measured["events"] >= 2_500
    assert measured["cost"] > 0
    assert measured["speed"] > 0
    assert 10 < measured["memory"] < 1_024


def test_audit_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark("audit").main([*AUDIT, "--memory-events", "0", "--hosts", "0"])
    out = capsys.readouterr().out
    assert "times a bare decode" in out
    assert "memory" not in out


@pytest.mark.heavy
def test_questions_of_a_call_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    questions = benchmark("questions")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert questions.main([str(before), "--profile", "gnumach", "--call", "mach_task_self", "--call", "mach_port_get_attributes"]) == 0
    asked = json.loads(before.read_text())
    assert any(asked["gnumach"].values())
    assert questions.main(["--compare", str(before), str(before)]) == 0
    task = next(task for task, hashes in asked["gnumach"].items() if hashes)
    asked["gnumach"][task][0] = "something else"
    after.write_text(json.dumps(asked))
    capsys.readouterr()
    assert questions.main(["--compare", str(before), str(after)]) == 1
    assert f"{task}: 1 questions only before, 1 only after" in capsys.readouterr().out


@pytest.mark.heavy
def test_proofs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = benchmark("proofs")
    proofs.main(["--call", "mach_port_type", "--rounds", "1", "--json"])
    measured = json.loads(capsys.readouterr().out)
    assert measured["obligations"] == sum(measured["counts"].values()) > 100
    assert measured["around_z3_to_z3"] > 0
    assert measured["cached_to_proving"] > 0
    assert measured["proofs_per_second"] > 0
    if importlib.util.find_spec("cvc5"):
        assert measured["cvc5_to_z3"] > 0
        assert measured["confirmed_by_cvc5"] > 0
    monkeypatch.setattr(proofs, "measure", lambda *_: measured | {"cvc5_to_z3": None})
    proofs.main([])
    shown = capsys.readouterr().out
    assert f"{measured['around_z3_to_z3']:.2f} : 1" in shown
    assert "cvc5 is not installed" in shown


@pytest.mark.parametrize(("wrong", "words"), [(["--rounds", "0"], "at least 1"), (["--call", "x"], "unknown call 'x'")])
def test_proofs_says_what_it_cannot_do(wrong: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark("proofs").main(wrong)
    assert words in capsys.readouterr().err


@pytest.mark.heavy
def test_minimizer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark("deep_faults")  # the other benchmark imports it
    minimizer = benchmark("minimizer")
    monkeypatch.setattr("sys.argv", ["minimizer.py", "--seeds", "1", "--fault", "move-send-keeps-sender", "--examples", "40", "--json"])
    assert minimizer.main() == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["ways"].keys() == set(minimizer.WAYS)
    assert all(way["runs"] == 1 and way["tried"] > 0 for way in measured["ways"].values())
    assert sum(len(lengths["whole"]) for lengths in measured["groups"].values()) == 1


def test_minimizer_compares_runs_of_one_fault(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark("deep_faults")
    minimizer = benchmark("minimizer")
    results = [("a fault", seed, dict.fromkeys(minimizer.WAYS, (length, 1, 0.0))) for seed, length in enumerate((2, 3))]
    monkeypatch.setattr(minimizer, "measured", lambda *_: results)
    monkeypatch.setattr("sys.argv", ["minimizer.py"])
    assert minimizer.main() == 1, "one of two is longer"
    assert "whole: 1 of 2 results are longer than the shortest known" in capsys.readouterr().out


def test_startup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commands that do least."""
    startup = benchmark("startup")
    monkeypatch.setattr(startup, "CHECK", startup.COMMANDS["sendright --help"])
    monkeypatch.setattr(startup, "COMMANDS", {name: startup.COMMANDS[name] for name in (startup.LIBRARIES, "sendright --help")})
    monkeypatch.setattr("sys.argv", ["startup.py", "--rounds", "1", "--json"])
    assert startup.main() == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["seconds"].keys() == measured["ratios"].keys() == startup.COMMANDS.keys()
    assert measured["ratios"][startup.LIBRARIES] == 1
    assert all(seconds > 0 for seconds in measured["seconds"].values())
    monkeypatch.setattr(startup, "spent", lambda command, home: 2.0)
    monkeypatch.setattr("sys.argv", ["startup.py"])
    assert startup.main() == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in startup.COMMANDS)
    assert "2.00" in shown


@pytest.mark.heavy
def test_startup_of_every_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    startup = benchmark("startup")
    monkeypatch.setattr("sys.argv", ["startup.py", "--rounds", "1", "--json"])
    assert startup.main() == 0
    assert len(json.loads(capsys.readouterr().out)["ratios"]) == len(startup.COMMANDS) > 3
