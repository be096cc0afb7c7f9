"""Functions of plugins, with their errors turned into one line. So a plugin's mistake is never a traceback, and never a
verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.implementation import error_in_words, frames_of


@contextmanager
def blaming(plugin: str, what: str) -> Iterator[None]:
    """What is raised in the block is a mistake of ``what`` in the plugin: PluginError, with the place."""
    try:
        yield
    except PluginError as error:
        if str(error).startswith("plugin "):
            raise
        raise PluginError(f"plugin {plugin}: {what}: {error}") from error
    except (Exception, SystemExit) as error:
        frames = frames_of(error)
        where = f" ({frames[-1]})" if frames else ""
        raise PluginError(f"plugin {plugin}: {what} {error_in_words(error)}{where}") from error


def guarded(plugin: str, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``; what it raises is a PluginError."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with blaming(plugin, what):
            return function(*arguments, **options)

    return call


def guarded_generator(
    plugin: str, what: str, function: Callable[..., Iterable[Any]], check: Callable[[Any], object] = lambda one: None
) -> Callable[..., Iterator[Any]]:
    """``function``, which yields; what it raises, and what ``check`` raises of a thing that it yields, is a
    PluginError.
    """

    @wraps(function)
    def generate(*arguments: Any, **options: Any) -> Iterator[Any]:
        with blaming(plugin, what):
            things = iter(function(*arguments, **options))
        while True:
            with blaming(plugin, what):
                try:
                    one = next(things)
                except StopIteration:
                    return
                check(one)
            yield one

    return generate


def guarded_steps(
    plugin: str, what: str, function: Callable[..., Generator[Any, Any, None]], told: tuple[type[Exception], ...], check: Callable[[Any], object]
) -> Callable[..., Generator[Any, Any, None]]:
    """``function``, a generator that gets answers to what it yields. What it raises, and what ``check`` raises of a
    thing that it yields, is a PluginError. Errors of the types in ``told`` are answers: it may let them pass.
    """

    @wraps(function)
    def generate(*arguments: Any, **options: Any) -> Generator[Any, Any, None]:
        with blaming(plugin, what):
            steps = function(*arguments, **options)
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            passed: Exception | None = None
            with blaming(plugin, what):
                try:
                    step = go_on()
                    check(step)
                except StopIteration:
                    return
                except told as answer:
                    passed = answer
            if passed is not None:
                raise passed
            try:
                go_on = partial(steps.send, (yield step))
            except told as answer:
                go_on = partial(steps.throw, answer)

    return generate
