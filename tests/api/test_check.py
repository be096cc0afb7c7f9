"""``sendright.check`` as a user calls it, on a kernel outside of the package."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase
from support.places import ROOT
from support.small_kernels import Crashing, Forgetful, SmallKernel, TwoFaults, WithoutBoot

import sendright
from sendright.api.subject import subject_of
from sendright.cli.main import main
from sendright.mach.results.checks import Obligation
from sendright.mach.results.verdicts import Verdict
from sendright.properties.checking.earlier_failures import EarlierFailures

FEW: dict[str, Any] = {"examples": 3, "steps": 30, "database": None}


def failure_of(kernel: Any, **options: Any) -> sendright.NotConforming:
    with pytest.raises(sendright.NotConforming) as caught:
        sendright.check(kernel, **{**FEW, **options})
    return caught.value


def calls_of(failure: sendright.NotConforming) -> list[str]:
    assert failure.trace is not None
    return [step.call for step in failure.trace.steps]


def test_a_right_kernel_passes() -> None:
    result = sendright.check(SmallKernel, **FEW)
    assert result.verdict is sendright.Verdict.PASSED
    assert set(result.codes) == {"mach_task_self", "mach_port_allocate", "mach_port_deallocate"}
    assert result.profile == "manual"
    assert "calls that it doesn't have" in result.not_compared[0]


class FullDatabase(InMemoryExampleDatabase):
    """Its disk is full."""

    def save(self, key: bytes, value: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_a_database_that_can_not_be_written_to_costs_no_finding() -> None:
    with pytest.warns(UserWarning, match="failing runs are not kept: .*No space left"):
        failure = failure_of(Forgetful, database=FullDatabase())
    assert calls_of(failure)[-1] == "mach_port_deallocate"


def test_the_assertion_says_what_the_terminal_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    failure = failure_of(Forgetful)
    assert isinstance(failure, AssertionError)
    assert calls_of(failure)[-1] == "mach_port_deallocate"
    assert main(["check", "-q", "--sut", "support.small_kernels:Forgetful", "--examples", "3", "--steps", "30"]) == 1
    printed = "".join(capsys.readouterr().out.split())
    for line in str(failure).splitlines()[1:]:  # the first one has how long it took
        assert "".join(line.split()) in printed, line
    assert "mach_port_deallocate left a state that is not as specified" in str(failure)
    assert failure.__notes__ == ["The same calls again: seed=0, examples=3, steps=30, profile='manual'."]


def test_a_crash_shows_the_kernels_own_frames() -> None:
    failure = failure_of(Crashing)
    assert failure.result.verdict is sendright.Verdict.CRASHED
    assert "raised KeyError: 4" in str(failure)
    assert "small_kernels.py, line" in str(failure)
    isolated = failure_of(Crashing, isolated=True)
    assert "raised KeyError: 4" in str(isolated)


def test_a_kernel_that_boots_otherwise_fails_at_once() -> None:
    failure = failure_of(WithoutBoot)
    assert calls_of(failure) == []
    assert failure.script is None
    assert "booting left a state" in str(failure)


def test_its_script_can_be_replayed() -> None:
    failure = failure_of(Forgetful)
    assert failure.script is not None
    with pytest.raises(sendright.NotConforming, match="mach_port_deallocate") as caught:
        sendright.replay(Forgetful, failure.script)
    assert caught.value.trace is not None
    assert caught.value.trace.violations[0].kind == "state"
    assert sendright.replay(SmallKernel, failure.script).passed == 1


def test_it_may_go_on_to_other_failures() -> None:
    failure = failure_of(TwoFaults, keep_going=True)
    assert isinstance(failure.result, sendright.CheckResult)
    runs = [failure.trace, *(other.failure for other in failure.result.others)]
    assert {run.steps[-1].call for run in runs if run} == {"mach_task_self"}  # nothing can be done without the task's port


def test_yesterdays_failure_is_tried_first() -> None:
    database = InMemoryExampleDatabase()
    first = failure_of(Forgetful, database=database)
    assert first.result.examples > 1  # type: ignore[union-attr]
    again = failure_of(Forgetful, database=database, seed=7)
    assert again.result.examples == 1  # type: ignore[union-attr]
    assert calls_of(again) == calls_of(first)
    assert sum(map(len, database.data.values())) == 1


def test_a_failure_that_is_gone_is_forgotten() -> None:
    kernel: Any = Forgetful

    class Mended(SmallKernel):  # type: ignore[misc, valid-type]
        pass

    database = InMemoryExampleDatabase()
    failure_of(Forgetful, database=database)
    Mended.__module__, Mended.__qualname__ = kernel.__module__, kernel.__qualname__
    sendright.check(Mended, **{**FEW, "database": database})
    assert not any(database.data.values())
    sendright.check(Mended, **{**FEW, "database": database})


def test_each_kernel_profile_and_limits_have_their_own_failures() -> None:
    database = InMemoryExampleDatabase()
    failure_of(Forgetful, database=database)
    manual = subject_of(Forgetful).limited("manual", exact_limits=False)
    assert len(EarlierFailures(database, subject_of(Forgetful).label, manual).runs) == 1
    assert EarlierFailures(database, subject_of(SmallKernel).label, manual).runs == []
    assert EarlierFailures(database, subject_of(Forgetful).label, sendright.PROFILES["manual"]).runs == []
    assert EarlierFailures(database, subject_of(Forgetful).label, sendright.PROFILES["osf"]).runs == []


def test_a_run_in_the_database_that_no_task_can_make_is_forgotten() -> None:
    database = InMemoryExampleDatabase()
    label, limited = subject_of(SmallKernel).label, subject_of(SmallKernel).limited(None, exact_limits=False)
    database.save(EarlierFailures(database, label, limited).key, b'[{"number": 0, "caller": 999, "name": "mach_task_self", "arguments": {}}]')
    assert len(EarlierFailures(database, label, limited).runs) == 1
    sendright.check(SmallKernel, **{**FEW, "database": database})
    assert not any(database.data.values())


def test_the_database_is_the_one_of_hypothesiss_settings(tmp_path: Path) -> None:
    before = settings.get_current_profile_name()
    settings.register_profile("kept here", database=DirectoryBasedExampleDatabase(tmp_path / "kept"))
    settings.load_profile("kept here")
    try:
        with pytest.raises(sendright.NotConforming):
            sendright.check(Forgetful, examples=3, steps=30)
        assert any(path.is_file() for path in (tmp_path / "kept").rglob("*"))
    finally:
        settings.load_profile(before)


@pytest.mark.parametrize(
    ("kernel", "options", "words"),
    [
        (SmallKernel(), {}, "isn't a class of kernels"),
        (dict, {}, "dict has no boot\\(profile\\), call\\(task, call\\), snapshot\\(\\), name"),
        (SmallKernel, {"profile": "osf"}, "can't be booted as osf"),
        (SmallKernel, {"profile": "plan9"}, "unknown profile 'plan9'"),
        (SmallKernel, {"examples": 0}, "examples: 0 is not a number"),
        (SmallKernel, {"steps": "9"}, "steps: '9' is not a number"),
        ("nowhere:Kernel", {}, "^nowhere:Kernel: No module named 'nowhere'"),
        ("stdio:no-such-program", {}, "no-such-program"),
    ],
)
def test_a_wrong_argument_is_said_in_one_line(kernel: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(sendright.BadInput, match=words) as caught:
        sendright.check(kernel, **{**FEW, **options})
    assert "\n" not in str(caught.value)


def test_nothing_checked_is_not_passed() -> None:
    class Nothing(SmallKernel):  # type: ignore[misc, valid-type]
        mach_task_self = mach_port_allocate = mach_port_deallocate = None

    with pytest.raises(sendright.Undetermined, match="no call was made"):
        sendright.check(Nothing, **FEW)


def test_a_named_kernel_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    failure = failure_of("support.small_kernels:Forgetful")
    assert "from support.small_kernels import Forgetful" in failure.test


def test_a_kernel_that_hangs_doesnt_take_all_day() -> None:
    class Hanging(SmallKernel):  # type: ignore[misc, valid-type]
        def mach_task_self(self, caller: int) -> sendright.Result:
            time.sleep(3600)
            raise AssertionError

    failure = failure_of(Hanging, keep_going=True, call_seconds=0.05, minimize_seconds=0.5)
    assert failure.result.verdict is sendright.Verdict.CRASHED
    assert failure.result.examples < 20  # type: ignore[union-attr]
    assert "mach_task_self did not end within 0.05 s" in str(failure)


def test_without_assertions_nothing_is_checked() -> None:
    words = "import sendright; sendright.check('reference')"
    done = subprocess.run([sys.executable, "-O", "-c", words], capture_output=True, text=True, check=False)
    assert "BadInput: Python leaves out all assertions" in done.stderr


@pytest.mark.parametrize(
    ("scripts", "words"),
    [
        ((), "no script given"),
        (("nowhere.json",), "nowhere.json"),
        (({},), "script 1: "),
        (({"format": object()},), "script 1: can't be written as JSON"),
    ],
)
def test_what_is_no_script_is_refused(scripts: tuple[Any, ...], words: str) -> None:
    with pytest.raises(sendright.BadInput, match=words):
        sendright.replay(SmallKernel, *scripts)


def test_replay_of_files() -> None:
    result = sendright.replay("reference", ROOT / "tests" / "scripts" / "gnumach.json")
    assert result.verdict is sendright.Verdict.PASSED
    with pytest.raises(sendright.Undetermined):
        sendright.replay(SmallKernel, str(ROOT / "tests" / "scripts" / "gnumach.json"))


def test_prove() -> None:
    result = sendright.prove("manual", calls=["mach_task_self"], invariants=[8], jobs=0, cached=False)
    assert result.verdict is sendright.Verdict.PROVED
    for arguments, words in (
        ({"calls": ["fork"]}, "fork"),
        ({"calls": "mach_task_self"}, "are lists"),
        ({"profile": "plan9"}, "unknown profile"),
        ({"jobs": -1}, "jobs: -1"),
    ):
        with pytest.raises(sendright.BadInput, match=words):
            sendright.prove(**{"cached": False, **arguments})  # type: ignore[arg-type]


def test_what_is_refuted_is_an_assertion(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Obligation(
        call="mach_task_self",
        case="KERN_SUCCESS/x",
        property="invariant 8",
        title="counts agree",
        verdict=Verdict.REFUTED,
        seconds=0,
        counterexample="here",
    )
    for verdict, error in ((Verdict.REFUTED, sendright.NotProved), (Verdict.UNDETERMINED, sendright.Undetermined)):
        obligations = (msgspec.structs.replace(one, verdict=verdict),)
        result = sendright.ProofResult(verdict=verdict, profile="manual", obligations=obligations, seconds=0, solver="z3")
        monkeypatch.setattr("sendright.model.proof.prove.prove", lambda *_, result=result, **__: result)
        with pytest.raises(error, match="counts agree") as caught:
            sendright.prove(cached=False)
        assert caught.value.result is result


def test_audit() -> None:
    result = sendright.audit(ROOT / "tests" / "recordings" / "eslogger.jsonl", fail_on="error")
    assert isinstance(result, sendright.AuditResult)
    for logs, arguments, words in (
        ((), {}, "no log given"),
        (("nowhere.json",), {}, "nowhere.json"),
        (("-",), {"form": "papyrus"}, "unknown format 'papyrus'"),
        (("-",), {"fail_on": "panic"}, "unknown severity 'panic'"),
        (("-",), {"jobs": 0}, "jobs: 0"),
    ):
        with pytest.raises(sendright.BadInput, match=words):
            sendright.audit(*logs, **arguments)  # type: ignore[arg-type]
