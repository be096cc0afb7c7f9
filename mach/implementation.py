"""The one small interface of everything that can be checked."""

from __future__ import annotations

from typing import Protocol

from sendright.mach.calls import Call, Result
from sendright.mach.profiles import Profile
from sendright.mach.snapshot import Snapshot
from sendright.mach.view import View


class Implementation(Protocol):
    """A kernel, real or modelled: boot it, make calls as its tasks, look at what it shows.

    One that shows the same object for a task or port that hasn't changed, and never changes an object that it once showed, may say so by
    an attribute ``final_parts = True``: such an object, once found right, isn't looked at again. One that doesn't have or show everything
    says so by an attribute ``capabilities`` (``Capabilities``).
    """

    @property
    def name(self) -> str:
        """What reports call it."""

    def boot(self, profile: Profile) -> None:
        """Start anew, in the boot state of ``boot.py``, as ``profile`` says."""

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as the live task number ``task``. A call that the profile lacks answers MIG_BAD_ID. Raises NotMade if it can't."""

    def snapshot(self) -> Snapshot | View:
        """Everything there is, between calls; or a view of it, if that is what ``capabilities`` declare."""


class ImplementationCrash(Exception):
    """The implementation did not answer. The words go on from what was asked of it: "raised OSError: …", "panicked"."""


class MalformedState(Exception):
    """What the implementation shows has not the form of a ``Snapshot`` or ``View``; the words say where."""


def raised(error: BaseException) -> str:
    """The words for an exception, on one line, whatever it is; an ImplementationCrash has them already."""
    try:
        text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    except Exception as another:
        text = f"its text can't be had, that raised {type(another).__name__}"
    if isinstance(error, ImplementationCrash) and text:
        return text
    return f"raised {type(error).__name__}" + (f": {text}" if text else "")
