"""Ledgers: the resources that tasks draw on, and their limits (``kern/ledger.c``).

Ledgers form two trees. A ledger gets its limit from its parent, so that the sum of the limits of a finite ledger and
all below it doesn't change. Only ledgers are ever charged to a ledger: each costs its ledger_ledger 1.
"""

from __future__ import annotations

from sendright.impl.reference.port import Port
from sendright.mach.state import snapshot

INFINITY = -1
"""``LEDGER_ITEM_INFINITY``: the limit of a ledger that has none."""

SIZE = 1
"""The charge for one ledger."""


class Ledger:
    """A live ledger. Its port stands for it: a send right to that port is all authority over the ledger."""

    __slots__ = ("balance", "ledger_ledger", "limit", "parent", "port")

    def __init__(self, port: Port, limit: int, parent: Ledger | None = None, ledger_ledger: Ledger | None = None) -> None:
        self.port = port
        self.limit = limit
        self.balance = 0
        """The amount that is drawn."""
        self.parent = parent
        """The ledger that the limit came from; None for a root."""
        self.ledger_ledger = ledger_ledger
        """The ledger that is charged for this one; None for a root."""
        port.ledger = self

    @property
    def finite(self) -> bool:
        """Whether the ledger has a limit."""
        return self.limit != INFINITY

    def can_spare(self, amount: int) -> bool:
        """Whether the limit less ``amount`` still covers the balance."""
        return not self.finite or self.limit - amount >= self.balance

    def raise_limit(self, amount: int) -> None:
        """Add ``amount``, which may be negative, to the limit. An infinite limit stays infinite."""
        if self.finite:
            self.limit += amount
            self.port.changed()

    def charge(self, amount: int) -> None:
        """Add ``amount``, which may be negative, to the balance."""
        self.balance += amount
        self.port.changed()

    def show(self) -> snapshot.Ledger:
        """This ledger as a snapshot has it."""
        return snapshot.Ledger(
            self.limit,
            self.balance,
            None if self.parent is None else self.parent.port.number,
            None if self.ledger_ledger is None else self.ledger_ledger.port.number,
        )
