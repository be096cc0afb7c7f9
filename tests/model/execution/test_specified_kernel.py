"""The scripts' expectations, which are real kernels' answers, and the specification's own answers: no other kernel
takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.places import TESTS
from support.specified_kernel import SpecifiedKernel

from sendright.mach.abi.rights import Disposition, Notification, Right, SlotKind
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import MANUAL, XNU, Profile
from sendright.mach.state.snapshot import Entry, differences, entry_in_words
from sendright.mach.state.view import view_of
from sendright.model.execution.oracle import Oracle, broken_invariants
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay

SCRIPTS = sorted((TESTS / "scripts").glob("*.json"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_specification_answers_as_real_kernels_do(path: Path) -> None:
    result = replay([load_script(path)], SpecifiedKernel, Oracle)
    assert result.passed
    assert [(case.id, case.reason) for case in result.cases if case.verdict != "passed"] == []


def a_watched_right_whose_port_died(profile: Profile) -> tuple[SpecifiedKernel, int]:
    """A kernel in which another task's name is such a right, and that name."""
    kernel = SpecifiedKernel()
    kernel.boot(profile)

    def does(task: int, name: str, /, **arguments: Any) -> Any:
        result = kernel.call(task, Call(name, arguments))
        assert result.code == 0, (name, result)
        return next(iter(result.outputs.values()), None)

    me, other = does(0, "mach_task_self"), does(0, "mach_task_self")
    port, home = (does(0, "mach_port_allocate", task=me, right=Right.RECEIVE) for _ in range(2))
    held = profile.chosen_name(40)
    does(0, "mach_port_insert_right", task=other, name=held, poly=port, disposition=Disposition.MAKE_SEND_ONCE)
    asked = {"variant": Notification.DEAD_NAME, "sync": 0, "notify": home, "notify_disposition": Disposition.MAKE_SEND_ONCE}
    does(0, "mach_port_request_notification", task=me, name=held, **asked)
    does(0, "mach_port_mod_refs", task=me, name=port, right=Right.RECEIVE, delta=-1)
    return kernel, held


def test_a_snapshot_shows_what_a_name_was_until_a_call_looks_at_it() -> None:
    kernel, name = a_watched_right_whose_port_died(XNU)
    unlooked = kernel.snapshot()
    entry = unlooked.tasks[0].names[name]
    assert entry == Entry(SlotKind.SEND_ONCE, None, 1, told=True)
    assert entry_in_words(entry) == "send-once right to a port that has died, its request has fired, 1 user reference"
    assert view_of(unlooked).tasks[0].names[name].kind is SlotKind.DEAD_NAME
    assert broken_invariants(unlooked, XNU) == ()
    assert broken_invariants(unlooked, MANUAL), "elsewhere a right has a port"
    kernel.call(0, Call("mach_port_type", {"task": kernel.call(0, Call("mach_task_self", {})).outputs["port"], "name": name}))
    looked = kernel.snapshot()
    assert looked.tasks[0].names[name] == Entry(SlotKind.DEAD_NAME, None, 2)
    assert any(str(one).endswith("seen dead name, 2 user references") for one in differences(unlooked, looked))


def test_elsewhere_a_name_is_dead_at_once() -> None:
    kernel, name = a_watched_right_whose_port_died(MANUAL)
    assert kernel.snapshot().tasks[0].names[name] == Entry(SlotKind.DEAD_NAME, None, 2)
