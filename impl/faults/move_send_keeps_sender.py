"""A moved right that its sender keeps."""

from __future__ import annotations

from sendright.impl.faults.fault import Fault
from sendright.impl.reference import ReferenceKernel
from sendright.impl.reference.port import Right
from sendright.impl.reference.task import Task
from sendright.mach.abi.rights import Disposition


class MoveSendKeepsSender(ReferenceKernel):
    """Copies the send right that mach_port_insert_right should move."""

    name = "reference kernel with move-send-keeps-sender"

    def carry_argument(self, caller: Task, name: int, disposition: int) -> Right:
        """Copy in MOVE_SEND as if it were COPY_SEND."""
        return super().carry_argument(caller, name, Disposition.COPY_SEND if disposition == Disposition.MOVE_SEND else disposition)


FAULT = Fault(
    name="move-send-keeps-sender",
    title="mach_port_insert_right with MOVE_SEND leaves the sender its right",
    history=(
        "The plainest mistake in copying rights in, kept here as the first thing that any checker must find: a moved send right is "
        "duplicated, its sender keeps the user reference, and the counts of the port agree with it. Code that believes it gave a right away "
        "can still use it, and a no-senders notification never comes."
    ),
    kernel=MoveSendKeepsSender,
)
