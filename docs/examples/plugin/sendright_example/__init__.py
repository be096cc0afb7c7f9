"""A plugin for sendright that adds one thing of each kind, with a module for each."""

from sendright_example import adapters, audit_rules, calls, faults, invariants, log_readers, profiles, step_properties
from sendright_example.plugin import plugin

__all__ = [
    "adapters",
    "audit_rules",
    "calls",
    "faults",
    "invariants",
    "log_readers",
    "plugin",
    "profiles",
    "step_properties",
]
