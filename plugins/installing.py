"""Adds what a plugin declares to sendright's tables: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable

from sendright.mach.extensions import PluginError
from sendright.plugins.changes import Changes
from sendright.plugins.kinds import adapters, audits, calls, faults, profiles, properties, readers
from sendright.plugins.plugin import Declared, Plugin

Installer = Callable[[Plugin, Declared, Changes], None]

INSTALLERS: dict[str, Installer] = {
    "call": calls.install_call,
    "profile": profiles.install,
    "rule": calls.install_rule,
    "sequence": calls.install_sequence,
    "reason": calls.install_reason,
    "code": calls.install_code,
    "flows": calls.install_flows,
    "witnesses": calls.install_witnesses,
    "invariant": properties.install_invariant,
    "step property": properties.install_step_property,
    "fault": faults.install,
    "adapter": adapters.install,
    "audit rule": audits.install,
    "log reader": readers.install,
}
"""Kind -> what adds one of it, in the order in which they are added: a profile may name calls, and a rule needs the
signature of its call."""


def install(plugin: Plugin) -> Changes:
    """Add all that ``plugin`` declares. Raises PluginError if something of it can't be added, and adds nothing then."""
    changes = Changes()
    try:
        for kind, add in INSTALLERS.items():
            for one in plugin.declared:
                if one.kind == kind:
                    try:
                        add(plugin, one, changes)
                    except PluginError as error:
                        if str(error).startswith(f"plugin {plugin.name}: "):
                            raise
                        raise PluginError(f"plugin {plugin.name}: {one.words}: {error}") from error
        calls.check_complete(plugin)
    except BaseException:
        changes.take_back()
        raise
    return changes
