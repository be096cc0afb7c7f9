"""``--plugin``, ``--no-plugins`` and ``--profile FILE``: what is added from outside before a command begins."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

import typer

from sendright.mach.kernel.profile_files import SUFFIX, use_profile
from sendright.mach.kernel.profiles import Profile, profile_named

P = ParamSpec("P")
R = TypeVar("R")

Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        help="Add the plugin in this module (my.module, or my.module:object). Can be repeated. Plugins of installed packages are added anyway.",
        show_default=False,
    ),
]
NoPlugins = Annotated[bool, typer.Option("--no-plugins", help="Add no plugins of installed packages.")]

_named: list[str] = []
"""What ``--plugin`` named."""
_leaves_out: list[bool] = []
_files: dict[str, Path] = {}
"""Profiles that came from files, by their names."""


def with_plugins(command: Callable[..., R]) -> Callable[..., R]:
    """``command`` with the options ``--plugin`` and ``--no-plugins``. They take effect before it begins. Raises
    PluginError.
    """

    @functools.wraps(command)
    def extended(*arguments: Any, plugin: list[str] | None = None, no_plugins: bool = False, **options: Any) -> R:
        _named[:], _leaves_out[:] = plugin or [], [no_plugins]
        _load(_named, not no_plugins)
        return command(*arguments, **options)

    hints = get_type_hints(command, include_extras=True)
    known = inspect.signature(command)
    own = [parameter.replace(annotation=hints.get(name, parameter.annotation)) for name, parameter in known.parameters.items()]
    more = [_option("plugin", Plugins, None), _option("no_plugins", NoPlugins, False)]
    extended.__signature__ = known.replace(parameters=[*own, *more], return_annotation=hints.get("return"))  # type: ignore[attr-defined]
    extended.__annotations__ = {**hints, "plugin": Plugins, "no_plugins": NoPlugins}
    return extended


def _option(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _load(named: Sequence[str], installed: bool) -> None:
    if not named and not (installed and _has_installed()):
        return
    from sendright.plugins import load, load_installed

    if installed:
        load_installed()
    load(*named)


def _has_installed() -> bool:
    """Whether some installed package has plugins. (Nothing of plugins is imported for this question.)"""
    from importlib.metadata import entry_points

    return bool(entry_points(group="sendright.plugins"))


def profile_given(words: str) -> Profile:
    """The profile that ``--profile`` names: by its name, or by a file of switches (``my.toml``). Raises UnknownProfile
    and PluginError.
    """
    if not words.endswith(SUFFIX):
        return profile_named(words)
    profile = use_profile(Path(words))
    _files[profile.name] = Path(words)
    return profile


def added_options(words: Sequence[str] = ()) -> list[str]:
    """The options with which a command that is run again has the same plugins and profiles; ``words`` are those that
    it has already.
    """
    options = [word for name in _named for word in ("--plugin", name)]
    if any(_leaves_out):
        options.append("--no-plugins")
    if _files and "--profile" not in words and words[:2] != ["sendright", "compare"]:
        options += ["--profile", str(next(iter(_files.values())))]
    return options


def command_line(words: Sequence[str]) -> str:
    """A command as a user types it, with these options; a profile that came from a file is named by the file."""
    written = [str(_files[word]) if before == "--profile" and word in _files else word for before, word in zip(["", *words], words, strict=False)]
    return shlex.join([*written, *added_options(written)])
