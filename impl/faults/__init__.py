"""Seeded faults: each a small, named change to the reference kernel, with its history.

A checker must find each of them. Each fault is a module with a subclass of ``ReferenceKernel`` that overrides one
method. To add a fault, write its module and list it here.
"""

from __future__ import annotations

from sendright.impl.faults import create_then_set_tokens, move_send_keeps_sender, processes, resume_keeps_right, special_port_swap_in_two_steps
from sendright.impl.faults.fault import Fault

__all__ = ["FAULTS", "Fault"]

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *(create_then_set_tokens.FAULT, move_send_keeps_sender.FAULT, resume_keeps_right.FAULT, special_port_swap_in_two_steps.FAULT),
        *processes.FAULTS,
    )
}
"""All seeded faults, by name."""
