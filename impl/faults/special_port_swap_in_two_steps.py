"""A right that two calls release (the class of CVE-2016-7644)."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.port import Right
from sendright.impl.reference.task import Task
from sendright.impl.reference.waiting import PartialSteps, PausedReplacement
from sendright.mach.abi.rights import Place


class SpecialPortSwapInTwoSteps(ReferenceKernel):
    """Reads the right in a place, and in a later step releases it and writes the new one."""

    name = "reference kernel with special-port-swap-in-two-steps"

    def replace(self, task: Task, place: Place, right: Right) -> PartialSteps:
        """Leave the old right in its place until the second step. A call in between releases it too, and the right
        that it puts there is lost.
        """
        old = task.right_at(place)
        yield PausedReplacement(old)
        self.release([old])
        task.put(place, right)


FAULT = Fault(
    name="special-port-swap-in-two-steps",
    title="task_set_special_port reads the old right in one step, and releases and replaces it in another",
    history=(
        "CVE-2016-7644: set_dp_control_port of XNU (up to iOS 10.1 and macOS 10.12.1) released the send right in a global variable and then wrote "
        "the new one there, without a lock, so that two callers could release the same right twice. The count of send rights of a port then is "
        "lower than the number of rights to it, and when it reaches 0 the port can be freed under those that are left; the "
        "exploit mach_portal used that. Here one call that stops between its steps and another that comes there are enough."
    ),
    kernel=SpecialPortSwapInTwoSteps,
)
