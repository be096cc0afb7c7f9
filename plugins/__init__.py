"""Extend sendright from another package: what a plugin is made of.

A plugin is an object of ``Plugin`` in a module of yours. Its methods declare what it adds. sendright finds it by the
entry point group ``sendright.plugins`` of an installed package, by ``--plugin my.module``, or by ``load("my.module")``.
``docs/plugins.md`` shows each kind.

What this module has in ``__all__`` is stable. What the declared functions use beside it is the notation of the
specification (``sendright.model.language``), of signatures (``sendright.mach.signatures``), of the reference kernel
(``sendright.impl.reference``) and of recorded facts (``sendright.mach.results.facts``).
"""

from __future__ import annotations

from sendright.mach.extensions import Extension, PluginError, extensions
from sendright.plugins.loading import load, load_installed
from sendright.plugins.plugin import LOWEST_NUMBER, Plugin

__all__ = ["LOWEST_NUMBER", "Extension", "Plugin", "PluginError", "extensions", "load", "load_installed"]
