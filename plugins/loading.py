"""Finds plugins, adds them, and lets worker processes do the same."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from types import ModuleType

from sendright.mach.extensions import Extension, PluginError, extensions, tell
from sendright.plugins.guarded import blaming
from sendright.plugins.installing import install
from sendright.plugins.plugin import Plugin

GROUP = "sendright.plugins"
"""The group of entry points in which installed packages name their plugins."""
ATTRIBUTE = "plugin"
"""What the plugin is called in its module, unless a name after a colon says otherwise."""

_loaded: dict[int, Plugin] = {}
"""By identity: one that two names lead to is added once."""


def load(*names: str) -> tuple[Extension, ...]:
    """Add plugins, and give all that is there then. A name is a module (``my.module``), an object in it
    (``my.module:plugin``), or the entry point of an installed package.

    Raises PluginError, one line, for a plugin that can't be used. Nothing of it is added then.
    """
    points = _entry_points()
    for name in names:
        if name in points:
            _load(points[name].value, name, _version(points[name]))
        else:
            _load(name, name)
    return extensions()


def load_installed() -> tuple[Extension, ...]:
    """Add the plugins of all installed packages, by their names, and give all that is there then. Raises
    PluginError.
    """
    for name, point in sorted(_entry_points().items()):
        _load(point.value, name, _version(point))
    return extensions()


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _version(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.version if point.dist is not None else ""


def load_again(place: str, name: str, version: str) -> None:
    """What a worker process does, to have a plugin too."""
    _load(place, name, version)


def _load(place: str, name: str, version: str = "") -> None:
    module_name, _, attribute = place.partition(":")
    module = _imported(module_name, name)
    plugin = _plugin_in(module, attribute, name)
    if id(plugin) in _loaded:
        return
    if any(other.name == plugin.name for other in _loaded.values()):
        raise PluginError(f"plugin {plugin.name}: two have this name (load only one of them, or rename one)")
    with blaming(plugin.name, "its declarations"):
        changes = install(plugin)
    try:
        digest = _digest(module, plugin)
        version = plugin.version or version
        tell(Extension(plugin.name, version, place, tuple(changes.adds), digest), partial(load_again, place, name, version))
    except BaseException:
        changes.take_back()
        raise
    _loaded[id(plugin)] = plugin


def _imported(module: str, name: str) -> ModuleType:
    """Import a module, which may be in the current directory."""
    if not module or not all(part.isidentifier() for part in module.split(".")):
        raise PluginError(f"plugin {name!r}: is neither the name of a module nor of an installed plugin (write it as package.module)")
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            how = "install it, or set PYTHONPATH to the directory that holds it"
            raise PluginError(f"plugin {name}: no module is named {error.name} ({how})") from error
        with blaming(name, "can't be imported: it"):
            raise
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise
        with blaming(name, "can't be imported: it"):
            raise
    raise AssertionError("one of them raises")


def _plugin_in(module: ModuleType, attribute: str, name: str) -> Plugin:
    found: object = module
    if attribute:
        for part in attribute.split("."):
            found = getattr(found, part, None)
    else:
        found = getattr(module, ATTRIBUTE, None)
        if isinstance(found, ModuleType):  # a submodule of this name, which holds it
            found = getattr(found, ATTRIBUTE, None)
        if found is None:
            plugins = {id(each): each for each in vars(module).values() if isinstance(each, Plugin)}
            found = next(iter(plugins.values())) if len(plugins) == 1 else None
    if not isinstance(found, Plugin):
        where = f"{module.__name__}:{attribute}" if attribute else module.__name__
        raise PluginError(f'plugin {name}: {where} has no Plugin (write there: plugin = sendright.plugins.Plugin("my-plugin"))')
    return found


def _digest(module: ModuleType, plugin: Plugin) -> str:
    """A hash of the plugin's source: of its module, of those in which its functions are, and of all of the same
    packages that these import.
    """
    from sendright.model.proof.solver.own_source import sources

    modules = {module.__name__, *(_module_of(one.value) for one in plugin.declared)} - {""}
    texts: dict[str, str] = {}
    with _as_plugin_error(plugin):
        for each in sorted(modules):
            if each.partition(".")[0] not in ("sendright", "builtins"):
                texts |= sources(each)
    files = [(str(one.name), one.value.read_bytes()) for one in plugin.declared if hasattr(one.value, "read_bytes")]
    parts = [f"{name}\n{text}".encode() for name, text in sorted(texts.items())] + [name.encode() + b"\n" + content for name, content in files]
    return sha256(b"".join(b"%d\n%b" % (len(part), part) for part in parts)).hexdigest()


@contextlib.contextmanager
def _as_plugin_error(plugin: Plugin) -> Iterator[None]:
    try:
        yield
    except (ImportError, SyntaxError, OSError, ValueError) as error:
        raise PluginError(f"plugin {plugin.name}: its source can't be read: {' '.join(str(error).split())} (install it with its source)") from error


def _module_of(value: object) -> str:
    known: Sequence[object] = (getattr(value, "__module__", None), getattr(type(value), "__module__", None))
    return next((each for each in known if isinstance(each, str) and each in sys.modules), "")
