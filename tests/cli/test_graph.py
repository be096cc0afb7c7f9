"""``sendright graph``: origins from a trace on disk."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.report_runs import MOVE_TO_CHILD, forged, run

from sendright.cli.main import main
from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import SlotKind
from sendright.mach.results.verdicts import ExitStatus
from sendright.mach.state.snapshot import EMPTY, Change, Entry, Slot, changes
from sendright.mach.state.trace import Trace
from sendright.reports.write import trace_text, write_text


def saved(directory: Path, trace: Trace) -> str:
    write_text(directory / "trace.json", trace_text(trace))
    return str(directory / "trace.json")


def test_a_right_is_followed_to_where_it_was_made(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = saved(tmp_path, run(ReferenceKernel(), MOVE_TO_CHILD))
    assert main(["graph", file, "--task", "1", "--port", "8", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    (right,) = data["rights"]
    assert right["right"] == "send right to port 8 at task 1, name 3"
    assert [(edge["how"], edge["call"]) for edge in right["path"]][-2:] == [("made", "mach_port_insert_right"), ("moved", "mach_port_insert_right")]
    assert data["violations"] == []
    assert main(["graph", file, "--task", "1"]) == 0
    text = capsys.readouterr().out
    assert "send right to port 8 at task 1, name 3\n" in text
    assert "    call 6, mach_port_insert_right: moved: send right to port 8 at task 1, name 3\n" in text
    assert "\n    granted at boot: " in text
    for option, number, words in (
        ("--task", "99", "no task 99 lives at the end of the run (choose one of 0, 1)"),
        ("--task", "-1", "no task -1"),
        ("--port", "99", "no port 99 lives at the end of the run"),
        ("--trust", "9", "no task 9"),
    ):
        assert main(["graph", file, option, number]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err


def test_a_right_that_nobody_gave_is_a_violation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = saved(tmp_path, forged(run(ReferenceKernel(), MOVE_TO_CHILD[:3])))
    assert main(["graph", file]) == 1
    assert "no call and no boot state explains it" in capsys.readouterr().out


def test_a_trace_that_contradicts_itself_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    number = next(step.index for step in trace.steps if step.changes)
    emptied = [msgspec.structs.replace(step, changes=()) if step.index == number else step for step in trace.steps]
    wrong = Change(Slot("name", 0, 77), Entry(SlotKind.RECEIVE, 9), EMPTY)
    added = msgspec.structs.replace(trace.steps[number], changes=(wrong,))
    for changed, place in (
        (msgspec.structs.replace(trace, steps=(*trace.steps[:number], added)), f"$.steps[{number}].changes[0].before"),
        (msgspec.structs.replace(trace, steps=tuple(emptied)), "$."),
        (msgspec.structs.replace(trace, steps=trace.steps[:number]), "$.final"),
    ):
        assert main(["graph", saved(tmp_path, changed)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f": {place}" in line


def test_what_no_run_says_of_a_call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD[:3])
    step = msgspec.structs.replace(trace.steps[-1], call="mach_port_request_notification", arguments={"name": 1, "variant": 7}, outputs={})
    changed = msgspec.structs.replace(trace, steps=(*trace.steps[:-1], step))
    assert main(["graph", saved(tmp_path, changed)]) == ExitStatus.VIOLATION
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "not JSON"), ("[]", "$"), ("{}", "implementation"), ('{"steps": 5}', "$.steps")],
)
def test_what_is_no_trace_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert main(["graph", str(tmp_path / "x.json")]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"sendright: {tmp_path / 'x.json'}: ")
    assert words in line


def test_a_trace_of_another_version(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = saved(tmp_path, msgspec.structs.replace(run(ReferenceKernel(), ()), format="sendright-trace/9"))
    assert main(["graph", file]) == 2
    assert "sendright-trace/9" in capsys.readouterr().err


def test_a_trace_survives_the_disk(tmp_path: Path) -> None:
    trace = run(FAULTS["move-send-keeps-sender"].kernel(), MOVE_TO_CHILD)
    again = msgspec.json.decode(Path(saved(tmp_path, trace)).read_bytes(), type=Trace)
    assert again.final == trace.final
    assert [step.changes for step in again.steps] == [step.changes for step in trace.steps]
    assert changes(again.initial, again.final) == changes(trace.initial, trace.final)


@pytest.mark.parametrize(
    ("part", "name", "value", "words"),
    [
        ("arguments", "name", [5], "mach_port_insert_right: the argument name is (5,), not a number"),
        ("arguments", "tasks", 5, "mach_port_insert_right: it has no argument 'tasks' (did you mean task?)"),
        ("outputs", "port", [5], "mach_port_insert_right has no result 'port'"),
    ],
)
def test_values_that_a_call_does_not_have_are_refused(
    part: str, name: str, value: Any, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    index = next(step.index for step in trace.steps if step.call == "mach_port_insert_right")
    changed = json.loads(trace_text(trace))
    changed["steps"][index].setdefault(part, {})[name] = value
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    assert main(["graph", str(tmp_path / "changed.json")]) == 2
    assert f"$.steps[{index}]: {words}" in capsys.readouterr().err


def test_a_call_that_creates_no_task_has_made_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD[:3])
    step = msgspec.structs.replace(trace.steps[-1], created_task=7)
    assert main(["graph", saved(tmp_path, msgspec.structs.replace(trace, steps=(*trace.steps[:-1], step)))]) == 2
    assert f"{step.call} creates no task" in capsys.readouterr().err


def test_a_result_that_is_no_name_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = run(ReferenceKernel(), MOVE_TO_CHILD)
    changed = json.loads(trace_text(trace))
    index = next(step.index for step in trace.steps if step.outputs)
    name = next(iter(changed["steps"][index]["outputs"]))
    changed["steps"][index]["outputs"][name] = [[5]]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    assert main(["graph", str(tmp_path / "changed.json")]) == 2
    assert f"$.steps[{index}]: the result {name} is ((5,),), which is not of type" in capsys.readouterr().err
