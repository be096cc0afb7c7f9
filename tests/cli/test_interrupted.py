"""Ctrl-C in the middle of a command: what was found is said, what wasn't done is never taken for done."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.policies import EXAMPLES

from sendright.cli.main import main
from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.model.proof import equal_rules
from sendright.properties.scripts import replay

SELF = {"as": "A", "call": "mach_task_self", "args": {}, "expect": {"ret": "KERN_SUCCESS"}}


@pytest.fixture
def script(tmp_path: Path) -> str:
    cases = [{"id": name, "title": name, "steps": [SELF, SELF, SELF]} for name in ("first", "second")]
    (tmp_path / "script.json").write_text(json.dumps({"format": "mach-cases/1", "profile": "manual", "cases": cases}))
    return str(tmp_path / "script.json")


def interrupt_at_call(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come before the call of this number."""
    made = iter(range(1, 1000))
    original = replay.JudgedRun.call

    def call(*arguments: Any) -> Any:
        if next(made) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(replay.JudgedRun, "call", call)


def test_scripts_that_were_not_run_do_not_keep_a_policy(script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt_at_call(6, monkeypatch)
    policy = Path(script).with_name("named.toml")
    policy.write_text((EXAMPLES / "clients.toml").read_text("utf-8") + '\n[tasks]\n1 = "one"\n[user_ports]\n8 = "server"\n', "utf-8")
    assert main(["policy", str(policy), "--script", script, "--json", "--report-dir", str(policy.parent)]) == 130
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["interrupted"]) == ("UNDETERMINED", True)
    assert [run["source"].partition(", ")[2] for run in told["runs"]] == ["case first"]


@pytest.mark.parametrize(("form", "call"), [("itf", 2), ("c", 5)])
def test_an_export_ends(form: str, call: int, script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt_at_call(call, monkeypatch)
    assert main(["export", script, "--case", "first", "--to", form]) == 130
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "sendright: interrupted before anything was found\n"


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.REFUTED, 1), (Verdict.PROVED, 130)])
def test_a_comparison_says_what_it_has_proved(
    verdict: Verdict, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(first: object, second: object, rules: list[str], jobs: int) -> Iterator[list[Obligation]]:
        yield [Obligation(call=rules[0], case="KERN_SUCCESS/x", property="as in gnumach", title="x", verdict=verdict, seconds=0.0)]
        os.kill(os.getpid(), signal.SIGINT)
        stop_if_interrupted()

    monkeypatch.setattr(equal_rules, "compare_rules", interrupted)
    calls = ["mach_port_type", "mach_port_deallocate"]
    assert main(["compare", "osf", "gnumach", *(word for call in calls for word in ("--call", call)), "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    assert told["interrupted"]
    verdicts = {each["call"]: each["verdict"] for each in told["calls"]}
    assert verdict.value in verdicts.values()
    assert "UNDETERMINED" in verdicts.values()
    assert told["examples"] == 0
