"""What the kernel lets the first process do goes with its pid, not with the task that it had at boot; and what root has
set shows at any task.
"""

import pytest
from support.kernel import Actor, Machine
from support.processes import executed, forked

from sendright.mach.abi.rights import Place
from sendright.mach.kernel.profiles import XNU


@pytest.fixture
def root() -> Actor:
    return Machine(XNU).root


def test_the_first_process_sets_the_hosts_ports_in_its_new_task_too(root: Actor) -> None:
    """``get_bsdtask_info(current_task()) != initproc`` in ``host_set_special_port``."""
    child = forked(root)
    first = executed(root)
    first.does("host_set_special_port", host_priv=first.does("mach_host_self"), which=8, port=0)
    assert child.refused("host_set_special_port", host_priv=child.does("mach_host_self"), which=8, port=0) == "KERN_NO_ACCESS"


def test_root_marks_the_exception_places_of_a_task_without_a_process(root: Actor) -> None:
    """``task_set_exception_ports`` sets ``privileged`` whatever is behind the task."""
    bare = root.machine.last_booted()
    assert bare.shown.process is None
    name = next(name for name, entry in root.names.items() if entry.port == bare.shown.port)
    root.does("task_set_exception_ports", task=name, exception_mask=2, new_port=0, behavior=0, new_flavor=0)
    assert bare.shown.set_by_root == (Place.EXC_BAD_ACCESS,)
