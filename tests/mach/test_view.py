"""Implementations that show a view of their spaces only, that don't have every call, and whose tasks go on by
themselves.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.viewed_kernel import Eager, Viewed, faulty

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Right, SlotKind
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import Capabilities, NotMade
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, PROFILES
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.view import NamedRight, Receiver, Space, View, ViewPart, missing_part, view_differences, view_of
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.check import check
from sendright.properties.runs.judged_run import JudgedRun, Violated

ALL = frozenset(ViewPart)


@pytest.mark.heavy
@pytest.mark.parametrize("profile", PROFILES)
def test_a_kernel_that_shows_a_view_only_agrees_with_the_specification(profile: str) -> None:
    result = check(Viewed, Oracle, PROFILES[profile], 25, 60)
    assert result.verdict is Verdict.PASSED, result.message
    assert result.not_compared == ("messages in queues, a task's special ports, memory and tokens, unless a call returns them",)


def test_a_kernel_whose_tasks_go_on_by_themselves_agrees_with_the_specification() -> None:
    went_on = []
    known = witnessed_calls(GNUMACH)
    result = check(Eager, Oracle, GNUMACH, 20, 60, first=known, on_run=lambda trace: went_on.extend(step for step in trace.steps if step.resume))
    assert result.verdict is Verdict.PASSED, result.failure and result.failure.violations[0].words
    assert any(step.code == 0 for step in went_on), "no call has gone on"


@pytest.mark.heavy
def test_a_fault_that_a_view_shows_is_found() -> None:
    result = check(lambda: faulty("move-send-keeps-sender"), Oracle, MANUAL, 100, 60, seed=1)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    assert "user references" in result.failure.violations[0].words or "nothing" in result.failure.violations[0].words


def changed_view(change: dict[str, Any], shows: frozenset[ViewPart] = ALL) -> tuple[str, ...]:
    """What differs when the first task's name 3, a receive right with two send references, shows a ``change``."""
    kernel = ReferenceKernel()
    kernel.boot(GNUMACH)
    own = kernel.call(0, Call("mach_task_self", {})).outputs["port"]
    name = kernel.call(0, Call("mach_port_allocate", {"task": own, "right": Right.RECEIVE})).outputs["name"]
    for _ in range(2):
        kernel.call(0, Call("mach_port_insert_right", {"task": own, "name": name, "poly": name, "disposition": 20}))
    snapshot = kernel.snapshot()
    space = view_of(snapshot).tasks[0]
    named = space.names[name]
    own_parts = {part: value for part, value in change.items() if part in NamedRight.__struct_fields__}
    assert named.receiver is not None
    receiver = msgspec.structs.replace(named.receiver, **{part: value for part, value in change.items() if part not in own_parts})
    changed = msgspec.structs.replace(named, receiver=receiver, **own_parts)
    seen = View({0: Space({**space.names, name: changed}, space.suspend_count)})
    return tuple(str(difference) for difference in view_differences(snapshot, seen, shows))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("kind", SlotKind.RECEIVE),
        ("urefs", 1),
        ("request", True),
        ("pset", 9),
        ("sequence_number", 1),
        ("make_send_count", 3),
        ("queue_limit", 4),
        ("messages", 1),
        ("send_rights", 2),
        ("send_once_rights", 1),
        ("port_destroyed", True),
        ("no_senders", True),
    ],
)
def test_each_part_of_a_view_is_compared_if_it_is_shown(part: str, value: Any) -> None:
    assert changed_view({}) == ()
    [difference] = changed_view({part: value})
    assert difference.startswith("task 0, name 4")
    if part != "kind":
        assert changed_view({part: value}, ALL - {ViewPart(part)}) == ()


def test_ports_are_compared_by_which_names_denote_the_same_one() -> None:
    snapshot = ReferenceKernel()
    snapshot.boot(GNUMACH)
    state = snapshot.snapshot()
    names = view_of(state).tasks[0].names

    def seen(*ports: int | None) -> int:
        space = Space({name: msgspec.structs.replace(names[name], port=port) for name, port in zip(names, ports, strict=True)}, 0)
        return len(view_differences(state, View({0: space}), ALL))

    assert seen(1, 2) == seen(77, 5) == seen(None, 5) == 0, "any numbers will do"
    assert seen(4, 4) == 1, "these are two ports"


def test_what_was_declared_must_be_shown() -> None:
    receiver = Receiver(
        pset=0, sequence_number=0, make_send_count=0, queue_limit=5, messages=0, send_rights=0, send_once_rights=0, port_destroyed=False
    )
    view = View({3: Space({7: NamedRight(SlotKind.RECEIVE, 0, None, False, receiver)}, 0)})
    assert missing_part(view, ALL) == "task 3, name 7: the no-senders request is missing, although it is declared in shows"
    assert missing_part(view, ALL - {ViewPart.NO_SENDERS}) is None
    assert missing_part(View({3: Space({})}), ALL) == "task 3: the suspend count is missing, although it is declared in shows"


