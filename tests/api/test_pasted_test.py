"""A failing run as a test function: it fails as the run did, and passes on a kernel that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.faulty_kernels import RefusesRefs
from support.small_kernels import Crashing, Forgetful, WithoutBoot

import sendright
from sendright.impl.reference import ReferenceKernel

Right, Disposition = sendright.Right, sendright.Disposition


def run_pasted(source: str) -> None:
    """Run the one test function in ``source``, as pytest would."""
    names: dict[str, Any] = {}
    exec(compile(source, "pasted", "exec"), names)
    [test] = [value for name, value in names.items() if name.startswith("test_")]
    test()


def right(source: str, faulty: type, kernel: str) -> str:
    """The test with a kernel that is right."""
    module, _, name = kernel.rpartition(".")
    line = f"from {faulty.__module__} import {faulty.__name__}"
    assert line in source
    return source.replace(line, f"from {module} import {name} as {faulty.__name__}")


@pytest.mark.parametrize("kernel", [Forgetful, Crashing, WithoutBoot])
def test_a_found_run_fails_again(kernel: type[sendright.Kernel]) -> None:
    with pytest.raises(sendright.NotConforming) as found:
        sendright.check(kernel, examples=3, steps=30, database=None)
    with pytest.raises(sendright.NotConforming) as again:
        run_pasted(found.value.test)
    assert _failure(again.value) == _failure(found.value)
    run_pasted(right(found.value.test, kernel, "support.small_kernels.SmallKernel"))


def _failure(error: sendright.NotConforming) -> tuple[str, str, list[tuple[int, str]]]:
    assert error.trace is not None
    violation = error.trace.violations[0]
    return violation.kind, violation.words, [(step.task, step.call) for step in error.trace.steps]


def _of_an_array(run: sendright.Run, self_port: int) -> int:
    run.call(0, "mach_ports_register", task=self_port, ports=(0, 1))
    ports: tuple[int, ...] = run.call(0, "mach_ports_lookup", task=self_port).outputs["ports"]
    return ports[1]


def _of_a_message(run: sendright.Run, self_port: int) -> int:
    port = run.call(0, "mach_port_allocate", task=self_port, right=Right.RECEIVE).outputs["name"]
    carried = run.call(0, "mach_port_allocate", task=self_port, right=Right.RECEIVE).outputs["name"]
    body = ((carried, Disposition.MAKE_SEND), ((carried, carried), Disposition.MAKE_SEND_ONCE))
    sent = run.call(0, "mach_msg_send", dest=port, dest_disposition=Disposition.MAKE_SEND, descriptors=body)
    assert sent.code == 0
    received = run.call(0, "mach_msg_receive", port=port)
    names = sendright.received_names(received)
    assert len(names) == 3
    return names[2]


def _of_a_shortage(run: sendright.Run, self_port: int) -> int:
    call = sendright.Call("mach_port_allocate", {"task": self_port, "right": Right.RECEIVE}, shortage=1)
    assert run.call(0, call).code == sendright.ReturnCode.KERN_RESOURCE_SHORTAGE
    return self_port


@pytest.mark.parametrize("make", [_of_an_array, _of_a_message, _of_a_shortage])
def test_names_are_the_results_of_earlier_calls(make: Callable[[sendright.Run, int], int]) -> None:
    with pytest.raises(sendright.NotConforming) as found, sendright.Run(RefusesRefs, "manual") as run:  # noqa: PT012
        self_port = run.call(0, "mach_task_self").outputs["port"]
        run.call(0, "mach_port_get_refs", task=self_port, name=make(run, self_port), right=Right.SEND)
    last = found.value.test.strip().splitlines()[-1]
    assert "name=answer" in last or "received_names(answer" in last
    with pytest.raises(sendright.NotConforming) as again:
        run_pasted(found.value.test)
    assert _failure(again.value) == _failure(found.value)
    run_pasted(right(found.value.test, RefusesRefs, "sendright.impl.reference.ReferenceKernel"))


def test_a_task_that_a_call_created_makes_calls() -> None:
    with pytest.raises(sendright.NotConforming) as found, sendright.Run(RefusesRefs, "manual") as run:  # noqa: PT012
        self_port = run.call(0, "mach_task_self").outputs["port"]
        child = run.call(0, "task_create", parent_task=self_port, ledgers=(), inherit_memory=False).created_task
        its_port = run.call(child, "mach_task_self").outputs["port"]
        run.call(child, "mach_port_get_refs", task=its_port, name=its_port, right=Right.SEND)
    assert 'answer2 = run.call(0, "task_create"' in found.value.test
    assert 'answer3 = run.call(answer2.created_task, "mach_task_self")' in found.value.test
    with pytest.raises(sendright.NotConforming) as again:
        run_pasted(found.value.test)
    assert _failure(again.value) == _failure(found.value)
    run_pasted(right(found.value.test, RefusesRefs, "sendright.impl.reference.ReferenceKernel"))


def test_limits_are_those_of_the_run() -> None:
    with pytest.raises(sendright.NotConforming) as found, sendright.Run(RefusesRefs, "osf", exact_limits=True) as run:  # noqa: PT012
        self_port = run.call(0, "mach_task_self").outputs["port"]
        run.call(0, "mach_port_get_refs", task=self_port, name=self_port, right=Right.SEND)
    assert 'sendright.Run(RefusesRefs, profile="osf", exact_limits=True)' in found.value.test
    with pytest.raises(sendright.NotConforming):
        run_pasted(found.value.test)


def test_a_kernel_without_a_name_of_its_own_has_to_be_put_in() -> None:
    class Local(RefusesRefs):
        pass

    with pytest.raises(sendright.NotConforming) as found, sendright.Run(Local, "manual") as run:  # noqa: PT012
        self_port = run.call(0, "mach_task_self").outputs["port"]
        run.call(0, "mach_port_get_refs", task=self_port, name=self_port, right=Right.SEND)
    assert "# Import or define Local, the kernel that was checked." in found.value.test
    names: dict[str, Any] = {"Local": Local}
    exec(found.value.test, names)
    with pytest.raises(sendright.NotConforming):
        names["test_mach_port_get_refs_as_specified"]()


def test_a_run_on_a_right_kernel_is_judged_to_its_end() -> None:
    with sendright.Run(ReferenceKernel, "gnumach") as run:
        port = run.call(0, "mach_task_self").outputs["port"]
        assert run.call(0, "mach_port_allocate", task=port, right=7).code == sendright.ReturnCode.KERN_INVALID_VALUE
    assert [step.call for step in run.trace.steps] == ["mach_task_self", "mach_port_allocate"]
    assert port in run.state.tasks[0].names
    assert run.profile.name == "gnumach"


def test_what_a_run_refuses() -> None:
    with pytest.raises(sendright.BadInput, match="isn't booted"):
        sendright.Run(ReferenceKernel).call(0, "mach_task_self")
    with sendright.Run(ReferenceKernel) as run:
        for caller, call, arguments, words in (
            (0, "mach_task_slef", {}, "did you mean mach_task_self"),
            (0, "mach_port_allocate", {"right": 1}, "the argument task missing"),
            (0, "mach_port_allocate", {"task": 1, "right": 1, "nam": 1}, "no argument nam"),
            (9, "mach_task_self", {}, "task 9 can't make calls now"),
            (None, "mach_task_self", {}, "no task to make it"),
            (0, sendright.Call("mach_task_self", {}), {"task": 1}, "leave out task"),
        ):
            with pytest.raises(sendright.BadInput, match=words):
                run.call(caller, call, **arguments)  # type: ignore[arg-type]
        with pytest.raises(sendright.BadInput, match="no pending call"):
            run.resume(0)
        assert run.trace.steps == ()
