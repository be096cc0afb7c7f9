"""The calls on ledgers: making and ending them, and moving limits (``kern/ledger.c``).

The historical kernels accepted negative and infinite amounts, which created limits from nothing, and could leave
children and tasks with ended ledgers (hazard H-7). Here all of this is checked before anything changes.
"""

from __future__ import annotations

from sendright.impl.reference.core import Core
from sendright.impl.reference.failure import Failure
from sendright.impl.reference.ledger import INFINITY, SIZE, Ledger
from sendright.impl.reference.task import Task
from sendright.impl.reference.transfer import copy_out
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.call import Result


class LedgerCalls(Core):
    """The calls on ledgers."""

    def ledger_create(self, caller: Task, parent: Ledger | None, ledger_ledger: Ledger | None, transfer: int) -> Result:
        """Make a child of ``parent`` with ``transfer`` of its limit, charged to ``ledger_ledger``; returns a send right
        to it.

        KERN_INVALID_ARGUMENT (parent), KERN_INVALID_LEDGER (ledger_ledger), KERN_INVALID_VALUE (transfer),
        KERN_RESOURCE_SHORTAGE if a ledger or the memory is exhausted.
        """
        if parent is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if ledger_ledger is None:
            raise Failure(ReturnCode.KERN_INVALID_LEDGER)
        if transfer < INFINITY or (transfer == INFINITY and parent.finite):
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        pays_itself = SIZE if ledger_ledger is parent else 0
        if not ledger_ledger.can_spare(SIZE) or not parent.can_spare(transfer + pays_itself):
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE)
        self.allocate()
        child = Ledger(self.make_port(PortObject.LEDGER), transfer, parent, ledger_ledger)
        parent.raise_limit(-transfer)
        ledger_ledger.charge(SIZE)
        return Result(ReturnCode.KERN_SUCCESS, {"new_ledger": copy_out(caller.space, child.port.make_send())})

    def ledger_transfer(self, caller: Task, parent: Ledger | None, child: Ledger | None, transfer: int) -> Result:
        """Move ``transfer`` of the parent's limit to the child; if negative, move it back.

        KERN_INVALID_ARGUMENT (not a ledger, or the same one twice), KERN_INVALID_LEDGER (not a child of ``parent``),
        KERN_RESOURCE_SHORTAGE.
        """
        if parent is None or child is None or parent is child:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if transfer == 0:
            return Result(ReturnCode.KERN_SUCCESS)
        if child.parent is not parent:
            raise Failure(ReturnCode.KERN_INVALID_LEDGER)
        giver, taker = (parent, child) if transfer > 0 else (child, parent)
        if not giver.can_spare(abs(transfer)):
            raise Failure(ReturnCode.KERN_RESOURCE_SHORTAGE)
        giver.raise_limit(-abs(transfer))
        taker.raise_limit(abs(transfer))
        return Result(ReturnCode.KERN_SUCCESS)

    def ledger_terminate(self, caller: Task, ledger: Ledger | None) -> Result:
        """End a ledger that isn't in use: its limit goes back to its parent, its charge to its ledger_ledger, and its
        port dies.

        KERN_INVALID_ARGUMENT, KERN_INVALID_LEDGER (a root), KERN_FAILURE (in use).
        """
        if ledger is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        if ledger.parent is None or ledger.ledger_ledger is None:
            raise Failure(ReturnCode.KERN_INVALID_LEDGER)
        if self._in_use(ledger):
            raise Failure(ReturnCode.KERN_FAILURE)
        ledger.parent.raise_limit(ledger.limit)
        ledger.ledger_ledger.charge(-SIZE)
        self.end_port(ledger.port)
        return Result(ReturnCode.KERN_SUCCESS)

    def _in_use(self, ledger: Ledger) -> bool:
        """Whether the ledger has a balance, a child, or a task that draws on it."""
        has_children = any(port.ledger is not None and port.ledger.parent is ledger for port in self.ports.values())
        has_tasks = any(task.ledgers is not None and ledger in task.ledgers for task in self.tasks.values())
        return ledger.balance != 0 or has_children or has_tasks

    def ledger_read(self, caller: Task, ledger: Ledger | None) -> Result:
        """Return a ledger's balance and limit. KERN_INVALID_ARGUMENT."""
        if ledger is None:
            raise Failure(ReturnCode.KERN_INVALID_ARGUMENT)
        return Result(ReturnCode.KERN_SUCCESS, {"balance": ledger.balance, "limit": ledger.limit})
