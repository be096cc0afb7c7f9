"""Formulas as SMT-LIB 2 text that says exactly what they say.

z3's own text doesn't. z3 tells declarations apart by their types, so a parameter and a selector may share a name. And
z3 tells bound variables apart by number, so a bound variable may share the name of a constant in its scope: then the
text speaks of the wrong one. This writer gives every declaration a name of its own (sorts, constructors, selectors,
functions, constants), and every bound variable a name that nothing else in its scope has. Names of the specification
stay as they are where that is possible. The number that makes a fresh name fresh is left out, because it differs from
process to process.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import z3

from sendright.model.language.sorts import Term
from sendright.model.language.term_walk import address_of, application_at, body_of, number_at, term_at


class NotWritable(ValueError):
    """A formula uses something that this module doesn't write. The message says what."""


_OPERATORS = {
    z3.Z3_OP_TRUE: "true",
    z3.Z3_OP_FALSE: "false",
    z3.Z3_OP_EQ: "=",
    z3.Z3_OP_DISTINCT: "distinct",
    z3.Z3_OP_ITE: "ite",
    z3.Z3_OP_AND: "and",
    z3.Z3_OP_OR: "or",
    z3.Z3_OP_IFF: "=",
    z3.Z3_OP_XOR: "xor",
    z3.Z3_OP_NOT: "not",
    z3.Z3_OP_IMPLIES: "=>",
    z3.Z3_OP_LE: "<=",
    z3.Z3_OP_GE: ">=",
    z3.Z3_OP_LT: "<",
    z3.Z3_OP_GT: ">",
    z3.Z3_OP_ADD: "+",
    z3.Z3_OP_SUB: "-",
    z3.Z3_OP_UMINUS: "-",
    z3.Z3_OP_MUL: "*",
    z3.Z3_OP_IDIV: "div",
    z3.Z3_OP_MOD: "mod",
    z3.Z3_OP_DIV: "/",
    z3.Z3_OP_TO_REAL: "to_real",
}
"""z3's kinds of declarations that SMT-LIB has a word for."""

_OF_ONE = {"and", "or", "+", "*"}
"""Operators that z3 applies to one argument too, which means that argument. SMT-LIB wants two at least."""
_OF_NONE = {"and": "true", "or": "false"}

_RESERVED_WORDS = """
! _ as let exists forall match par true false not => and or xor = distinct ite + - * / <= < >= > div mod abs divisible
to_real to_int is_int select store is update BINARY DECIMAL HEXADECIMAL NUMERAL STRING Bool Int Real Array
"""
"""What SMT-LIB itself, its core, numbers, arrays and datatypes have names for."""

_TAG = re.compile(r"(?<=.)!\d+")
_SIMPLE = re.compile(r"[A-Za-z~!$%^&*_+=<>/-][A-Za-z0-9~!@$%^&*_+=<>.?/-]*")  # "?" begins what this module names itself


