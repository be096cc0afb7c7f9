"""What kernels tell of a port or a space beside its attributes, and what later kernels let a receiver set."""

from __future__ import annotations

from sendright.mach.signatures.signature import NAME, Argument, Output, on_task
from sendright.mach.signatures.signature import ArgumentType as T
from sendright.mach.signatures.signature import OutputType as O

GUARD_FLAGS = {"MPG_STRICT": "strict", "MPG_IMMOVABLE_RECEIVE": "immovable"}
"""The flags of ``mach_port_guard_with_flags`` -> the argument that stands for each. Kernels ignore all other bits."""

_STRICT = Argument("strict", T.BOOLEAN, "MPG_STRICT: whether the port is strict", default=False)
_IMMOVABLE = Argument("immovable", T.BOOLEAN, "MPG_IMMOVABLE_RECEIVE: whether the receive right can't be sent", default=False)
_KIND = Output("object_type", O.WORD, "the kind of kernel object (IKOT_TASK …); 0: a user's port")

DETAILS = (
    on_task(
        "mach_port_get_srights",
        "Count a port's send rights.",
        "mach/mach_port.defs",
        NAME,
        outputs=(Output("srights", O.REFERENCES, "how many there are"),),
    ),
    on_task(
        "mach_port_get_context",
        "Read the context of a receive right.",
        "mach/mach_port.defs",
        NAME,
        outputs=(Output("context", O.WORD, "the context; 0 for a strict port"),),
    ),
    on_task(
        "mach_port_set_context",
        "Set the context of a receive right.",
        "mach/mach_port.defs",
        NAME,
        Argument("context", T.GUARD, "a word that the port keeps for its receiver; of a guarded port it is the guard"),
    ),
    on_task(
        "mach_port_guard_with_flags",
        "Guard a receive right with a word, and say how.",
        "mach/mach_port.defs",
        NAME,
        Argument("guard", T.GUARD, "the guard"),
        _STRICT,
        _IMMOVABLE,
    ),
    on_task(
        "mach_port_swap_guard",
        "Replace the guard of a receive right.",
        "mach/mach_port.defs",
        NAME,
        Argument("old_guard", T.GUARD, "the guard that it has"),
        Argument("new_guard", T.GUARD, "the guard that it gets"),
    ),
    on_task(
        "mach_port_assert_attributes",
        "Fail unless a receive right has the attributes: a strict guard.",
        "mach/mach_port.defs",
        NAME,
        Argument("flavor", T.ATTRIBUTES, "MACH_PORT_GUARD_INFO"),
        Argument("info", T.LIMITS, "the attributes: the guard, in two words, the low one first"),
    ),
    on_task("mach_port_kobject", "Tell which kind of kernel object a port is.", "mach/mach_port.defs", NAME, outputs=(_KIND,)),
    on_task("mach_port_kernel_object", "As mach_port_kobject, in earlier kernels.", "mach/mach_port.defs", NAME, outputs=(_KIND,)),
    on_task(
        "mach_port_space_info",
        "List the entries of a space.",
        "mach/mach_port.defs",
        outputs=(
            Output("names", O.NAMES, "the names in use"),
            Output("types", O.TYPES, "the rights of each, in the same order"),
            Output("urefs", O.WORDS, "the user references of each"),
        ),
    ),
    on_task(
        "mach_port_space_basic_info",
        "Count the entries of a space.",
        "mach/mach_port.defs",
        outputs=(Output("table_inuse", O.REFERENCES, "how many are in use"),),
    ),
    on_task(
        "mach_port_dnrequest_info",
        "Count the requests for dead-name notifications of a port.",
        "mach/mach_port.defs",
        NAME,
        outputs=(
            Output("total", O.REFERENCES, "the size of the kernel's table of them, with its slot 0"),
            Output("used", O.REFERENCES, "how many requests are in it"),
        ),
    ),
)
