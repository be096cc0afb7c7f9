"""The text of ``--help``: a command's docstring, made to wrap at the width of the terminal."""

from __future__ import annotations

import inspect
import re


def help_text(documented: str) -> str:
    """A docstring with each paragraph on one line; indented blocks, such as examples, keep their lines. Brackets stay,
    but for those of ``[bold]``."""
    paragraphs = re.sub(r"\[(?!/?bold\])", r"\\[", inspect.cleandoc(documented)).split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else part.replace("\n", " ") for part in paragraphs)
