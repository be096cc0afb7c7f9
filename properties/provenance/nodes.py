"""The nodes of the derivation graph. ``str(node)`` describes a node."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import msgspec

from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.snapshot import Entry, Slot, entry_in_words
from sendright.mach.state.view import NOT_SHOWN, ViewPart, hidden_in_words

BOOT_STEP = -1
"""The step of everything in the boot state."""


class Boot(msgspec.Struct, frozen=True):
    """The initial state of the run: the graph's root."""

    def __str__(self) -> str:
        return "the boot state"


class RightNode(msgspec.Struct, frozen=True):
    """One right in one slot, from ``step`` on. ``port`` is None for dead names and port sets."""

    slot: Slot
    kind: SlotKind
    port: int | None
    step: int

    def __str__(self) -> str:
        return f"{entry_in_words(Entry(self.kind, self.port))} at {self.slot}"


class PortNode(msgspec.Struct, frozen=True):
    """A port."""

    port: int

    def __str__(self) -> str:
        return f"port {self.port}"


class TaskNode(msgspec.Struct, frozen=True):
    """A task."""

    task: int

    def __str__(self) -> str:
        return f"task {self.task}"


class TokenNode(msgspec.Struct, frozen=True):
    """The tokens that ``task`` (None: the kernel) has from ``step`` on."""

    task: int | None
    security: tuple[int, ...]
    audit: tuple[int, ...]
    step: int

    def __str__(self) -> str:
        whose = "the kernel" if self.task is None else f"task {self.task}"
        return f"security token {_words(self.security)}, audit token {_words(self.audit)} of {whose}"


class MessageNode(msgspec.Struct, frozen=True):
    """A message that was queued, by its serial."""

    serial: int

    def __str__(self) -> str:
        return f"message {self.serial}"


Node: TypeAlias = Boot | RightNode | PortNode | TaskNode | TokenNode | MessageNode


def not_shown(node: Node, shows: Collection[ViewPart] | None) -> str:
    """The parts of ``node`` that an implementation with these ``shows`` doesn't show, in words; empty: none. (None:
    it shows all.)"""
    if shows is None:
        return ""
    if isinstance(node, RightNode):
        right = Entry(node.kind, node.port)
        return hidden_in_words(node.slot, right, right, shows)
    return NOT_SHOWN if isinstance(node, TokenNode | MessageNode) else ""


def _words(token: tuple[int, ...]) -> str:
    return "(" + ", ".join(str(word) for word in token) + ")"
