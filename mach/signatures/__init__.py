"""The signature table: every Mach call, described once.

From this table come the Hypothesis arguments, the script and trace schema and ``sendright calls``. How an entry is to be read: ``form.py``.
"""

from __future__ import annotations

from sendright.mach.signatures.form import Argument, ArgumentType, Output, OutputType, Signature
from sendright.mach.signatures.guards import GUARDS
from sendright.mach.signatures.handlers import HANDLERS
from sendright.mach.signatures.ledgers import LEDGERS
from sendright.mach.signatures.memory import LATER_MEMORY, MEMORY
from sendright.mach.signatures.messages import MESSAGES
from sendright.mach.signatures.names import NAMES
from sendright.mach.signatures.ports import PORTS
from sendright.mach.signatures.tasks import TASKS

__all__ = ["SIGNATURES", "TASK_MAKERS", "Argument", "ArgumentType", "Output", "OutputType", "Signature"]

# A call's place is its number in a live kernel's recorded transcripts, and decides what a seed draws: what is new comes last.
_TABLE = (*TASKS, *NAMES, *MESSAGES, *PORTS, *HANDLERS, *LEDGERS, *MEMORY, *GUARDS, *LATER_MEMORY)

SIGNATURES: dict[str, Signature] = {signature.name: signature for signature in _TABLE}
"""Every call that sendright models, by name, in the order of the documentation."""

TASK_MAKERS = tuple(name for name, signature in SIGNATURES.items() if signature.creates_task)
"""The calls that make a task."""
