"""Ledgers: what tasks draw on, and how much of it there is (semantics 8; ``kern/ledger.c``).

Ledgers form two trees. A ledger's limit was given to it by its parent, so that the limits of a finite ledger and of all below it stay the
same in sum. Nothing is ever charged to a ledger but ledgers themselves: each costs its ledger_ledger 1.
"""

from __future__ import annotations

from sendright.impl.reference.port import Port
from sendright.mach import snapshot

INFINITY = -1
"""``LEDGER_ITEM_INFINITY``: the limit of a ledger that has none."""

SIZE = 1
"""What a ledger costs."""


class Ledger:
    """A live ledger. Its port stands for it: who holds a send right may do everything with it."""

    __slots__ = ("balance", "ledger_ledger", "limit", "parent", "port")

    def __init__(self, port: Port, limit: int, parent: Ledger | None = None, ledger_ledger: Ledger | None = None) -> None:
        self.port = port
        self.limit = limit
        self.balance = 0
        """How much is drawn."""
        self.parent = parent
        """The ledger that gave the limit; a root has none."""
        self.ledger_ledger = ledger_ledger
        """The ledger that pays for this one; nobody pays for a root."""
        port.ledger = self

    @property
    def finite(self) -> bool:
        """Whether the ledger has a limit."""
        return self.limit != INFINITY

    def can_spare(self, amount: int) -> bool:
        """Whether the limit, less ``amount``, is still enough for what is drawn."""
        return not self.finite or self.limit - amount >= self.balance

    def raise_limit(self, amount: int) -> None:
        """Add ``amount``, which may be below 0, to the limit. An infinite ledger makes and absorbs it."""
        if self.finite:
            self.limit += amount
            self.port.changed()

    def charge(self, amount: int) -> None:
        """Let ``amount`` more be drawn, or less if it is below 0."""
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
