"""The text of ``--help``: a command's docstring, made to wrap at the width of the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def help_text(command: Callable[..., Any]) -> str:
    """The docstring of ``command`` with each paragraph on one line; indented blocks, such as examples, keep their
    lines."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else part.replace("\n", " ") for part in paragraphs)