class Picky(Viewed):
    """Has three calls, and doesn't make all of them."""

    def __init__(self) -> None:
        super().__init__(shows=frozenset({ViewPart.UREFS}))
        self.capabilities = Capabilities(
            profiles=("gnumach",),
            calls=frozenset({"mach_port_allocate", "mach_task_self", "mach_port_destroy"}),
            shows=frozenset({ViewPart.UREFS}),
            shortages=False,
            limits=False,
        )

    def call(self, task: int, call: Call) -> Result:
        if call.name == "mach_port_destroy":
            raise NotMade("nothing is destroyed here")
        assert not call.shortage
        return super().call(task, call)


def test_what_was_not_compared_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sut", f"{__name__}:Picky", "-n", "5", "--profile", "gnumach"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert re.search(r"calls that it doesn't have: \d+ \(-v lists them\)", told)
    assert "it doesn't show: suspend count, which port it is," in told
    assert "that it can't make: nothing is destroyed here" in told
    assert "behaviour when the kernel runs out of memory" in told
    assert "limits other than the kernel's own" in told


def test_a_replay_says_what_was_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"as": "A", "call": "mach_task_self"}, {"as": "A", "call": "task_create", "args": {"parent": "A"}}]
    script = {"format": "mach-cases/1", "profile": "gnumach", "cases": [{"id": "one", "title": "two calls", "steps": steps}]}
    (tmp_path / "script.json").write_text(json.dumps(script))
    main(["replay", str(tmp_path / "script.json"), "--sut", f"{__name__}:Picky", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert "calls that it doesn't have: task_create" in told["not_compared"]
    assert "behaviour when the kernel runs out of memory" in told["not_compared"]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"queue_limit": 2}, "it can't boot with limits other than its own"),
        ({"profile": "manual"}, "it can't boot as manual, only as gnumach"),
        ({"queue_limit": GNUMACH.queue_limit}, None),
    ],
)
def test_a_case_for_another_kernel_is_not_run(tmp_path: Path, case: dict[str, Any], reason: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [{"as": "A", "call": "mach_task_self"}]
    script = {"format": "mach-cases/1", "profile": "gnumach", "cases": [{"id": "one", "title": "a call", "steps": steps} | case]}
    (tmp_path / "script.json").write_text(json.dumps(script))
    main(["replay", str(tmp_path / "script.json"), "--sut", f"{__name__}:Picky", "--json", "--report-dir", str(tmp_path)])
    [told] = json.loads(capsys.readouterr().out)["cases"]
    assert told["verdict"] == ("passed" if reason is None else "not_modelled")
    assert reason is None or reason in told["reason"]


def test_a_replay_by_another_profile_than_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script.json").write_text('{"format": "mach-cases/1", "profile": "gnumach", "cases": []}')
    assert main(["replay", str(tmp_path / "script.json"), "--sut", f"{__name__}:Picky", "--profile", "osf"]) == 2
    assert "can't be booted as osf (choose one of gnumach, or leave it out)" in capsys.readouterr().err


def test_a_run_whose_view_is_wrong_fails_at_that_call() -> None:
    class Wrong(Viewed):
        def snapshot(self) -> View:
            shown = super().snapshot()
            space = shown.tasks[0]
            return View({0: Space({name: msgspec.structs.replace(named, urefs=1) for name, named in space.names.items()}, space.suspend_count)})

    run = JudgedRun(Wrong(), Oracle(GNUMACH), GNUMACH, 2.0)
    run.boot()
    run.call(0, Call("mach_task_self", {}))
    with pytest.raises(Violated, match="name 3, user references: expected 2, seen 1"):
        run.call(0, Call("mach_task_self", {}))


def test_check_goes_on_and_tells_of_each_way_to_fail() -> None:
    class Twice(ReferenceKernel):
        def call(self, task: int, call: Call) -> Result:
            result = super().call(task, call)
            return Result(5) if call.name in ("mach_host_self", "vm_read") else result

    first = check(Twice, Oracle, MANUAL, 40, 40, minimize_seconds=5)
    assert not first.others
    all_of_them = check(Twice, Oracle, MANUAL, 40, 40, minimize_seconds=5, keep_going=True)
    failing = [all_of_them.failure, *(other.failure for other in all_of_them.others)]
    assert {trace.steps[-1].call for trace in failing if trace} == {"mach_host_self", "vm_read"}
    assert all_of_them.examples == 40