class Writer:
    """Writes formulas, one after the other, with the same names in all of them."""

    def __init__(self) -> None:
        self.declarations: list[str] = []
        """The commands that declare all that the formulas written so far speak of, in an order that works."""
        self._taken: set[str] = set(_RESERVED_WORDS.split())
        self._sorts: dict[int, str] = {}
        self._heads: dict[int, str] = {}
        """What stands before the arguments of an application, by the address of its declaration."""
        self._seen: set[int] = set()
        """The numbers of the terms whose declarations have names."""
        self._keep: list[object] = []  # addresses and numbers are valid only while what is there lives

    def copy(self) -> Writer:
        """A writer that knows the same names, and goes on alone."""
        other = Writer()
        other.declarations, other._taken, other._keep = list(self.declarations), set(self._taken), list(self._keep)
        other._sorts, other._heads, other._seen = dict(self._sorts), dict(self._heads), set(self._seen)
        return other

    def write(self, formula: Term) -> str:
        """The text of ``formula``. What it speaks of is in ``declarations`` afterwards. Raises NotWritable."""
        self._keep.append(formula)
        self._declare_all(formula)
        return self._scope(address_of(formula), ())

    # ---- names

    def _name(self, wanted: str) -> str:
        """A name that nothing has yet, which is taken from now on."""
        name = _free(wanted, self._taken)
        self._taken.add(name)
        return quoted(name)

    def _declare_all(self, formula: Term) -> None:
        """Name all declarations in ``formula``, inside its quantifiers too."""
        stack = [address_of(formula)]
        while stack:
            term = stack.pop()
            number = number_at(term)
            if number in self._seen:
                continue
            self._seen.add(number)
            declaration, arguments = application_at(term)
            if declaration:
                if declaration not in self._heads:
                    self._declare(term, declaration)
                stack += reversed(arguments)
            elif body := body_of(term):
                quantifier = term_at(term)
                for index in range(quantifier.num_vars()):
                    self._sort(quantifier.var_sort(index))
                stack.append(body)

    def _declare(self, term: int, address: int) -> None:
        """Name the declaration at ``address``, which is applied in ``term``."""
        application = term_at(term)
        declaration = application.decl()
        self._keep.append(declaration)
        kind = declaration.kind()
        if kind in _OPERATORS:
            self._heads[address] = _OPERATORS[kind]
            return
        if kind == z3.Z3_OP_ANUM:
            self._heads[address] = _number(application)
            return
        domain = [self._sort(declaration.domain(index)) for index in range(declaration.arity())]
        range_ = self._sort(declaration.range())
        if kind == z3.Z3_OP_UNINTERPRETED:
            name = self._heads[address] = self._name(str(declaration.name()))
            self.declarations.append(f"(declare-fun {name} ({' '.join(domain)}) {range_})")
        elif kind in (z3.Z3_OP_DT_IS, z3.Z3_OP_DT_RECOGNISER):
            self._heads[address] = f"(_ is {self._heads[_address(_recognised(declaration))]})"
        elif address not in self._heads:  # constructors and selectors have come with their sort
            raise NotWritable(f"sendright can't write {declaration.name()} as SMT-LIB")

    def _sort(self, sort: z3.SortRef) -> str:
        address = _address(sort)
        if address in self._sorts:
            return self._sorts[address]
        self._keep.append(sort)
        kind = sort.kind()
        if kind in (z3.Z3_BOOL_SORT, z3.Z3_INT_SORT, z3.Z3_REAL_SORT):
            self._sorts[address] = str(sort.name())
        elif kind == z3.Z3_UNINTERPRETED_SORT:
            name = self._sorts[address] = self._name(str(sort.name()))
            self.declarations.append(f"(declare-sort {name} 0)")
        elif kind == z3.Z3_DATATYPE_SORT:
            self._datatype(sort, address)
        else:
            raise NotWritable(f"sendright can't write the sort {sort} as SMT-LIB")
        return self._sorts[address]

    def _datatype(self, sort: z3.SortRef, address: int) -> None:
        name = self._sorts[address] = self._name(str(sort.name()))
        constructors = []
        for index in range(sort.num_constructors()):
            constructor = sort.constructor(index)
            word = self._heads[_address(constructor)] = self._name(str(constructor.name()))
            fields = []
            for position in range(constructor.arity()):
                selector = sort.accessor(index, position)
                self._keep.append(selector)
                field = self._heads[_address(selector)] = self._name(str(selector.name()))
                fields.append(f" ({field} {self._sort(selector.range())})")
            self._keep.append(constructor)
            constructors.append(f"({word}{''.join(fields)})")
        self.declarations.append(f"(declare-datatypes (({name} 0)) (({' '.join(constructors)})))")

    # ---- terms

    def _scope(self, root: int, bound: tuple[str, ...]) -> str:
        """The text of the term at ``root``, in which ``bound`` are the variables, the outermost first.

        What occurs more than once in it, outside the quantifiers there, is written once.
        """
        order, uses = _order(root)
        texts: dict[int, str] = {}
        shared: list[tuple[str, str]] = []
        for number, term, declaration, arguments in order:
            if declaration:
                text = _applied(self._heads[declaration], [texts[number_at(argument)] for argument in arguments])
            elif body_of(term):
                text = self._quantified(term, bound)
            else:
                text = bound[-1 - z3.get_var_index(term_at(term))]
            if uses[number] > 1 and text[0] == "(":
                shared.append((f"?{len(bound)}.{len(shared)}", text))
                text = shared[-1][0]
            texts[number] = text
        lets = "".join(f"(let (({name} {text})) " for name, text in shared)
        return f"{lets}{texts[number_at(root)]}{')' * len(shared)}"

    def _quantified(self, term: int, bound: tuple[str, ...]) -> str:
        quantifier = term_at(term)
        if quantifier.is_lambda():
            raise NotWritable("sendright can't write a function without a name (lambda) as SMT-LIB")
        names: list[str] = []
        for index in range(quantifier.num_vars()):
            names.append(quoted(_free(quantifier.var_name(index), {*self._taken, *map(_unquoted, (*bound, *names))})))
        sorts = [self._sort(quantifier.var_sort(index)) for index in range(len(names))]
        variables = " ".join(f"({name} {sort})" for name, sort in zip(names, sorts, strict=True))
        body = self._scope(body_of(term), (*bound, *names))
        return f"({'forall' if quantifier.is_forall() else 'exists'} ({variables}) {body})"


