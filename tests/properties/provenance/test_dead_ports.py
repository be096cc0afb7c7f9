"""Where rights come from when ports die: names that no call has looked at, and requests that stay with a port."""

import pytest
from support.agreed_runs import Recorded

from sendright.mach.abi.rights import Disposition, Right, SlotKind
from sendright.mach.kernel.profiles import XNU
from sendright.mach.state.snapshot import Entry
from sendright.properties.provenance.derivation import unexplained


@pytest.mark.parametrize("watched", [False, True])
def test_a_name_that_is_looked_at_later(watched: bool) -> None:
    """First it loses its port, then a look makes it a dead name: both times because the port died."""
    recorded = Recorded(XNU)
    me, other = recorded.does(0, "mach_task_self"), recorded.does(1, "mach_task_self")
    port = recorded.does(1, "mach_port_allocate", task=other, right=Right.RECEIVE)
    target = len(XNU.bootstrap_names) + 1
    name = recorded.does(0, "mach_port_extract_right", task=target, name=port, disposition=Disposition.MAKE_SEND)
    if watched:
        notify = recorded.does(0, "mach_port_allocate", task=me, right=Right.RECEIVE)
        recorded.does(0, "mach_port_request_notification", task=me, name=name, variant=72, sync=0, notify=notify, notify_disposition=21)
    recorded.does(1, "mach_port_destroy", task=other, name=port)
    assert recorded.kernel.snapshot().tasks[0].names[name] == Entry(SlotKind.SEND, None, 1, told=watched)
    recorded.does(0, "mach_port_type", task=me, name=name)
    assert recorded.kernel.snapshot().tasks[0].names[name] == Entry(SlotKind.DEAD_NAME, None, 1 + watched)
    assert unexplained(recorded.run.trace()) == ()
