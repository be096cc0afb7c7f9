"""Numbers as C programs write them: constants of the kernels' headers, ``A|B``, ``1 << 10``, ``0x1f``, macros."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable

from sendright.mach.abi.headers import Headers, profiles_with

LONGEST = 400
"""No expression is longer."""
_BITS = 64

_OPERATORS: dict[type[ast.AST], Callable[..., int]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: lambda number, bits: number << bits,
    ast.RShift: lambda number, bits: number >> bits,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_MACROS: dict[str, tuple[int, Callable[..., int]]] = {
    "MACH_MSGH_BITS": (2, lambda remote, local: remote | local << 8),
    "MACH_MSGH_BITS_SET_PORTS": (3, lambda remote, local, voucher: remote | local << 8 | voucher << 16),
    "MACH_MSGH_BITS_SET": (4, lambda remote, local, voucher, other: remote | local << 8 | voucher << 16 | other),
    "MACH_PORT_TYPE": (1, lambda right: 1 << (right + 16)),
    "MACH_PORT_MAKE": (2, lambda index, generation: index << 8 | generation >> 24),
    "MACH_RCV_TRAILER_TYPE": (1, lambda form: (form & 0xF) << 28),
    "MACH_RCV_TRAILER_ELEMENTS": (1, lambda elements: (elements & 0xF) << 24),
}
"""Macros of the headers (``mach/message.h``, ``mach/port.h``): how many arguments each has, and its value."""


class UnknownConstant(Exception):
    """A name that this profile's headers don't have; the message says which other ones do."""


class NoExpression(Exception):
    """The text isn't an expression of numbers and constants."""


def constant(name: str, words: Headers, prefixes: tuple[str, ...] = ("",), suffixes: tuple[str, ...] = ("",)) -> int:
    """The number of a constant, which may be written without one of the ``prefixes`` and ``suffixes``. Raises
    UnknownConstant."""
    spellings = [prefix + name + suffix for prefix in ("", *prefixes) for suffix in ("", *suffixes)]
    for spelling in spellings:
        if spelling in words.numbers:
            return words.numbers[spelling]
    for spelling in spellings:
        others = profiles_with(spelling)
        if others:
            raise UnknownConstant(f"is not in the headers of {words.profile}; {spelling} is in those of {', '.join(others)}")
    raise UnknownConstant("is in no header that sendright knows")


def evaluate(text: str, look_up: Callable[[str], int]) -> int:
    """The number that an expression of C means; ``look_up`` gives the numbers of names. Raises NoExpression, and what
    ``look_up`` raises."""
    if len(text) > LONGEST:
        raise NoExpression("the expression is too long")
    plain = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text.strip())
    plain = re.sub(r"(?<![\w.])0([0-7]+)\b", r"0o\1", plain)
    try:
        tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise NoExpression("it is not an expression of numbers and constants") from None
    try:
        return _value(tree.body, look_up)
    except RecursionError:
        raise NoExpression("the expression is nested too deeply") from None


def _value(node: ast.expr, look_up: Callable[[str], int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _bounded(node.value)
    if isinstance(node, ast.Name):
        return look_up(node.id)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand, look_up))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, look_up), _value(node.right, look_up)
        if isinstance(node.op, ast.LShift | ast.RShift) and not 0 <= right < _BITS:
            raise NoExpression(f"a number is shifted by {right} bits")
        return _bounded(_OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MACROS and not node.keywords:
        count, macro = _MACROS[node.func.id]
        if len(node.args) == count:
            values = [_value(each, look_up) for each in node.args]
            if all(0 <= each < 1 << 32 for each in values):
                return _bounded(macro(*values))
    raise NoExpression("it is not an expression of numbers and constants")


def _bounded(number: int) -> int:
    if not -(1 << _BITS) < number < 1 << _BITS:
        raise NoExpression(f"a number has more than {_BITS} bits")
    return number
