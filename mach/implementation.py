"""The one small interface of everything that can be checked."""

from __future__ import annotations

from typing import Protocol

from sendright.mach.calls import Call, Result
from sendright.mach.profiles import Profile
from sendright.mach.snapshot import Snapshot


class Implementation(Protocol):
    """A kernel, real or modelled: boot it, make calls as its tasks, look at what it shows."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def boot(self, profile: Profile) -> None:
        """Start anew, in the boot state of ``boot.py``, as ``profile`` says."""

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as the live task number ``task``. A call that the profile lacks answers MIG_BAD_ID."""

    def snapshot(self) -> Snapshot:
        """Everything there is, between calls."""


class ImplementationCrash(Exception):
    """The implementation ended, panicked or hung during a call."""
