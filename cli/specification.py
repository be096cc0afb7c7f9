"""Keeps the compiled specification for a user's next command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_kept = ExitStack()


def keep_specification(wanted: bool) -> None:
    """If it is ``wanted``: take compiled code from the user's cache until the command ends, and write there what is
    new."""
    from sendright.model.execution.kept import kept_specification

    if wanted:
        _kept.enter_context(kept_specification())


@contextmanager
def let_go_of_specification() -> Iterator[None]:
    """A command runs in the block. Whatever it compiled and wants to keep is written at the end."""
    try:
        yield
    finally:
        _kept.close()
