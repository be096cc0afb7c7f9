"""The signature table: every Mach call, described once.

The Hypothesis arguments, the script and trace schemas and ``sendright calls`` come from this table. ``signature.py``
explains entries.
"""

from __future__ import annotations

import msgspec

from sendright.mach.kernel.call import Call
from sendright.mach.signatures.details import DETAILS
from sendright.mach.signatures.guards import GUARDS
from sendright.mach.signatures.handlers import HANDLERS
from sendright.mach.signatures.ledgers import LEDGERS
from sendright.mach.signatures.memory import LATER_MEMORY, MEMORY
from sendright.mach.signatures.messages import COMBINED, MESSAGES
from sendright.mach.signatures.names import NAMES
from sendright.mach.signatures.ports import PORTS
from sendright.mach.signatures.processes import BY_PID, CREDENTIALS, IDENTITY_TOKENS, LIVES
from sendright.mach.signatures.signature import Argument, ArgumentType, Output, OutputType, Signature
from sendright.mach.signatures.tasks import TASKS

__all__ = ["CHILD_MAKERS", "OWN_CALLS", "SIGNATURES", "TASK_MAKERS", "Argument", "ArgumentType", "Output", "OutputType", "Signature", "with_defaults"]

# A call's position is its number in recorded transcripts of live kernels, and decides what a seed draws: add new calls last.
_OF_PORTS = (*TASKS, *NAMES, *MESSAGES, *PORTS, *HANDLERS, *LEDGERS, *MEMORY, *GUARDS, *LATER_MEMORY, *DETAILS, *COMBINED)
_TABLE = (*_OF_PORTS, *CREDENTIALS, *LIVES, *BY_PID, *IDENTITY_TOKENS)

SIGNATURES: dict[str, Signature] = {signature.name: signature for signature in _TABLE}
"""Every call that sendright models, by name, in the order of the documentation; then those that plugins add."""

OWN_CALLS: tuple[str, ...] = tuple(SIGNATURES)
"""The calls that come with sendright."""

TASK_MAKERS = tuple(name for name, signature in SIGNATURES.items() if signature.creates_task)
"""The calls that create a task."""
CHILD_MAKERS = tuple(name for name in TASK_MAKERS if any(argument.name == "parent_task" for argument in SIGNATURES[name].arguments))
"""Those of them that create a child of any task that their caller controls, and give it a right to the child's
port.
"""


def with_defaults(call: Call) -> Call:
    """``call`` with all its arguments, in the signature's order, and defaults for those that are missing.

    A resumption (``Call.resume``) has no arguments. A missing argument without a default stays missing.
    """
    signature = SIGNATURES.get(call.name)
    if signature is None or call.resume or len(call.arguments) == len(signature.arguments):
        return call
    all_of_them = {argument.name: call.arguments.get(argument.name, argument.default) for argument in signature.arguments}
    given = {name: value for name, value in all_of_them.items() if value is not msgspec.UNSET}
    return msgspec.structs.replace(call, arguments={**given, **call.arguments})
