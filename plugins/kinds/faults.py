"""Faults that a plugin adds."""

from __future__ import annotations

from sendright.plugins.changes import Changes
from sendright.plugins.guarded import guarded
from sendright.plugins.plugin import Declared, Plugin


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a fault. Its kernel is made once, to see that it can be."""
    from sendright.impl.faults import FAULTS, Fault

    build = guarded(plugin.name, one.words, one.value)
    changes.put(FAULTS, one.name, Fault(one.name, one.options["title"], one.options["history"], build), one.words)
