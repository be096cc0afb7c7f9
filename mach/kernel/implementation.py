"""The interface that every checked implementation provides."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.capabilities import ALL, Capabilities, capabilities_of
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.snapshot import Snapshot
from sendright.mach.state.view import View
from sendright.mach.suggestions import unknown_call


class Implementation(Protocol):
    """A kernel, real or modelled: boot it, make calls as its tasks, read its state.

    An implementation that shows the same object for an unchanged task or port, and never changes an object that it has
    shown, may have an attribute ``final_parts = True``: an object that was right then isn't compared again. An
    implementation that doesn't support everything has an attribute ``capabilities`` (``Capabilities``).
    """

    @property
    def name(self) -> str:
        """Its name in reports."""

    def boot(self, profile: Profile) -> None:
        """Start from scratch, in the boot state of ``boot.py`` for ``profile``."""

    def call(self, task: int, call: Call) -> Result:
        """Make ``call`` as the live task number ``task``. A call that the profile lacks returns MIG_BAD_ID. Raises
        NotMade if the implementation can't make the call."""

    def snapshot(self) -> Snapshot | View:
        """The whole state between two calls, or a view of it if ``capabilities`` declares one."""


_METHODS = {"boot": "boot(profile)", "call": "call(task, call)", "snapshot": "snapshot()"}


def why_unusable(kernel: object) -> str:
    """Why ``kernel`` is no ``Implementation``: a phrase that follows its name, with what to do. Empty: it is one."""
    missing = [words for member, words in _METHODS.items() if not callable(getattr(kernel, member, None))]
    if not isinstance(getattr(kernel, "name", None), str):
        missing.append("name")
    if missing:
        return f"has no {', '.join(missing)} (docs/plug-in-your-kernel.md says what a kernel has)"
    if not _can_be_written(kernel.name):  # type: ignore[attr-defined]
        return "has a name with half a surrogate pair, which no report can have (give it another name)"
    declared = getattr(kernel, "capabilities", ALL)
    try:
        wrong = None if isinstance(declared, Capabilities) else f"they are {type(declared).__name__}"
        msgspec.convert(msgspec.to_builtins(declared), Capabilities)
    except (TypeError, msgspec.ValidationError) as error:
        wrong = wrong or str(error)
    if wrong is not None:
        return f"has capabilities that aren't Capabilities: {wrong} (docs/plug-in-your-kernel.md says what they are)"
    for call in sorted(capabilities_of(kernel).calls or ()):
        if call not in SIGNATURES:
            return f"has capabilities that list an {unknown_call(call)}"
    return ""


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class ImplementationCrash(Exception):
    """The implementation did not answer. The text continues a sentence about the call: "raised OSError: …", "panicked".

    ``frames`` are those of its own code, in the form of ``frames_of``, if it ran in another process and they are known.
    """

    def __init__(self, words: str = "", frames: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.frames = frames


class MalformedState(Exception):
    """The implementation's state doesn't have the form of a ``Snapshot`` or ``View``; the text says where."""


ERROR_LENGTH = 10_000
"""At most this many characters of an exception's text are reported: every report has it several times."""


def error_in_words(error: BaseException) -> str:
    """``error`` in words, on one line; for an ImplementationCrash its own text."""
    try:
        whole = str(error)
        text = " ".join(whole[:ERROR_LENGTH].encode("utf-8", "backslashreplace").decode().split())
        text += f"… ({len(whole) - ERROR_LENGTH:,} more characters)" if len(whole) > ERROR_LENGTH else ""
    except Exception as another:
        text = f"its text is unavailable: str() raised {type(another).__name__}"
    if isinstance(error, ImplementationCrash) and text:
        return text
    return f"raised {type(error).__name__}" + (f": {text}" if text else "")


FRAMES = 10
"""At most this many frames of an exception are reported: the innermost ones."""
_FRAME_LENGTH = 200
"""At most this many characters of a frame are reported."""


def frames_of(error: BaseException) -> tuple[str, ...]:
    """The frames of an implementation's own code that ``error`` passed through: file, line, function and source,
    innermost last.

    Frames of sendright are left out, unless they are of its reference kernel: a program that an adapter talks to has
    none. An ImplementationCrash has its frames already.
    """
    if isinstance(error, ImplementationCrash):
        return error.frames
    try:
        frames = list(_frames(error.__traceback__))
    except Exception:  # a kernel's code may be anything: leave out what can't be reported
        return ()
    own = [words for module, words in frames if module.partition(".")[0] != "sendright"]
    own = own or [words for module, words in frames if module.startswith("sendright.impl.") and not module.startswith("sendright.impl.adapters.")]
    left_out = [f"… {len(own) - FRAMES} more, further out"] if len(own) > FRAMES else []
    return (*left_out, *own[-FRAMES:])


def _directory() -> str:
    """The working directory; a root that no file is in if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return "\0"


def _frames(innermost: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Each frame: its module, and its description."""
    for frame, line in traceback.walk_tb(innermost):
        file = frame.f_code.co_filename
        source = linecache.getline(file, line, frame.f_globals).strip()
        inside = os.path.relpath(file) if file.startswith(_directory() + os.sep) else file
        words = " ".join(f"{inside}, line {line}, in {frame.f_code.co_name}{f': {source}' if source else ''}".split())
        words = words.encode("utf-8", "backslashreplace").decode()
        yield str(frame.f_globals.get("__name__", "")), words if len(words) <= _FRAME_LENGTH else words[: _FRAME_LENGTH - 1] + "…"
