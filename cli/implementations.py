"""Choosing the kernel to run: the reference kernel, a fault seeded in it, a live GNU Mach, a program, or a class."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sendright.cli.bad_input import BadInput
from sendright.cli.plugins import profile_given
from sendright.mach.kernel.adapters import ADAPTERS
from sendright.mach.suggestions import did_you_mean

if TYPE_CHECKING:
    from sendright.mach.kernel.implementation import Implementation
    from sendright.mach.kernel.profiles import Profile

REFERENCE = "reference"
GNUMACH = "gnumach"
STDIO = "stdio:"
USUAL_PROFILE = "manual"


def implementation_factory(sut: str, fault: str | None) -> Callable[[], Implementation]:
    """A function that builds the implementation named by ``--sut`` and ``--fault``. Raises BadInput."""
    if fault is not None:
        if sut != REFERENCE:
            raise BadInput("--fault: can't be used with another --sut than reference (leave one of them out)")
        return _faulty(fault)
    if sut == REFERENCE:
        from sendright.impl.reference import ReferenceKernel

        return ReferenceKernel
    if sut == GNUMACH:
        return _live()
    if sut.startswith(STDIO):
        return _program(sut.removeprefix(STDIO))
    if sut in ADAPTERS:
        return _isolated(sut, partial(_checked, ADAPTERS[sut].build))
    return _imported(sut)


@dataclass(frozen=True)
class NamedKernel:
    """Builds the implementation named by ``--sut`` and ``--fault``: in any process one of its own."""

    sut: str
    fault: str | None

    def __call__(self) -> Implementation:
        """Raises BadInput."""
        return implementation_factory(self.sut, self.fault)()


def profile_for(name: str | None, factory: Callable[[], Implementation]) -> Profile:
    """The profile ``name``; without a name, the first one of what ``factory`` builds. Raises BadInput and
    UnknownProfile."""
    from sendright.mach.kernel.bases import base_of
    from sendright.mach.kernel.capabilities import capabilities_of
    from sendright.mach.kernel.profiles import profile_named

    possible = capabilities_of(factory()).profiles
    if name is None:
        return profile_named(possible[0] if possible else USUAL_PROFILE)
    profile = profile_given(name)
    if possible and not {profile.name, base_of(profile.name)} & set(possible):
        raise BadInput(f"--profile: {factory().name} can't be booted as {profile.name} (choose one of {', '.join(possible)}, or leave it out)")
    return profile


def _live() -> Callable[[], Implementation]:
    """GNU Mach under QEMU. All runs share one machine, because even an idle one needs a processor."""
    from sendright.impl.adapters.gnumach import GnuMach
    from sendright.impl.adapters.gnumach.files import NotSetUp

    try:
        kernel = GnuMach()
    except NotSetUp as error:
        raise BadInput(f"--sut: {GNUMACH}: {error}") from error
    return lambda: kernel


def _program(command: str) -> Callable[[], Implementation]:
    from sendright.impl.adapters.stdio import CantStart, StdioProgram

    try:
        program = StdioProgram(command)
    except CantStart as error:
        raise BadInput(f"--sut: {STDIO}{command}: {error} (docs/stdio.md describes what a program must do)") from error
    return lambda: program


def _faulty(name: str) -> Callable[[], Implementation]:
    from sendright.impl.faults import FAULTS

    if name not in FAULTS:
        raise BadInput(f"--fault: unknown fault {name!r} ({did_you_mean(name, FAULTS, 'see sendright check --list-faults')})")
    return FAULTS[name].kernel


def _imported(path: str) -> Callable[[], Implementation]:
    """The class, or other callable without arguments, at ``module:name``. Where fork exists, it runs in its own
    process."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        known = "".join(f"{each!r}, " for each in ("reference", "gnumach", *ADAPTERS))
        meant = did_you_mean(path, ADAPTERS, "write that as package.module:Class")
        raise BadInput(f"--sut: {path!r} is neither {known}'stdio:PROGRAM' nor an import path ({meant})")
    if module_name.endswith(".py"):
        module = ".".join(part for part in PurePath(module_name).with_suffix("").parts if part.isidentifier())
        raise BadInput(f"--sut: {path}: this is a file (name the module, without .py: {module}:{name})")
    return _isolated(path, partial(_built, module_name, name))


def _isolated(path: str, build: Callable[[], Implementation]) -> Callable[[], Implementation]:
    """What ``build`` makes, in a process of its own where fork exists. ``path`` names it. Raises BadInput."""
    import multiprocessing

    from sendright.mach.kernel.implementation import ImplementationCrash
    from sendright.properties.runs.isolation import IsolatedKernel, NotBuilt

    try:
        if "fork" not in multiprocessing.get_all_start_methods():
            build()
            return build
        first = IsolatedKernel(build)
    except NotBuilt as error:
        raise BadInput(f"--sut: {path}: {error}") from error
    except ImplementationCrash as error:
        raise BadInput(f"--sut: {path}: can't be built, it {error} (name a class that can be called without arguments)") from error
    first.end()
    return lambda: IsolatedKernel(build, first)


def _built(module_name: str, name: str) -> Implementation:
    """Import and build it; modules may be in the current directory. Raises NotBuilt."""
    directory = os.getcwd()
    sys.path.insert(0, directory)
    try:
        return _checked(lambda: _member(importlib.import_module(module_name), name)())
    finally:
        with contextlib.suppress(ValueError):  # what was imported may have changed the path
            sys.path.remove(directory)


def _member(module: ModuleType, name: str) -> Any:
    """The class or other member ``name`` of ``module``. Raises NotBuilt."""
    from sendright.properties.runs.isolation import NotBuilt

    if not hasattr(module, name):
        meant = did_you_mean(name, vars(module), "name a class that can be called without arguments")
        raise NotBuilt(f"module {module.__name__} has no {name} ({meant})")
    return getattr(module, name)


def _checked(build: Callable[[], object]) -> Implementation:
    """What ``build`` makes, if it has what an implementation must have. Raises NotBuilt."""
    from sendright.mach.kernel.implementation import error_in_words, why_unusable
    from sendright.properties.runs.isolation import NotBuilt

    try:
        with contextlib.redirect_stdout(sys.stderr):
            kernel: Any = build()
    except ModuleNotFoundError as error:
        raise NotBuilt(f"{error} (install it, or run this in the directory that holds it)") from error
    except NotBuilt:
        raise
    except (Exception, SystemExit) as error:
        if os.environ.get("SENDRIGHT_DEBUG"):
            traceback.print_exc()
        raise NotBuilt(f"can't be built, it {error_in_words(error)} (SENDRIGHT_DEBUG=1 shows where)") from error
    unusable = why_unusable(kernel)
    if unusable:
        raise NotBuilt(unusable)
    made: Implementation = kernel
    return made
