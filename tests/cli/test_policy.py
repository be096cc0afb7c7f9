"""``sendright policy``: proofs in parts that are quick, runs compared with a policy, bad input."""

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.policies import EXAMPLES
from support.report_runs import MOVE_TO_CHILD, run

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.model.proof import policy as proofs
from sendright.model.proof.processes.workers import Lost
from sendright.reports.write import trace_text, write_text

CLIENTS = str(EXAMPLES / "clients.toml")


@pytest.fixture
def named(tmp_path: Path) -> str:
    """The example, with labels for the child and the port of ``MOVE_TO_CHILD``."""
    text = Path(CLIENTS).read_text("utf-8") + '\n[tasks]\n1 = "one"\n[user_ports]\n8 = "server"\n'
    (tmp_path / "named.toml").write_text(text, "utf-8")
    return str(tmp_path / "named.toml")


@pytest.fixture
def trace(tmp_path: Path) -> str:
    write_text(tmp_path / "trace.json", trace_text(run(ReferenceKernel(), MOVE_TO_CHILD)))
    return str(tmp_path / "trace.json")


def test_a_proof(capsys: pytest.CaptureFixture[str]) -> None:
    part = ["policy", CLIENTS, "--call", "mach_port_type", "--no-cache", "-j", "1", "-q"]
    assert main(part) == 0
    text = capsys.readouterr().out
    assert text.startswith("PROVED: the policy 'clients of a security server', profile manual: 4 of 4 cases proved (4 trivially")
    assert "Assumed: a task of server gives away only what the policy allows" in text
    assert main([*part, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["trusted"], data["broken"]) == ("PROVED", ["server"], [])
    assert data["runs"][0]["source"] == "the boot state of manual"


def test_a_run_that_breaks_the_policy(capsys: pytest.CaptureFixture[str], named: str, trace: str) -> None:
    assert main(["policy", named, "--trace", trace]) == 1
    text = capsys.readouterr().out
    assert text.startswith("FAILED: ")
    assert "call 6, mach_port_insert_right by task 0, breaks the policy" in text
    assert "missing: one may send to server" in text
    assert "call 6, mach_port_insert_right: moved: send right to port 8 at task 1, name 3" in text
    assert main(["policy", named, "--trace", trace, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["runs"][0]["broken"]["step"] == 5


def test_a_lost_case_is_told_and_the_others_are_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = proofs._run

    def run(*arguments: Any) -> Iterator[Any]:
        for number, (part, found) in enumerate(runs(*arguments)):
            yield part, found if number else Lost("the processes that worked on it died, the last one with SIGKILL")

    monkeypatch.setattr(proofs, "_run", run)
    assert main(["policy", CLIENTS, "--call", "mach_port_type", "--no-cache", "-j", "1", "-q", "--json"]) == 3
    data = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in data["obligations"]].count("PROVED") == 3
    [finding] = data["findings"]
    assert (finding["fingerprint"], data["verdict"]) == (None, "CRASHED")
    assert finding["words"] == "all"
    assert data["broken"][0]["scope"] == "not decided: the processes that worked on it died, the last one with SIGKILL"


def test_an_accepted_finding_is_no_failure(
    capsys: pytest.CaptureFixture[str], named: str, trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["policy", named, "--trace", trace, "--sarif", "found.sarif"]
    assert main(command) == 1
    assert main(["accept", "found.sarif", "--baseline", "b.toml", "--by", "Ann", "--why", "known", "--until", "9999-12-31"]) == 0
    capsys.readouterr()
    assert main([*command, "--baseline", "b.toml"]) == 0
    assert capsys.readouterr().out.startswith("ACCEPTED: ")
    assert main(["policy", CLIENTS, "--call", "mach_port_type", "--no-cache", "-j", "1", "-q", "--baseline", "b.toml", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], len(data["baseline"]["unused"])) == ("PROVED", 1)
    assert main([*command, "--baseline", "b.toml", "--html", "b.toml"]) == 2
    assert "--html: b.toml is read by this command" in capsys.readouterr().err
    assert main([*command, "--baseline", "none.toml"]) == 2
    assert "--baseline: none.toml: " in capsys.readouterr().err


def test_states_and_scripts(capsys: pytest.CaptureFixture[str], named: str, trace: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps(json.loads(Path(trace).read_text("utf-8"))["initial"]))
    script = {
        "format": "mach-cases/1",
        "profile": "manual",
        "cases": [{"id": "self", "title": "self", "steps": [{"as": "A", "call": "mach_task_self", "args": {}, "expect": {"ret": "KERN_SUCCESS"}}]}],
    }
    (tmp_path / "script.json").write_text(json.dumps(script))
    script["cases"][0]["steps"][0]["call"] = "not_a_call"  # type: ignore[index]
    (tmp_path / "unmodelled.json").write_text(json.dumps(script))
    assert main(["policy", named, "--script", str(tmp_path / "unmodelled.json")]) == 4
    assert "case self: " in capsys.readouterr().out
    status = main(["policy", named, "--state", str(tmp_path / "state.json"), "--script", str(tmp_path / "script.json")])
    captured = capsys.readouterr()
    assert status == 0, captured
    assert "PASSED: " in captured.out
    assert "case self: 4 states keep the policy" in captured.out


_numbers = count()


def edited(tmp_path: Path, trace: str, **parts: object) -> Path:
    """The trace with other ``parts``."""
    place = tmp_path / f"edited-{next(_numbers)}.json"
    place.write_text(json.dumps(json.loads(Path(trace).read_text("utf-8")) | parts))
    return place


def test_a_run_that_breaks_the_policy_is_in_all_reports(tmp_path: Path, named: str, trace: str) -> None:
    before = Path(trace).read_bytes()
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "junit", "sarif")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert main(["policy", named, "--trace", trace, "--report-dir", str(tmp_path), *options]) == 1
    page, junit, sarif = (path.read_text("utf-8") for path in files.values())
    for text in (page, junit, sarif):
        assert "one may send to server" in text
        assert "call 6, mach_port_insert_right by task 0, breaks the policy" in text
    assert "<svg" in page
    assert "The runs and states don’t keep the policy" in page
    assert '<failure message="call 6' in junit
    [result] = json.loads(sarif)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("policy/run", "error")
    assert Path(trace).read_bytes() == before, "a report never takes the place of a run that was read"


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], named: str, trace: str, tmp_path: Path) -> None:
    state = json.loads(Path(trace).read_text("utf-8"))["final"]
    del state["ports"]["8"]
    (tmp_path / "state.json").write_text(json.dumps(state))
    os.mkfifo(tmp_path / "pipe")
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"format": "mach-cases/1", "profile": "manual", "cases": []}))
    steps = json.loads(Path(trace).read_text("utf-8"))["steps"]
    for arguments, words in (
        ([str(tmp_path)], "is a directory"),
        ([CLIENTS, "--call", "mach_port_tpye"], "policy: unknown call 'mach_port_tpye'"),
        ([CLIENTS, "--call", "mach_port_guard"], "the profile manual doesn't serve mach_port_guard"),
        ([CLIENTS, "--profile", "plan9"], "unknown profile 'plan9'"),
        ([CLIENTS, "--trace", trace], "trace.json: task 1 can have more than one label"),
        ([named, "--trace", trace, "--call", "mach_port_type"], "--call: selects what is proved"),
        ([named, "--trace", named], "not JSON"),
        ([named, "--trace", trace, "--profile", "xnu"], "is a run under the profile manual, not xnu"),
        ([named, "--trace", str(edited(tmp_path, trace, profile="plan9"))], "$.profile: unknown profile 'plan9'"),
        ([named, "--trace", str(edited(tmp_path, trace, steps=steps[:3]))], "contradicts the steps before it"),
        ([named, "--trace", str(edited(tmp_path, trace, steps=[*steps[:2], {**steps[2], "task": 77}, *steps[3:]]))], "task 77 has no label"),
        ([named, "--script", str(tmp_path / "pipe")], "is not a regular file"),
        ([named, "--trace", trace, "--html", trace], "is read by this command"),
        ([named, "--trace", "/dev/zero"], "is not a regular file"),
        ([named, "--state", trace], "not a state"),
        ([named, "--trace", str(script)], "not a sendright trace"),
        ([named, "--state", str(tmp_path / "state.json")], "names port 8, which the state doesn't have"),
    ):
        assert main(["policy", *arguments]) == 2, arguments
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err
        assert captured.err.count("\n") == 1


