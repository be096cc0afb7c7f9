"""Memory, a page at a time."""

from __future__ import annotations

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures.signature import Argument, Output, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

MEMORY = (
    on_task(
        "vm_allocate",
        "Make one page of zero-filled memory.",
        "mach/vm_map.defs",
        Argument("address", T.PAGE, "where, unless anywhere", default=0),
        Argument("anywhere", T.BOOLEAN, "let the kernel choose the address", default=False),
        outputs=(Output("address", O.PAGE, "where it is"),),
    ),
    on_task(
        "vm_inherit",
        "Say what a child gets of a page.",
        "mach/vm_map.defs",
        Argument("address", T.PAGE, "the page"),
        Argument("inheritance", T.INHERITANCE, "SHARE, COPY or NONE"),
    ),
    on_task(
        "vm_read",
        "Read a page.",
        "mach/vm_map.defs",
        Argument("address", T.PAGE, "the page"),
        outputs=(Output("value", O.WORD, "what is there"),),
        weakest_target=PortObject.TASK_READ,
    ),
    on_task(
        "vm_write",
        "Write a page.",
        "mach/vm_map.defs",
        Argument("address", T.PAGE, "the page"),
        Argument("value", T.WORD, "what to put there"),
    ),
)
LATER_MEMORY = (
    on_task("vm_deallocate", "Give up a page.", "mach/vm_map.defs", Argument("address", T.PAGE, "the page")),
    on_task(
        "vm_copy",
        "Copy what is on one page to another.",
        "mach/vm_map.defs",
        Argument("source_address", T.PAGE, "the page that is read"),
        Argument("dest_address", T.PAGE, "the page that is written"),
    ),
)
"""Calls at the end of the table."""
