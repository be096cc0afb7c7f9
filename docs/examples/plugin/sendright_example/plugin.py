"""The plugin. The other modules of this package declare what it adds."""

from sendright.plugins import Plugin

plugin = Plugin("example")