def test_a_state_is_judged_under_the_profile_of_the_traces_beside_it(
    capsys: pytest.CaptureFixture[str], named: str, trace: str, tmp_path: Path
) -> None:
    initial = json.loads(Path(trace).read_text("utf-8"))["initial"]
    (tmp_path / "state.json").write_text(json.dumps(initial))
    state = ["--state", str(tmp_path / "state.json")]
    xnu, manual = (str(edited(tmp_path, trace, profile=profile, steps=[], final=initial)) for profile in ("xnu-792", "manual"))
    for options, profiles in ((["--trace", xnu], ["xnu-792"] * 2), ([], ["manual"]), (["--profile", "osf"], ["osf"])):
        assert main(["policy", named, *state, *options, "--json"]) == 0
        assert [run["profile"] for run in json.loads(capsys.readouterr().out)["runs"]] == profiles
    assert main(["policy", named, *state, "--trace", xnu, "--trace", manual]) == 2
    assert "a state doesn't say its own (add --profile)" in capsys.readouterr().err


def test_a_verdict_names_the_profile_of_what_did_not_run(capsys: pytest.CaptureFixture[str], named: str, tmp_path: Path) -> None:
    case = {"id": "none", "title": "none", "steps": [{"as": "A", "call": "not_a_call", "args": {}}]}
    (tmp_path / "script.json").write_text(json.dumps({"format": "mach-cases/1", "profile": "osf", "cases": [case]}))
    assert main(["policy", named, "--script", str(tmp_path / "script.json"), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["profile"] == "osf"


def test_a_complaint_about_a_very_long_value_is_short(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = Path(CLIENTS).read_text("utf-8").replace("[groups]", f'[groups]\nlong = ["re{"[" * 5000}"]', 1)
    (tmp_path / "long.toml").write_text(text, "utf-8")
    assert main(["policy", str(tmp_path / "long.toml")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert len(line) < 1600
    assert "unknown label 're[[" in line
    assert "characters left out" in line
    assert line.endswith(")")  # what to choose from
