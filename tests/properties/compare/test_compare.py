"""Runs on which two kernels differ."""

from __future__ import annotations

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import GNUMACH, MANUAL, OSF, XNU
from sendright.model.execution.oracle import Oracle
from sendright.properties.check import KnownRun
from sendright.properties.compare import Compared, compare_runs

NAME_IN_USE: KnownRun = [
    (0, Call("mach_task_self", {})),
    (0, Call("mach_port_allocate", {"task": 3, "right": int(Right.RECEIVE)})),
    (0, Call("mach_port_allocate_name", {"task": 3, "right": int(Right.DEAD_NAME), "name": 1})),
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
