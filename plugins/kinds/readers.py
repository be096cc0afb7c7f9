"""Readers of logs that a plugin adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sendright.mach.extensions import PluginError
from sendright.plugins.changes import Changes
from sendright.plugins.guarded import blaming, guarded_generator
from sendright.plugins.plugin import Declared, Plugin


class GuardedForm:
    """A form whose reader is a plugin's: what it raises is a PluginError."""

    def __init__(self, plugin: str, form: Any) -> None:
        self.name, self.about, self.versions = str(form.name), " ".join(str(form.about).split()), bool(form.versions)
        self._plugin, self._form = plugin, form
        self._facts = guarded_generator(plugin, self._words, form.read, _check)

    @property
    def _words(self) -> str:
        return f"log reader {self.name}"

    def recognizes(self, head: bytes) -> bool:
        """As ``Form.recognizes``. Raises PluginError."""
        with blaming(self._plugin, self._words):
            return bool(self._form.recognizes(head))

    def read(self, source: Any) -> Iterator[Any]:
        """As ``Form.read``. Raises PluginError."""
        return self._facts(source)


def install(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a reader; it is tried after those that are there."""
    from sendright.impl.recordings.forms import FORMS

    if any(form.name == one.name for form in FORMS):
        raise PluginError("there is a log reader of this name already (choose another one)")
    changes.append(FORMS, GuardedForm(plugin.name, one.value))
    changes.adds.append(one.words)


def _check(fact: Any) -> None:
    from sendright.mach.results.facts import Fact

    if not isinstance(fact, Fact):
        raise PluginError(f"yields {type(fact).__name__}, which isn't a fact (sendright.mach.results.facts)")
