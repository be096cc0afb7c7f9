"""What the calls of processes begin with: the process that makes the call."""

from __future__ import annotations

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.port import NULL_RIGHT, Right
from sendright.impl.reference.space import HAS_SEND
from sendright.impl.reference.task import Task
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.process import Process


def own_process(caller: Task) -> Process:
    """The process behind ``caller``. Raises ESRCH if there is none."""
    if caller.process is None:
        raise Failure(ReturnCode.ESRCH)
    return caller.process


def root_process(caller: Task) -> Process:
    """The process behind ``caller``, which has to be root. Raises ESRCH, EPERM."""
    process = own_process(caller)
    if not is_root(process):
        raise Failure(ReturnCode.EPERM)
    return process


def is_root(process: Process | None) -> bool:
    """Whether it is the superuser's (``suser`` in ``kern_credential.c``). None isn't root."""
    return process is not None and process.effective_user == 0


def send_right_of(caller: Task, name: int) -> Right:
    """A send right to a live port that ``caller`` has under ``name``, or null. The caller keeps it. The name isn't
    looked at. (``ipc_port_translate_send``)
    """
    entry = caller.space.entry(name)
    live = entry is not None and entry.kind in HAS_SEND and entry.port.alive
    return Right(SlotKind.SEND, entry.port) if entry is not None and live else NULL_RIGHT
