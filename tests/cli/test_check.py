"""``sendright check``: what it hands to the check, and what it makes of the result. The check itself is a double
here.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from support.report_runs import crashed_check, failing_check

from sendright.cli.main import main
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace

Install = Callable[[CheckResult], dict[str, Any]]


@pytest.fixture
def checking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a double in the place of the check; gives the arguments that it will be called with."""
    monkeypatch.chdir(tmp_path)

    def install(result: CheckResult) -> dict[str, Any]:
        called: dict[str, Any] = {}

        def check(implementation_factory: object, oracle_factory: object, profile: object, **more: Any) -> CheckResult:
            called.update(implementation=implementation_factory, oracle=oracle_factory, profile=profile, **more)
            more["on_progress"](1, 2, "words")
            return result

        module = ModuleType("sendright.properties.check")
        module.check, module.WorkersDied = check, RuntimeError  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return called

    return install


def passing() -> CheckResult:
    return msgspec.structs.replace(
        failing_check(), verdict=Verdict.PASSED, failure=None, script=None, cases_missed=(), situations_missed=(), implementation="a kernel"
    )


def test_what_is_asked_for_is_what_is_checked(checking: Install, capsys: pytest.CaptureFixture[str]) -> None:
    called = checking(passing())
    assert main(["check", "--examples", "3", "--steps", "4", "--seed", "5", "--profile", "osf", "--fault", "move-send-keeps-sender", "--json"]) == 0
    assert called["profile"].name == "osf"
    assert (called["examples"], called["steps"], called["seed"]) == (3, 4, 5)
    assert called["implementation"]().name == "reference kernel with move-send-keeps-sender"
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["calls"], data["failure"]) == ("PASSED", 1203, None)
    assert not Path("sendright-report").exists()


def test_the_summary(checking: Install, capsys: pytest.CaptureFixture[str]) -> None:
    checking(passing())
    assert main(["check"]) == 0
    assert "KERN_SUCCESS 12" not in capsys.readouterr().out, "tables are for those who ask"
    assert main(["check", "-v"]) == 0
    text = capsys.readouterr().out
    assert "KERN_SUCCESS 12  KERN_INVALID_NAME 3" in text
    assert "Every case of the specification was reached." in text
    assert "1 of 1 situations were reached." in text
    assert "a task ends" not in text, "the page and --json say how often"
    assert "PASSED: 1,203 judged calls on a kernel in 0.8 s. Seed " in text
    checking(msgspec.structs.replace(passing(), cases_missed=("task_info/KERN_SUCCESS/a token",)))
    assert main(["check"]) == 0
    assert "Cases of the specification that were not reached: 1 (-v lists them)." in capsys.readouterr().out
    assert main(["check", "-v"]) == 0
    assert "task_info/KERN_SUCCESS/a token" in capsys.readouterr().out
    checking(msgspec.structs.replace(passing(), situations_missed=("a task that waits in mach_msg_send ends",)))
    assert main(["check", "-v"]) == 0
    text = capsys.readouterr().out
    assert "; 1 situation not reached. Seed " in text
    assert "Situations that were not reached (1):\n  a task that waits in mach_msg_send ends" in text
    assert "1 of 2 situations were reached." in text


def test_a_failure_is_written_with_how_to_run_it_again(checking: Install, capsys: pytest.CaptureFixture[str]) -> None:
    result = failing_check()
    checking(result)
    assert main(["check", "--fault", "move-send-keeps-sender", "--seed", "7", "--report-dir", "my reports", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    files = {Path(path).name: Path(path) for path in data["reports"]}
    assert list(files) == ["report.html", "junit.xml", "report.sarif", "script.json", "trace.json"]
    assert json.loads(files["script.json"].read_text()) == result.script
    assert msgspec.json.decode(files["trace.json"].read_bytes(), type=Trace).violations == result.failure.violations  # type: ignore[union-attr]
    page = files["report.html"].read_text()
    assert "sendright replay &#39;my reports/script.json&#39; --fault move-send-keeps-sender" in page
    assert "sendright check --seed 7 " in page
    assert data["failure"]["violations"][0]["kind"] == "state"


@pytest.mark.parametrize(("interrupted", "status"), [(True, 130), (False, 4)])
def test_stopped_in_the_middle(checking: Install, capsys: pytest.CaptureFixture[str], interrupted: bool, status: int) -> None:
    checking(msgspec.structs.replace(passing(), verdict=Verdict.UNDETERMINED, interrupted=interrupted))
    assert main(["check", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["calls"] == 1203
    assert Path("sendright-report/report.html").exists()


def test_interrupted_after_a_failure_it_is_a_failure(checking: Install, capsys: pytest.CaptureFixture[str]) -> None:
    checking(msgspec.structs.replace(failing_check(), interrupted=True))
    assert main(["check"]) == 1
    assert "Interrupted: this is only what was found so far." in capsys.readouterr().out


def test_a_crash(checking: Install, capsys: pytest.CaptureFixture[str]) -> None:
    checking(crashed_check())
    assert main(["check"]) == 3
    assert "The implementation crashed during mach_port_allocate" in capsys.readouterr().out
    assert "no answer" in Path("sendright-report/report.html").read_text()


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list-faults"]) == 0
    assert "create-then-set-tokens" in capsys.readouterr().out
    assert main(["check", "--list-faults", "--json"]) == 0
    names = {fault["name"] for fault in json.loads(capsys.readouterr().out)["faults"]}
    assert names >= {"create-then-set-tokens", "move-send-keeps-sender"}


def test_the_last_run_of_a_check_that_passed(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-n", "2", "--steps", "5", "--trace", "run.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reports"] == ["run.json"]
    assert len(msgspec.json.decode(Path("run.json").read_bytes(), type=Trace).steps) == 5
    assert main(["graph", "run.json"]) == 0


def test_a_long_run_tells_how_far_it_is() -> None:
    from sendright.impl.reference import ReferenceKernel
    from sendright.mach.kernel.profiles import MANUAL
    from sendright.model.execution.oracle import Oracle
    from sendright.properties.check import check

    heard: list[str] = []
    check(ReferenceKernel, Oracle, MANUAL, examples=1, steps=350, on_progress=lambda done, total, words: heard.append(words))
    assert "runs, 100 calls" in heard
    assert "runs, 300 calls" in heard


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES)
def test_every_case_is_reached(profile: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-n", "1", "--profile", profile, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases_missed"] == []
    assert told["calls"] > len(told["cases_reached"])
