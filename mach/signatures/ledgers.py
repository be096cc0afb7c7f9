"""Ledgers."""

from __future__ import annotations

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures.signature import Argument, Output, Signature
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

_LEDGER = Argument("ledger", T.PORT, "the ledger", PortObject.LEDGER)

LEDGERS = (
    Signature(
        name="ledger_create",
        about="Make a ledger with a part of another one's limit.",
        arguments=(
            Argument("parent_ledger", T.PORT, "the ledger that gives the limit", PortObject.LEDGER),
            Argument("ledger_ledger", T.PORT, "the ledger that pays for the new ledger itself", PortObject.LEDGER),
            Argument("transfer", T.AMOUNT, "the limit to give", default=0),
        ),
        outputs=(Output("new_ledger", O.PORT, "a send right to the new ledger"),),
        target="parent_ledger",
        section="mach/ledger.defs",
    ),
    Signature(
        name="ledger_transfer",
        about="Move a part of the limit between a ledger and its child.",
        arguments=(
            Argument("parent_ledger", T.PORT, "the parent", PortObject.LEDGER),
            Argument("child_ledger", T.PORT, "its child", PortObject.LEDGER),
            Argument("transfer", T.AMOUNT, "how much goes to the child; if negative, to the parent"),
        ),
        target="parent_ledger",
        section="mach/ledger.defs",
    ),
    Signature(
        name="ledger_terminate",
        about="End a ledger; its limit goes back to its parent.",
        arguments=(_LEDGER,),
        target="ledger",
        section="mach/ledger.defs",
    ),
    Signature(
        name="ledger_read",
        about="Read a ledger's balance and limit.",
        arguments=(_LEDGER,),
        outputs=(Output("balance", O.AMOUNT, "what is drawn"), Output("limit", O.AMOUNT, "what can be drawn")),
        target="ledger",
        section="mach/ledger.defs",
    ),
)
