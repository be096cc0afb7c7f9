"""Errors of the system that any command can meet: no memory, no more files, a full disk. Each becomes one line that
says what the system refused and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_ADVICE = {
    errno.EMFILE: "allow this shell more open files with ulimit -n",
    errno.ENFILE: "end other programs: the system has no more open files",
    errno.EAGAIN: "end other programs, or allow more processes with ulimit -u",
    errno.ENOMEM: "end other programs, or give sendright less to do at once",
    errno.ENOSPC: "free space there, or name another folder for temporary files with TMPDIR",
    errno.EFBIG: "allow larger files with ulimit -f",
    errno.EROFS: "name another folder for temporary files with TMPDIR",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EIO: "check the disk",
}
if hasattr(errno, "EDQUOT"):
    _ADVICE[errno.EDQUOT] = _ADVICE[errno.ENOSPC]
_OF_THE_STORE = ("IOException", "OutOfMemoryException", "FatalException", "SerializationException")
"""What DuckDB raises if a disk is full, or a file of its store was cut off or removed."""
_NO_ROOM = (ImportError, SystemError, RuntimeError)
"""What Python and its libraries raise, besides MemoryError, where a limit of memory or of processes stops them."""


def directory_is_gone() -> bool:
    """Whether the working directory has been removed, so that nothing can be read or written there."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def in_words(error: BaseException) -> str | None:
    """What the system refused, if ``error`` comes of that, in one line with what to do. None: it is another error."""
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return f"there is not enough memory ({_about_memory()})"
        if isinstance(one, OSError) and one.errno in _ADVICE:
            where = f"{os.fsdecode(one.filename)}: " if isinstance(one.filename, (str, bytes)) else ""
            return f"{where}{os.strerror(one.errno)} ({_ADVICE[one.errno]})"
        if type(one).__name__ == "Z3Exception" and "out of memory" in str(one):
            return f"there is not enough memory for z3 ({_about_memory()})"
        if type(one).__module__.partition(".")[0] in ("duckdb", "_duckdb") and type(one).__name__ in _OF_THE_STORE:
            return f"the audit's temporary store failed: {str(one).splitlines()[0]} ({_ADVICE[errno.ENOSPC]})"
        if "can't start new thread" in str(one):
            return f"no thread can be started ({_ADVICE[errno.EAGAIN]})"
        if _limited() and (isinstance(one, _NO_ROOM) or type(one).__name__ == "Z3Exception"):
            return f"there is probably not enough memory: {str(one).splitlines()[0] if str(one) else type(one).__name__} ({_about_memory()})"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _limited() -> int | None:
    """The limit of this process's memory in KiB; None: there is none."""
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit >> 10


def _about_memory() -> str:
    limit = _limited()
    return _ADVICE[errno.ENOMEM] if limit is None else f"ulimit -v allows {limit:,} KiB: allow more"
