"""``sendright compare``: what is proved, what runs show, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sendright.cli.main import main


def test_calls_that_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "osf", "gnumach", "--no-runs", "-c", "mach_port_type", "-j", "1", "-q", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], [one["verdict"] for one in data["calls"]], data["runs"]) == ("PROVED", ["PROVED"], [])
    assert "ledger_create" in data["only_first"]


@pytest.mark.heavy
def test_a_call_that_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "osf", "gnumach", "--no-runs", "-c", "mach_port_allocate_name", "-j", "1", "-q"]) == 1
    text = capsys.readouterr().out
    assert text.startswith("FAILED: osf and gnumach: of 1 compared call, 0 are proved the same, 1 differs (")
    assert "What is different: in gnumach, KERN_NAME_EXISTS: the name is in use" in text


@pytest.mark.heavy
def test_runs_as_a_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "differences.json"
    assert main(["compare", "osf", "gnumach", "--no-proofs", "-n", "20", "-q", "--scripts", str(script)]) == 1
    assert "osf: KERN_SUCCESS; gnumach: KERN_INVALID_ARGUMENT" in capsys.readouterr().out
    assert main(["replay", str(script), "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] == len(told["cases"]) > 5
    judges = {case["id"]: case["profile"] for case in json.loads(script.read_text())["cases"]}
    for judged_as, other in (("osf", "gnumach"), ("gnumach", "osf")):
        main(["replay", str(script), "-q", "--json", "--profile", other])
        verdicts = {case["id"]: case["verdict"] for case in json.loads(capsys.readouterr().out)["cases"]}
        assert {verdicts[id] for id, judge in judges.items() if judge == judged_as} == {"failed"}, "each case shows a difference"
    assert main(["replay", str(script), "-q", "--profile", "gnumach"]) == 1, "what osf says isn't what gnumach does"


@pytest.mark.heavy
def test_only_runs_of_the_chosen_calls_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Other calls differ in the same runs. Without a difference, no script is written."""
    script = tmp_path / "none.json"
    arguments = ["compare", "osf", "gnumach", "-c", "mach_port_type", "-n", "2", "-q", "-j", "1"]
    assert main([*arguments, "--scripts", str(script)]) == 0
    text = capsys.readouterr().out
    assert "of 1 compared call, 1 is proved the same; " in text
    assert "show no difference" in text
    assert f"{script} is not written: no run differs" in " ".join(text.split())
    assert not script.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["osf"], "compare: name either SECOND or --sut"),
        (["osf", "gnumach", "--sut", "reference"], "compare: name either SECOND or --sut"),
        (["osf", "osf"], "compare: FIRST and SECOND are both osf (name two different profiles)"),
        (["osf", "gnumach", "--no-runs", "--scripts", "x.json"], "--scripts: there are no runs to write (leave out --no-runs)"),
        (["osf", "gnumach", "--scripts", f"{__file__}/x.json"], "is not a directory"),
        (["osf", "plan9"], "unknown profile 'plan9'"),
        (["osf", "gnumach", "-c", "ledger_create"], "'ledger_create' is not a call that osf and gnumach both serve"),
        (["osf", "gnumach", "--no-runs", "--no-proofs"], "nothing is left to do"),
        (["osf", "--sut", "reference", "--no-runs"], "compare: with --sut sendright only makes runs (leave out --no-runs and --call)"),
        (["osf", "--sut", "no.such:Kernel"], "no.such"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(["compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 1
