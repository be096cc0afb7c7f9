"""The commands and listings of a page, as a reader would follow them: one shell, from the top of the page to its
end.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = "…"
"""As the last line of a listed output: the rest is left out."""
_BLOCK = re.compile(r"^```(sh|text|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEXT = "=== the next block ==="
_PROGRESS = re.compile(r"^sendright: \w+: [\d,]+ of .*\n", re.MULTILINE)
"""What a slow machine shows on standard error, every few seconds."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, where the text is in the page, and, of a listing, the file to write."""

    language: str
    text: str
    span: tuple[int, int]
    file: str = ""


def blocks(page: str) -> Iterator[Block]:
    """The blocks of ``page``. A listing's file is the last one that the words before it name."""
    for found in _BLOCK.finditer(page):
        named = re.findall(r"`([\w/]+\.py)`", page[: found.start()])
        yield Block(found[1], found[2], found.span(2), named[-1] if found[1] == "python" and named else "")


def blocks_of(language: str, page: str) -> list[str]:
    """The texts of the page's blocks in one language, whichever it is."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def outputs(page: str, directory: Path, without: tuple[str, ...] = ()) -> list[str]:
    """What each ``sh`` block of ``page`` prints, when one shell runs them in order in ``directory``, and each listing
    is written to its file before the next block runs. ``without``: beginnings of blocks that print nothing, because
    they aren't run.
    """
    script, number = "", 0
    for block in blocks(page):
        if block.language == "python" and block.file:
            script += f"cat > {shlex.quote(block.file)} <<'END_OF_LISTING'\n{block.text}END_OF_LISTING\n"
        elif block.language == "sh":
            body = "" if block.text.startswith(without) else block.text
            script += f"status=$?; printf '%s\\n' {shlex.quote(_NEXT)}; (exit $status)\n{body}"
            number += 1
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash"], input=script, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    parts = _PROGRESS.sub("", done.stdout).split(f"{_NEXT}\n")[1:]
    assert len(parts) == number, done.stdout
    return parts


def comparable(text: str) -> str:
    """An output without what differs from run to run: times, and where lines end because of them."""
    return re.sub(r"\b\d+(\.\d+)? s\b", "… s", " ".join(text.split()))


def agrees(block: Block, output: str) -> bool:
    """Whether the listed output is what was printed; if its last line says so, only the beginning of it."""
    lines = block.text.rstrip("\n").split("\n")
    if lines[-1] == LEFT_OUT:
        return len(lines) > 1 and comparable(output).startswith(comparable("\n".join(lines[:-1])))
    return comparable(output) == comparable(block.text)


def listed(page: str, made: list[str]) -> Iterator[tuple[Block, str]]:
    """Each ``text`` block of ``page``, with what the ``sh`` block before it has printed (``made``: of all ``sh``
    blocks, in order).
    """
    number = -1
    for block in blocks(page):
        number += block.language == "sh"
        if block.language == "text":
            yield block, made[number]


def written_again(page: str, made: list[str], lines: int = 8) -> str:
    """``page`` with the outputs that were ``made``. A block keeps how many lines it lists, a new one (``@``) gets
    ``lines``; one that doesn't end with ``…`` gets all."""
    for block, output in reversed(list(listed(page, made))):
        old, new = block.text.rstrip("\n").split("\n"), [line.rstrip() for line in output.strip("\n").splitlines()]
        if old[-1] == LEFT_OUT:
            new = [*new[: lines if old[0] == "@" else len(old) - 1], LEFT_OUT]
        page = page[: block.span[0]] + "\n".join(new) + "\n" + page[block.span[1] :]
    return page
