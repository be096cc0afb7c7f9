"""The one small interface of everything that can be checked."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from types import TracebackType
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
    """The implementation did not answer. The words go on from what was asked of it: "raised OSError: …", "panicked".

    ``frames`` are those of its own code, as ``frames_of`` tells them, where it ran in another process and they are known.
    """

    def __init__(self, words: str = "", frames: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.frames = frames


class MalformedState(Exception):
    """What the implementation shows has not the form of a ``Snapshot`` or ``View``; the words say where."""


def error_in_words(error: BaseException) -> str:
    """The words for an exception, on one line, whatever it is; an ImplementationCrash has them already."""
    try:
        text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    except Exception as another:
        text = f"its text can't be had, that raised {type(another).__name__}"
    if isinstance(error, ImplementationCrash) and text:
        return text
    return f"raised {type(error).__name__}" + (f": {text}" if text else "")


FRAMES = 10
"""So many frames are told of an exception, at most: the innermost ones."""
_FRAME_LENGTH = 200
"""So many characters of one frame."""


def frames_of(error: BaseException) -> tuple[str, ...]:
    """Where ``error`` was raised in an implementation's own code: file, line, function and source, one frame each, the innermost last.

    Frames of sendright aren't told, unless it is its own reference kernel that is checked. An ImplementationCrash has its frames already.
    """
    if isinstance(error, ImplementationCrash):
        return error.frames
    try:
        frames = list(_frames(error.__traceback__))
    except Exception:  # a kernel's code may be anything: what can't be told isn't
        return ()
    own = [words for module, words in frames if module.partition(".")[0] != "sendright"]
    own = own or [words for module, words in frames if module.startswith("sendright.impl.")]
    left_out = [f"… {len(own) - FRAMES} more, further out"] if len(own) > FRAMES else []
    return (*left_out, *own[-FRAMES:])


def _frames(innermost: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Each frame: its module, and what is told of it."""
    for frame, line in traceback.walk_tb(innermost):
        file = frame.f_code.co_filename
        source = linecache.getline(file, line, frame.f_globals).strip()
        inside = os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file
        words = " ".join(f"{inside}, line {line}, in {frame.f_code.co_name}{f': {source}' if source else ''}".split())
        words = words.encode("utf-8", "backslashreplace").decode()
        yield str(frame.f_globals.get("__name__", "")), words if len(words) <= _FRAME_LENGTH else words[: _FRAME_LENGTH - 1] + "…"
