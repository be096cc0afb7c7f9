"""Names, their user references, and rights carried into and out of spaces."""

from __future__ import annotations

from sendright.mach.signatures.signature import NAME, RIGHT, Argument, Output, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

NAMES = (
    on_task(
        "mach_port_allocate",
        "Make a receive right, a port set or a dead name.",
        "mach/mach_port.defs",
        RIGHT,
        outputs=(Output("name", O.NAME, "the new name"),),
    ),
    on_task("mach_port_deallocate", "Give up one user reference of a name.", "mach/mach_port.defs", NAME),
    on_task("mach_port_destroy", "Give up all rights under a name.", "mach/mach_port.defs", NAME),
    on_task(
        "mach_port_mod_refs",
        "Change a name's user references for one kind of right.",
        "mach/mach_port.defs",
        NAME,
        RIGHT,
        Argument("delta", T.DELTA, "how many references to add"),
    ),
    on_task(
        "mach_port_get_refs",
        "Count a name's user references for one kind of right.",
        "mach/mach_port.defs",
        NAME,
        RIGHT,
        outputs=(Output("refs", O.REFERENCES, "how many"),),
    ),
    on_task(
        "mach_port_type",
        "Report which rights a name denotes.",
        "mach/mach_port.defs",
        NAME,
        outputs=(Output("type", O.TYPE, "one bit for each kind of right"),),
    ),
    on_task(
        "mach_port_names",
        "List the names of a space and what they denote.",
        "mach/mach_port.defs",
        outputs=(Output("names", O.NAMES, "all names"), Output("types", O.TYPES, "their types, in the same order")),
    ),
    on_task(
        "mach_port_insert_right",
        "Put a right of the caller's into a task's space under a chosen name.",
        "mach/mach_port.defs",
        NAME,
        Argument("poly", T.RIGHT_NAME, "the right to insert, by its name in the caller's space"),
        Argument("disposition", T.DISPOSITION, "how the right is carried"),
    ),
    on_task(
        "mach_port_extract_right",
        "Take a right out of a task's space.",
        "mach/mach_port.defs",
        NAME,
        Argument("disposition", T.DISPOSITION, "how the right is taken"),
        outputs=(
            Output("poly", O.PORT, "the right, in the caller's space"),
            Output("acquired", O.DISPOSITION, "the form in which it came"),
        ),
    ),
)
