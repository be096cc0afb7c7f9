"""Choosing the kernel to run: the reference kernel, a fault seeded in it, a live GNU Mach, a program, or a class."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches

from sendright.cli.bad_input import BadInput
from sendright.mach.kernel.capabilities import capabilities_of
from sendright.mach.kernel.implementation import Implementation, ImplementationCrash, error_in_words, missing_members
from sendright.mach.kernel.profiles import Profile, profile_named

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
    return _imported(sut)


def profile_for(name: str | None, factory: Callable[[], Implementation]) -> Profile:
    """The profile ``name``; without a name, the first one of what ``factory`` builds. Raises BadInput and
    UnknownProfile."""
    possible = capabilities_of(factory()).profiles
    if name is None:
        return profile_named(possible[0] if possible else USUAL_PROFILE)
    profile = profile_named(name)
    if possible and name not in possible:
        raise BadInput(f"--profile: {factory().name} can't be booted as {name} (choose one of {', '.join(possible)}, or leave it out)")
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
        near = get_close_matches(name, FAULTS, 1)
        raise BadInput(f"--fault: unknown fault {name!r} ({f'did you mean {near[0]}? ' if near else ''}see sendright check --list-faults)")
    return FAULTS[name].kernel


def _imported(path: str) -> Callable[[], Implementation]:
    """The class, or other callable without arguments, at ``module:name``. Where fork exists, it runs in its own
    process."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise BadInput(f"--sut: {path!r} is neither 'reference', 'gnumach', 'stdio:PROGRAM' nor an import path (write that as package.module:Class)")
    from sendright.properties.runs.isolation import IsolatedKernel, NotBuilt

    def build() -> Implementation:
        return _built(module_name, name)

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
    from sendright.properties.runs.isolation import NotBuilt

    sys.path.insert(0, os.getcwd())
    try:
        with contextlib.redirect_stdout(sys.stderr):
            kernel = getattr(importlib.import_module(module_name), name)()
    except ModuleNotFoundError as error:
        raise NotBuilt(f"{error} (install it, or run this in the directory that holds it)") from error
    except AttributeError as error:
        raise NotBuilt(f"{error} (name a class without constructor arguments)") from error
    except (Exception, SystemExit) as error:
        if os.environ.get("SENDRIGHT_DEBUG"):
            traceback.print_exc()
        raise NotBuilt(f"can't be built, it {error_in_words(error)} (SENDRIGHT_DEBUG=1 shows where)") from error
    finally:
        sys.path.remove(os.getcwd())
    missing = missing_members(kernel)
    if missing:
        raise NotBuilt(f"has no {', '.join(missing)} (see sendright.mach.kernel.implementation.Implementation)")
    made: Implementation = kernel
    return made