class Assumed:
    """Formulas that many scripts have in common. They are written once."""

    def __init__(self, formulas: Iterable[Term]) -> None:
        """Raises NotWritable."""
        self._writer = Writer()
        self._assertions = [f"(assert {self._writer.write(formula)})" for formula in formulas]

    def script(self, formulas: Iterable[Term], status: str = "unknown", comments: Sequence[str] = ()) -> str:
        """As ``script``, of these formulas and more."""
        writer = self._writer.copy()
        assertions = [*self._assertions, *(f"(assert {writer.write(formula)})" for formula in formulas)]
        head = [*(f"; {comment}" for comment in comments), "(set-info :smt-lib-version 2.6)", f"(set-info :status {status})", "(set-logic ALL)"]
        return "\n".join([*head, *writer.declarations, *assertions, "(check-sat)", "(exit)", ""])


def script(formulas: Iterable[Term], status: str = "unknown", comments: Sequence[str] = ()) -> str:
    """A self-contained SMT-LIB 2 script that asks whether all ``formulas`` can hold together.

    ``status`` is the expected answer. Each of the ``comments`` is a line before it. Raises NotWritable.
    """
    return Assumed(formulas).script((), status, comments)


def quoted(name: str) -> str:
    """``name`` as an SMT-LIB symbol."""
    return name if _SIMPLE.fullmatch(name) else f"|{name}|"


def _unquoted(symbol: str) -> str:
    return symbol.strip("|")


@cache
def _plain(name: str) -> str:
    """``name`` without the numbers that make it fresh, and without what no symbol can contain or begin with here."""
    return re.sub(r"^[?@.]|[|\\\x00-\x1f\x7f]", "_", _TAG.sub("", name)) or "_"


def _free(wanted: str, taken: set[str] | frozenset[str]) -> str:
    """``wanted``, or if that is taken, with a number after it."""
    plain = name = _plain(wanted)
    number = 1
    while name in taken:
        number += 1
        name = f"{plain}.{number}"
    return name


def _address(thing: z3.SortRef | z3.FuncDeclRef) -> int:
    return int(thing.as_ast().value)


def _recognised(recogniser: z3.FuncDeclRef) -> z3.FuncDeclRef:
    """The constructor that a recogniser (``is_name_slot``) recognises."""
    if recogniser.params() and isinstance(recogniser.params()[0], z3.FuncDeclRef):
        return recogniser.params()[0]
    sort = recogniser.domain(0)
    [index] = [index for index in range(sort.num_constructors()) if sort.recognizer(index) == recogniser]
    return sort.constructor(index)


def _number(value: Term) -> str:
    """An integer or a fraction."""
    fraction = value.as_fraction() if z3.is_rational_value(value) else None
    size = f"{abs(fraction.numerator)}.0" if fraction is not None else str(abs(value.as_long()))
    if fraction is not None and fraction.denominator != 1:
        size = f"(/ {size} {fraction.denominator}.0)"
    return f"(- {size})" if (value.as_long() if fraction is None else fraction) < 0 else size


def _applied(head: str, arguments: list[str]) -> str:
    if not arguments:
        return _OF_NONE.get(head, head)
    if len(arguments) == 1:
        if head in _OF_ONE:
            return arguments[0]
        if head == "distinct":
            return "true"
    return f"({head} {' '.join(arguments)})"


def _order(root: int) -> tuple[list[tuple[int, int, int, list[int]]], Counter[int]]:
    """All terms in the term at ``root``, outside its quantifiers, arguments first; and how often each is used.

    Of each its number, its address, its declaration's and its arguments'.
    """
    uses: Counter[int] = Counter()
    order: list[tuple[int, int, int, list[int]]] = []
    seen: set[int] = set()
    stack: list[tuple[int, tuple[int, int, int, list[int]] | None]] = [(root, None)]
    while stack:
        term, ready = stack.pop()
        if ready is not None:
            order.append(ready)
            continue
        number = number_at(term)
        uses[number] += 1
        if number in seen:
            continue
        seen.add(number)
        declaration, arguments = application_at(term)
        stack.append((term, (number, term, declaration, arguments)))
        stack += [(argument, None) for argument in reversed(arguments)]
    return order, uses
