"""Faults that a plugin adds."""

from __future__ import annotations

from sendright.plugins.changes import Changes
from sendright.plugins.guarded import guarded
from sendright.plugins.plugin import Declared, Plugin


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a fault. Whether its kernel can be made shows when it is made."""
    from sendright.impl.faults import FAULTS, Fault

    build = guarded(plugin.name, one.words, one.value)
    changes.put(FAULTS, one.name, Fault(one.name, one.options["title"], one.options["history"], build), one.words)
    changes.adds.append(one.words)
