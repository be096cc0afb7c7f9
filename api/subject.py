"""The kernel that a user names: a class, another callable without arguments, or what ``--sut`` takes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from sendright.cli.bad_input import BadInput
from sendright.cli.implementations import implementation_factory, profile_for
from sendright.mach.kernel.capabilities import cannot_boot, capabilities_of
from sendright.mach.kernel.implementation import Implementation, why_unusable
from sendright.mach.kernel.profiles import Profile, UnknownProfile
from sendright.properties.generation.calls import near_limits
from sendright.properties.runs.isolation import IsolatedKernel

KernelSource: TypeAlias = Callable[[], Implementation] | str
"""A class of kernels, another callable without arguments that builds one, or a text as for ``--sut``: ``reference``,
``gnumach``, ``stdio:PROGRAM`` or ``package.module:Class``."""

ProfileSource: TypeAlias = Profile | str | None
"""A profile, its name, or None: the first profile that the kernel declares, or ``manual``."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel under test."""

    build: Callable[[], Implementation]
    """Builds the kernel, without booting it."""
    label: str
    """Names it among others: ``package.module:Class``."""
    imports: str = ""
    """The line of Python that makes ``expression`` known; empty: none is needed, or none would."""
    expression: str
    """The kernel, as an argument in Python source."""

    def limited(self, profile: ProfileSource, exact_limits: bool) -> Profile:
        """The profile to run it with. Unless ``exact_limits`` or the kernel has its own, its limits are made small, so
        that random runs reach them. Raises BadInput."""
        if not isinstance(profile, Profile):
            try:
                profile = profile_for(profile, self.build)
            except UnknownProfile as error:
                raise BadInput(str(error)) from error
        kernel = self.build()
        unable = cannot_boot(capabilities_of(kernel), profile)
        if unable is not None:
            raise BadInput(f"{kernel.name}: {unable}")
        return profile if exact_limits or not capabilities_of(kernel).limits else near_limits(profile)


def subject_of(kernel: KernelSource, isolated: bool = False) -> Subject:
    """What ``kernel`` names. With ``isolated`` it runs in a process of its own, as a kernel that a text names always
    does, where the system has fork. Raises BadInput."""
    if not __debug__:
        raise BadInput("Python leaves out all assertions, so nothing would be judged (start it without -O, and unset PYTHONOPTIMIZE)")
    if isinstance(kernel, str):
        return _named(kernel)
    if not callable(kernel):
        raise BadInput(f"{kernel!r} isn't a class of kernels (pass the class itself: sendright builds a new kernel after a crash)")
    module, name = getattr(kernel, "__module__", "") or "", getattr(kernel, "__qualname__", "")
    if not name:  # an instance that can be called, such as a partial
        module, name = type(kernel).__module__, type(kernel).__qualname__
    importable = name.isidentifier() and module not in ("", "__main__") and name != "<lambda>" and isinstance(kernel, type)
    return Subject(
        build=_isolated(kernel) if isolated and "fork" in multiprocessing.get_all_start_methods() else lambda: checked(kernel()),
        label=f"{module}:{name}",
        imports=f"from {module} import {name}" if importable else "",
        expression=name if importable else name.rpartition(".")[2].strip("<>"),
    )


def _named(text: str) -> Subject:
    try:
        build = implementation_factory(text, None)
    except BadInput as error:
        raise BadInput(str(error).removeprefix("--sut: ")) from error
    module, colon, name = text.partition(":")
    if colon and module != "stdio":
        return Subject(build=build, label=text, imports=f"from {module} import {name}", expression=name)
    return Subject(build=build, label=text, expression=quoted(text))


def quoted(text: str) -> str:
    """``text`` as a string of Python source, in double quotes."""
    return json.dumps(text)


def _isolated(kernel: Callable[[], Implementation]) -> Callable[[], Implementation]:
    def build() -> Implementation:
        return checked(kernel())

    first = IsolatedKernel(build)
    first.end()
    return lambda: IsolatedKernel(build, first)


def checked(kernel: Implementation) -> Implementation:
    """``kernel``, if it has what ``Implementation`` describes. Raises BadInput."""
    unusable = why_unusable(kernel)
    if unusable:
        raise BadInput(f"{type(kernel).__qualname__} {unusable}")
    return kernel
