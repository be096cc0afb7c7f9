"""Numbers as C programs write them: constants of the kernels' headers, ``A|B``, ``1 << 10``, ``0x1f``, macros."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from sendright.mach.abi.headers import Headers, profiles_with

LONGEST = 400
"""No expression is longer."""
_BITS = 64
_TOKEN = re.compile(
    r"\s*(?:(?:(?P<hexadecimal>0[xX][0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))(?:[uU](?:ll?|LL?)?|(?:ll?|LL?)[uU]?)?(?!\w)"
    r"|(?P<other>[A-Za-z_]\w*|<<|>>|\+(?!\+)|-(?!-)|[*|&^~(),]))\s*",
    re.ASCII,
)
"""A number, a name or an operator of C; ``++`` and ``--`` change variables, and a script has none."""
_NO_EXPRESSION = "it is not an expression of numbers and constants"

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

_PORTS = (5, 5, 5)
_MACROS: dict[str, tuple[tuple[int, ...], Callable[..., int]]] = {
    "MACH_MSGH_BITS": ((32, 24), lambda remote, local: remote | local << 8),
    "MACH_MSGH_BITS_SET_PORTS": (_PORTS, lambda remote, local, voucher: remote | local << 8 | voucher << 16),
    "MACH_MSGH_BITS_SET": ((*_PORTS, 32), lambda remote, local, voucher, other: remote | local << 8 | voucher << 16 | other & ~0x1F1F1F),
    "MACH_PORT_TYPE": ((4,), lambda right: 1 << (right + 16)),
    "MACH_PORT_MAKE": ((24, 32), lambda index, generation: index << 8 | generation >> 24),
    "MACH_RCV_TRAILER_TYPE": ((32,), lambda form: (form & 0xF) << 28),
    "MACH_RCV_TRAILER_ELEMENTS": ((32,), lambda elements: (elements & 0xF) << 24),
}
"""Macros of the headers (``mach/message.h``, ``mach/port.h``): how many bits each argument may have so that the value
has no more than 32, and the value."""


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


def evaluate(text: str, look_up: Callable[[str], int], look_up_plain: Callable[[str], int] | None = None) -> int:
    """The number that an expression of C means.

    ``look_up`` gives the numbers of names. ``look_up_plain`` gives those of names in the argument of a macro, and in a
    number of bits to shift; default: ``look_up``. Raises NoExpression, and what these two raise.
    """
    if len(text) > LONGEST:
        raise NoExpression("the expression is too long")
    tokens = list(_tokens(text))
    pairs = list(pairwise(tokens))
    if (",", ")") in pairs or (")", "(") in pairs:  # Python allows these, C doesn't
        raise NoExpression(_NO_EXPRESSION)
    try:
        return _value(ast.parse(" ".join(tokens), mode="eval").body, look_up, look_up_plain or look_up)
    except (SyntaxError, MemoryError):
        raise NoExpression(_NO_EXPRESSION) from None
    except RecursionError:
        raise NoExpression("the expression is nested too deeply") from None


def _tokens(text: str) -> Iterator[str]:
    """The tokens of C in ``text``, as Python writes them. Raises NoExpression."""
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise NoExpression(_NO_EXPRESSION)
        place = found.end()
        for base, digits in ((16, found["hexadecimal"]), (8, found["octal"]), (10, found["decimal"])):
            if digits:
                yield str(int(digits, base))
        if found["other"]:
            yield found["other"]


def _value(node: ast.expr, look_up: Callable[[str], int], plain: Callable[[str], int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _bounded(node.value)
    if isinstance(node, ast.Name):
        return look_up(node.id)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _bounded(_OPERATORS[type(node.op)](_value(node.operand, look_up, plain)))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        shifts = isinstance(node.op, ast.LShift | ast.RShift)
        left, right = _value(node.left, look_up, plain), _value(node.right, plain if shifts else look_up, plain)
        if shifts and not 0 <= right < _BITS:
            raise NoExpression(f"a number is shifted by {right} bits")
        return _bounded(_OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MACROS:
        bits, macro = _MACROS[node.func.id]
        if len(node.args) == len(bits):
            values = [_value(each, plain, plain) for each in node.args]
            for value, most in zip(values, bits, strict=True):
                if not 0 <= value < 1 << most:
                    raise NoExpression(f"{value} does not fit into {node.func.id}")
            return macro(*values)
    raise NoExpression(_NO_EXPRESSION)


def _bounded(number: int) -> int:
    if not -(1 << _BITS) < number < 1 << _BITS:
        raise NoExpression(f"a number has more than {_BITS} bits")
    return number
