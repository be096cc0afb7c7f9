"""The catalogue of seeded faults: each does what it says, and otherwise what the reference kernel does."""

import pytest
from support.kernel import Machine, send

from sendright.impl.faults import FAULTS
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Place, PortObject, SlotKind
from sendright.mach.abi.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import XNU

CREATE = "host_security_create_task_token"


def faulty(name: str) -> Machine:
    return Machine(kernel=FAULTS[name].kernel())


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_a_name_a_title_and_a_history(name: str) -> None:
    fault = FAULTS[name]
    assert fault.name == name
    assert fault.title
    assert len(fault.history) > 100
    assert fault.kernel().name == f"reference kernel with {name}"


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_kernel_boots_like_the_reference(name: str) -> None:
    assert faulty(name).snapshot() == Machine().snapshot()


def test_the_catalogue_holds_kernels_apart() -> None:
    fault = FAULTS["move-send-keeps-sender"]
    assert fault.kernel() is not fault.kernel()


# create-then-set-tokens


def test_the_child_is_left_behind_with_its_parents_tokens() -> None:
    root = faulty("create-then-set-tokens").root
    names = root.names
    result = root.result(CREATE, shortage=2, host_security=3, parent_task=root.me, security_token=(501, 20), audit_token=(5,) * 8)
    assert (result.code, result.outputs, result.created_task) == (ReturnCode.KERN_RESOURCE_SHORTAGE, {}, None)
    child = root.machine.snapshot().tasks[1]
    assert (child.security_token, child.audit_token) == (BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN)
    assert child.places[Place.KERNEL] == send(7)
    assert root.machine.port(7).send_rights == 1
    assert root.names == names


def test_the_first_allocation_failing_leaves_nothing() -> None:
    root = faulty("create-then-set-tokens").root
    assert root.refused(CREATE, shortage=1, host_security=3, parent_task=root.me) == "KERN_RESOURCE_SHORTAGE"


def test_without_a_shortage_it_is_as_it_should_be() -> None:
    wrong, right = faulty("create-then-set-tokens").root, Machine().root
    for root in (wrong, right):
        root.does(CREATE, host_security=3, parent_task=root.me, security_token=(501, 20), audit_token=(5,) * 8)
    assert wrong.machine.snapshot() == right.machine.snapshot()


def test_task_create_has_not_the_fault() -> None:
    root = faulty("create-then-set-tokens").root
    assert root.refused("task_create", shortage=2, parent_task=root.me) == "KERN_RESOURCE_SHORTAGE"


# move-send-keeps-sender


def test_the_sender_keeps_the_right_that_it_moved() -> None:
    root = faulty("move-send-keeps-sender").root
    child = root.child()
    root.gives(child, 1, Disposition.MOVE_SEND)
    assert root.names[1] == send(1, urefs=1)
    assert child.names[50] == send(1, urefs=1)


def test_other_rights_are_moved() -> None:
    root = faulty("move-send-keeps-sender").root
    child = root.child()
    port = root.port()
    once = root.send_once(port)
    root.gives(child, once, Disposition.MOVE_SEND_ONCE, name=50)
    root.gives(child, port, Disposition.MOVE_RECEIVE, name=51)
    assert not {once, port} & root.names.keys()
    assert child.names[51].kind is SlotKind.RECEIVE


def test_messages_still_move_send_rights() -> None:
    root = faulty("move-send-keeps-sender").root
    root.sends(root.port_with_send(), descriptors=((1, Disposition.MOVE_SEND),))
    assert 1 not in root.names


# special-port-swap-in-two-steps


def swapped(machine: Machine, stop: bool) -> tuple[int, int]:
    """What the ports of the right that was there, and of the one put there meanwhile, count, when two tasks set one
    place of the child's.
    """
    root, kernel = machine.root, machine.kernel
    child = root.child()
    old, first, second = (root.port_with_send() for _ in range(3))
    root.does("task_set_special_port", task=child.seen_as, which=4, port=old)
    root.gives(child, first, Disposition.COPY_SEND)
    kernel.call(child.number, Call("task_set_special_port", {"task": child.me, "which": 4, "port": 50}, stop=stop))
    kernel.call(root.number, Call("task_set_special_port", {"task": child.seen_as, "which": 4, "port": second}))
    if stop:
        assert kernel.call(child.number, Call("task_set_special_port", {}, resume=True)).code == ReturnCode.KERN_SUCCESS
    state = machine.snapshot()
    numbers = [state.tasks[root.number].names[name].port for name in (old, second)]
    return tuple([state.ports[number].send_rights for number in numbers if number is not None])


def test_a_right_is_released_twice_and_another_forgotten() -> None:
    assert swapped(faulty("special-port-swap-in-two-steps"), stop=True) == (0, 2)
    assert swapped(Machine(), stop=True) == (1, 2)


def test_a_swap_that_nobody_comes_between_is_as_it_should_be() -> None:
    machines = faulty("special-port-swap-in-two-steps"), Machine()
    assert [swapped(machine, stop=False) for machine in machines] == [(1, 2), (1, 2)]
    assert machines[0].snapshot() == machines[1].snapshot()


# resume-keeps-right


def test_a_right_outlives_the_suspension() -> None:
    def rights_after_a_resume(machine: Machine) -> int:
        target = machine.last_booted().seen_as
        for call in ("task_suspend", "task_resume"):
            machine.root.does(call, task=target)
        return sum(port.send_rights for port in machine.snapshot().ports.values() if port.object is PortObject.TASK_RESUME)

    kernels = FAULTS["resume-keeps-right"].kernel(), None
    assert [rights_after_a_resume(Machine(XNU, kernel)) for kernel in kernels] == [1, 0]


def test_the_reference_kernel_has_none() -> None:
    assert ReferenceKernel not in {fault.kernel for fault in FAULTS.values()}
    root = Machine().root
    child = root.child()
    root.gives(child, 1, Disposition.MOVE_SEND)
    assert 1 not in root.names
