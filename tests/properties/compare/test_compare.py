"""Runs on which two kernels differ."""

from __future__ import annotations

import msgspec
import pytest

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.capabilities import NotMade
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import KnownRun
from sendright.properties.compare import AsProfile, Compared, as_case, compare_runs, distinct

NAME_IN_USE: KnownRun = [
    (0, Call("mach_task_self", {})),
    (0, Call("mach_port_allocate", {"task": 3, "right": int(Right.RECEIVE)})),
    (0, Call("mach_port_allocate_name", {"task": 3, "right": int(Right.DEAD_NAME), "name": 1})),
]


LOOKED_UP: KnownRun = [
    (0, Call("mach_task_self", {})),
    (0, Call("mach_ports_lookup", {"task": 6})),
]


def runs(first: KnownRun, behaves_as: object, judged_as: object, examples: int = 1) -> Compared:
    return compare_runs(ReferenceKernel, behaves_as, judged_as, Oracle, first=[first], examples=examples, steps=10)  # type: ignore[arg-type]


def test_the_run_is_the_shortest() -> None:
    [found] = [run for run in runs(NAME_IN_USE, OSF, GNUMACH).runs if run.call == "mach_port_allocate_name"]
    assert (found.behaves_as, found.judged_as, found.words) == ("osf", "gnumach", "return code: expected KERN_NAME_EXISTS, seen KERN_SUCCESS")
    assert [step.call for step in found.trace.steps] == ["mach_task_self", "mach_port_allocate_name"]
    assert found.script is not None


def test_kernels_with_other_boot_states_begin_alike() -> None:
    """XNU boots with three tasks and no ledgers' names. What both do the same is no difference."""
    compared = runs([(0, Call("mach_host_self", {})), (1, Call("mach_task_self", {})), (2, Call("mach_reply_port", {}))], XNU, MANUAL)
    assert not [run for run in compared.runs if not run.trace.steps], "booting is no difference"


def test_a_profile_does_as_it_says_itself() -> None:
    compared = runs(NAME_IN_USE, MANUAL, MANUAL, examples=5)
    assert (compared.runs, compared.examples) == ((), 6)
    assert compared.judged > 20


def test_a_kernel_of_its_own_is_judged_by_the_profile() -> None:
    fault = FAULTS["move-send-keeps-sender"]
    moved: KnownRun = [
        (0, Call("mach_reply_port", {})),
        (0, Call("mach_task_self", {})),
        (0, Call("mach_port_insert_right", {"task": 7, "name": 6, "poly": 6, "disposition": int(Disposition.MAKE_SEND)})),
        (0, Call("mach_port_insert_right", {"task": 7, "name": 6, "poly": 6, "disposition": int(Disposition.MOVE_SEND)})),
    ]
    compared = compare_runs(fault.kernel, None, MANUAL, Oracle, first=[moved], examples=1, steps=10)
    assert [run.call for run in compared.runs] == ["mach_port_insert_right"]
    assert compared.runs[0].behaves_as != "manual"


def test_no_call_has_a_number_that_the_running_profile_does_not_model() -> None:
    """OSF doesn't model the right 6, which a gnumach judge takes for one that doesn't exist."""
    kernel = AsProfile(ReferenceKernel(), OSF, GNUMACH)
    kernel.boot(GNUMACH)
    with pytest.raises(NotMade, match=r"right 6 \(MACH_PORT_RIGHT_RECEIVE_NO_NMS"):
        kernel.call(0, Call("mach_port_allocate", {"task": 1, "right": 6}))
    compared = runs([(0, Call("mach_port_allocate", {"task": 1, "right": 6}))], OSF, GNUMACH)
    assert any("right 6" in words and words.endswith("(1 call)") for words in compared.not_compared), compared.not_compared
    assert any("special ports" in words for words in compared.not_compared)


def test_a_difference_seen_from_both_sides_is_one_cause() -> None:
    first: KnownRun = [(0, Call("task_create", {"parent_task": 1, "ledgers": (), "inherit_memory": False}))]
    found = [run for pair in ((OSF, GNUMACH), (GNUMACH, OSF)) for run in runs(first, *pair).runs if run.call == "task_create"]
    assert len(found) == 2
    assert len(distinct(found)) == 1
    other = msgspec.structs.replace(found[0], clause="another case")
    assert len(distinct([*found, other])) == 2, "two cases of one judge are two causes"


def test_a_written_case_fails_on_the_kernel_that_made_the_run() -> None:
    """Also where no return code differs, but a number of rights."""
    [found] = [run for run in runs(LOOKED_UP, GNUMACH, OSF).runs if run.call == "mach_ports_lookup"]
    case = as_case(found, ReferenceKernel, ReferenceKernel, Oracle)
    assert case is not None
    assert case["steps"][-1]["expect"] == {"count": 3}
    nothing_differs = msgspec.structs.replace(found, behaves_as="osf")
    assert as_case(nothing_differs, ReferenceKernel, ReferenceKernel, Oracle) is None


def test_progress_is_reported_while_runs_are_minimized() -> None:
    words: list[str] = []
    compare_runs(
        ReferenceKernel, OSF, GNUMACH, Oracle, first=[NAME_IN_USE], examples=1, steps=10, on_progress=lambda done, total, said: words.append(said)
    )
    assert any(said.startswith("minimizing run 1 of ") for said in words)
