"""Kernels that a plugin adds."""

from __future__ import annotations

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.adapters import ADAPTERS, Adapter
from sendright.plugins.changes import Changes
from sendright.plugins.plugin import Declared, Plugin

OWN = ("reference", "gnumach", "stdio")
"""What ``--sut`` takes already."""


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a kernel's name. It is made where it runs, in a process of its own."""
    if one.name in OWN:
        raise PluginError("sendright has a kernel of this name (choose another one)")
    changes.put(ADAPTERS, one.name, Adapter(one.name, one.options["about"], one.value), one.words)
    changes.adds.append(one.words)
