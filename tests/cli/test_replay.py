"""``sendright replay`` with real kernels: what it prints, writes and ends with."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.places import SENDRIGHT
from support.report_runs import MOVE_TO_CHILD, run

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.kernel.profiles import PROFILES
from sendright.properties.scripts.export import script_of

KERNELS = """
import os, signal, sys, time
from sendright.impl.reference import ReferenceKernel

class Noisy(ReferenceKernel):
    def call(self, task, call):
        print("noise")
        return super().call(task, call)

class Crashing(ReferenceKernel):
    def call(self, task, call):
        if call.name == "mach_port_allocate":
            raise RuntimeError("double fault\\nat 0x0")
        return super().call(task, call)

class Deadly(ReferenceKernel):
    def call(self, task, call):
        if call.name == "mach_port_allocate":
            os.kill(os.getppid(), signal.SIGKILL)  # it has a process of its own
        return super().call(task, call)

class Slow(ReferenceKernel):
    def boot(self, profile):
        super().boot(profile)
        self.boots = getattr(self, "boots", 0) + 1
    def call(self, task, call):
        if self.boots > 1:
            print("waiting", file=sys.stderr, flush=True)
            time.sleep(60)
        return super().call(task, call)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A script that a sound kernel passes, in the current directory, beside unsound kernels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "move.json").write_text(json.dumps(script_of(run(ReferenceKernel(), MOVE_TO_CHILD), "move", "a moved right")))
    (tmp_path / "odd_kernels.py").write_text(KERNELS)
    sys.modules.pop("odd_kernels", None)
    return "move.json"


def replayed(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> dict[str, Any]:
    """What ``--json`` prints."""
    assert main(["replay", *arguments, "--json"]) == status
    (line,) = capsys.readouterr().out.splitlines()
    data: dict[str, Any] = json.loads(line)
    return data


def test_a_passing_script_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], script: str) -> None:
    data = replayed(capsys, 0, script)
    assert {key: data[key] for key in ("verdict", "passed", "failed", "not_modelled", "reports")} == {
        "verdict": "PASSED",
        "passed": 1,
        "failed": 0,
        "not_modelled": 0,
        "reports": [],
    }
    assert [(case["id"], case["verdict"]) for case in data["cases"]] == [("move", "passed")]
    assert "trace" not in data["cases"][0]
    assert "trace" in replayed(capsys, 0, script, "--traces")["cases"][0]
    assert not Path("sendright-report").exists()


def test_a_failing_script_leaves_a_report(capsys: pytest.CaptureFixture[str], script: str) -> None:
    data = replayed(capsys, 1, script, "--fault", "move-send-keeps-sender")
    assert (data["verdict"], data["failed"]) == ("FAILED", 1)
    (case,) = data["cases"]
    assert (case["verdict"], case["step"], case["call"]) == ("failed", 5, "mach_port_insert_right")
    assert case["expected"] != case["seen"]
    assert [Path(path).name for path in data["reports"]] == ["report.html", "junit.xml", "report.sarif", "trace.json"]
    page = Path("sendright-report/report.html").read_text()
    assert "sendright replay move.json --fault move-send-keeps-sender" in page
    assert "mach-cases/1" in page, "the script is in the page"


def test_for_people(capsys: pytest.CaptureFixture[str], script: str) -> None:
    assert main(["replay", script, "--fault", "move-send-keeps-sender"]) == 1
    text = capsys.readouterr().out
    assert "mach_port_insert_right left a state that is not as specified" in text
    assert "> 6. t0: mach_port_insert_right(" in text
    assert "Report: sendright-report/report.html" in text


def test_a_crash_names_its_step_and_leaves_a_report(capsys: pytest.CaptureFixture[str], script: str) -> None:
    data = replayed(capsys, 3, script, "--sut", "odd_kernels:Crashing")
    assert data["verdict"] == "CRASHED"
    assert (data["cases"][0]["verdict"], data["cases"][0]["step"], data["cases"][0]["call"]) == ("crashed", 2, "mach_port_allocate")
    assert "double fault" in Path("sendright-report/report.html").read_text()
    assert ET.parse("sendright-report/junit.xml").find(".//error") is not None


def test_a_case_over_which_every_process_dies_costs_only_itself(capsys: pytest.CaptureFixture[str], script: str) -> None:
    own = {"as": "A", "call": "mach_task_self", "args": {}}
    cases = [{"id": f"own {number}", "steps": [own]} for number in range(4)]
    Path("own.json").write_text(json.dumps({"format": "mach-cases/1", "profile": "manual", "cases": cases}))
    data = replayed(capsys, 3, script, "own.json", "-j", "2", "--sut", "odd_kernels:Deadly")
    assert (data["verdict"], data["passed"], data["crashed"]) == ("CRASHED", 4, 1)
    assert [case["verdict"] for case in data["cases"]] == ["crashed", *["passed"] * 4]
    (finding,) = data["findings"]
    assert (finding["rule"], finding["fingerprint"]) == ("replay/lost", None), "nobody can accept that a case has no result"
    assert finding["words"] == "the processes that worked on it died, the last one with SIGKILL"
    assert {Path(path).name for path in data["reports"]} >= {"report.html", "junit.xml", "report.sarif"}
    wrong = {"id": "wrong", "steps": [own | {"expect": {"ret": "KERN_FAILURE"}}]}
    Path("own.json").write_text(json.dumps({"format": "mach-cases/1", "profile": "manual", "cases": [wrong]}))
    assert replayed(capsys, 1, script, "own.json", "-j", "2", "--sut", "odd_kernels:Deadly")["failed"] == 1, "what was found is found"
    assert main(["replay", script, script, "-j", "2", "--sut", "odd_kernels:Deadly"]) == 3
    streams = capsys.readouterr()
    assert (streams.out, len(streams.err.splitlines())) == ("", 1)
    assert "no case has a result: the processes that worked on it died" in streams.err


