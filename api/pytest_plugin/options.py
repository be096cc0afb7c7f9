"""What the command line and the ini file say."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cached_property
from typing import Any

import pytest

from sendright.api.subject import KernelSource, Subject, subject_of
from sendright.cli.bad_input import BadInput
from sendright.mach.kernel.profiles import Profile
from sendright.properties.check import EXAMPLES, SEED, STEPS

_DEFAULTS = {"examples": EXAMPLES, "steps": STEPS, "seed": SEED}


class Options:
    """The plugin's options: those of the command line, else those of the ini file, else the defaults."""

    def __init__(self, config: pytest.Config, needs_kernel: bool) -> None:
        self._config = config
        self.sut: str = self._option("sut") or ""
        if needs_kernel and not self.sut:
            raise pytest.UsageError("sendright: no kernel to check (name one with --sendright-sut, or sendright_sut in the ini file)")
        self.profiles: tuple[str | None, ...] = tuple(self._option("profile") or ())
        if self.sut and not self.profiles:
            self.profiles = (None,)
        self.numbers: dict[str, Any] = {name: self._number(name, default) for name, default in _DEFAULTS.items()}

    def _option(self, name: str) -> Any:
        said = self._config.getoption(f"sendright_{name}")
        return self._config.getini(f"sendright_{name}") if said is None else said

    def _number(self, name: str, default: int) -> int:
        said = self._option(name)
        if said in (None, ""):
            return default
        try:
            number = int(said)
        except ValueError:
            raise pytest.UsageError(f"sendright_{name}: {said!r} is not a number") from None
        if number < 1 and name != "seed":
            raise pytest.UsageError(f"sendright_{name}: {number} is too small (1 is the least)")
        return number

    @cached_property
    def kernel(self) -> KernelSource:
        """The kernel, as ``sendright.check`` takes it."""
        return self._imported() if self._option("in_process") and ":" in self.sut and not self.sut.startswith("stdio:") else self.sut

    @cached_property
    def subject(self) -> Subject:
        """The kernel. Raises UsageError if there is none."""
        try:
            return subject_of(self.kernel)
        except BadInput as error:
            raise pytest.UsageError(f"--sendright-sut: {error}") from error

    @cached_property
    def limited(self) -> list[Profile]:
        """The profiles, with the limits to use. Raises UsageError."""
        found: list[Profile] = []
        for name in self.profiles:
            try:
                found.append(self.subject.limited(name, exact_limits=False))
            except BadInput as error:
                raise pytest.UsageError(f"--sendright-profile: {str(error).removeprefix('--profile: ')}") from error
        return found

    def _imported(self) -> KernelSource:
        module, _, name = self.sut.partition(":")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            found: KernelSource = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise pytest.UsageError(f"--sendright-sut: {error} (install it, or run pytest in the directory that holds it)") from error
        return found

    @property
    def words(self) -> str:
        """The options for the head of pytest's report."""
        profiles = ", ".join(profile for profile in self.profiles if profile)
        numbers = f"seed {self.numbers['seed']}, {self.numbers['examples']} random runs of at most {self.numbers['steps']} calls"
        return f"sendright: {self.sut}{f' as {profiles}' if profiles else ''}, {numbers}"


_KEY = pytest.StashKey[Options]()


def options_of(config: pytest.Config, needs_kernel: bool = True) -> Options:
    """The options of this pytest run. Raises UsageError."""
    if not needs_kernel:
        return Options(config, needs_kernel=False)
    if _KEY not in config.stash:
        config.stash[_KEY] = Options(config, needs_kernel=True)
    return config.stash[_KEY]