def test_standard_output_is_for_the_result(capsys: pytest.CaptureFixture[str], script: str) -> None:
    replayed(capsys, 0, script, "--sut", "odd_kernels:Noisy")


def test_reports_on_demand(capsys: pytest.CaptureFixture[str], script: str) -> None:
    data = replayed(capsys, 0, script, "--html", "a.html", "--junit", "b.xml", "--sarif", "c.sarif")
    assert data["reports"] == ["a.html", "b.xml", "c.sarif"]
    assert "No violation was found" in Path("a.html").read_text()
    assert ET.parse("b.xml").getroot().get("tests") == "1"
    assert json.loads(Path("c.sarif").read_text())["runs"][0]["results"] == []


def test_nothing_of_an_earlier_run_is_left(capsys: pytest.CaptureFixture[str], script: str) -> None:
    replayed(capsys, 1, script, "--fault", "move-send-keeps-sender")
    reports = Path("sendright-report")
    (reports / "trace-3.json").write_text((reports / "trace.json").read_text())
    (reports / "script.json").write_text(Path(script).read_text())
    (reports / "trace-2.json").write_text("mine")
    (reports / "notes.txt").write_text("about sendright")
    replayed(capsys, 0, "sendright-report/script.json")
    assert {path.name for path in reports.iterdir()} == {"script.json", "trace-2.json", "notes.txt"}, "what is read, and what is another's, stays"


def test_a_report_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], script: str) -> None:
    assert main(["replay", script, "--html", "none/x.html", "--junit", "good.xml"]) == 2
    assert (
        "sendright: none/x.html: the report can't be written: No such file or directory (choose another place with --html)" in capsys.readouterr().err
    )
    assert Path("good.xml").exists(), "the others are written"


def test_a_place_where_no_report_can_be_written(capsys: pytest.CaptureFixture[str], script: str) -> None:
    Path("file").write_text("mine")
    assert main(["replay", script, "--fault", "move-send-keeps-sender", "--report-dir", "file", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "FAILED", "the result isn't lost"
    assert captured.err.startswith("sendright: file: the report can't be written")
    assert main(["replay", script, "--junit", "none/b.xml", "--json"]) == 2
    assert Path("file").read_text() == "mine"


def test_interrupted_it_keeps_what_it_found(script: str) -> None:
    case = json.loads(Path(script).read_text())["cases"][0]
    Path("two.json").write_text(json.dumps(json.loads(Path(script).read_text()) | {"cases": [case, case | {"id": "second"}]}))
    command = [*SENDRIGHT, "replay", "two.json", "--sut", "odd_kernels:Slow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while process.stderr.readline() != "waiting\n":  # progress may be told before
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    data = json.loads(out)
    assert data["interrupted"]
    assert [(one["id"], one["verdict"]) for one in data["cases"]] == [("move", "passed")]
    assert Path("sendright-report/report.html").exists()


def test_the_run_of_a_case_that_passed_is_for_the_graph(capsys: pytest.CaptureFixture[str], script: str) -> None:
    replayed(capsys, 0, script, "--trace", "run.json")
    assert main(["graph", "run.json", "--task", "1"]) == 0
    assert "send right to port 8 at task 1, name 3" in capsys.readouterr().out


def test_a_case_of_an_unknown_kernel_is_not_modelled(capsys: pytest.CaptureFixture[str], script: str) -> None:
    data = json.loads(Path(script).read_text())
    other = data["cases"][0] | {"id": "other", "profile": "vms"}
    Path("two.json").write_text(json.dumps(data | {"cases": [*data["cases"], other]}))
    told = replayed(capsys, 0, "two.json")
    assert [one["verdict"] for one in told["cases"]] == ["passed", "not_modelled"]
    assert told["cases"][1]["reason"] == 'profile "vms" is not modelled; the profiles are ' + ", ".join(PROFILES)


def test_a_narrow_terminal_gets_lines(capsys: pytest.CaptureFixture[str], script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["replay", script]) == 0
    assert "move: passed" not in capsys.readouterr().out, "cases that passed are for those who ask"
    assert main(["replay", script, "-v"]) == 0
    text = capsys.readouterr().out
    assert "move: passed" in text
    assert "…" not in text
