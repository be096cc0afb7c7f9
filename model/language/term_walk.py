"""Looking at z3's terms through its C interface.

A proof visits millions of terms. z3's Python API makes an object of each, by half a dozen calls of the C interface and
as many error checks. Here a term is an address until its object is needed. Addresses and numbers are valid as long as
the formula that contains them is kept.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import z3
from z3 import z3core
from z3.z3 import Ast, FuncDecl, _to_expr_ref

from sendright.model.language.quick_terms import function_of as _function

if TYPE_CHECKING:
    from sendright.model.language.sorts import Term

_CONTEXT = z3.main_ctx()
_QUANTIFIED, _LOOKED_AT = z3.Probe("has-quantifiers"), z3.Goal()
_context = _CONTEXT.ref().value

_ADDRESS, _NUMBER = ctypes.c_void_p, ctypes.c_uint
_kind = _function(z3core.Z3_get_ast_kind, _NUMBER, _ADDRESS)
_id = _function(z3core.Z3_get_ast_id, _NUMBER, _ADDRESS)
_declaration = _function(z3core.Z3_get_app_decl, _ADDRESS, _ADDRESS)
_count = _function(z3core.Z3_get_app_num_args, _NUMBER, _ADDRESS)
_argument = _function(z3core.Z3_get_app_arg, _ADDRESS, _ADDRESS, _NUMBER)
_depth = _function(z3core.Z3_get_depth, _NUMBER, _ADDRESS)
_sort = _function(z3core.Z3_get_sort, _ADDRESS, _ADDRESS)
_substitute = _function(z3core.Z3_substitute_vars, _ADDRESS, _ADDRESS, _NUMBER, _ADDRESS)
_keep = _function(z3core.Z3_ast_vector_push, None, _ADDRESS, _ADDRESS)
_assert = _function(z3core.Z3_solver_assert, None, _ADDRESS, _ADDRESS)
_body = _function(z3core.Z3_get_quantifier_body, _ADDRESS, _ADDRESS)
_bound_count = _function(z3core.Z3_get_quantifier_num_bound, _NUMBER, _ADDRESS)
_bound_name = _function(z3core.Z3_get_quantifier_bound_name, _ADDRESS, _ADDRESS, _NUMBER)
_bound_sort = _function(z3core.Z3_get_quantifier_bound_sort, _ADDRESS, _ADDRESS, _NUMBER)
_goal_reset = _function(z3core.Z3_goal_reset, None, _ADDRESS)
_goal_assert = _function(z3core.Z3_goal_assert, None, _ADDRESS, _ADDRESS)
_probe = _function(z3core.Z3_probe_apply, ctypes.c_double, _ADDRESS, _ADDRESS)


def address_of(term: Term) -> int:
    """Where z3 has ``term``."""
    return term.ast.value  # type: ignore[no-any-return]


def term_at(address: int) -> Term:
    """The term at an address, as a Python object."""
    return _to_expr_ref(_handle(address), _CONTEXT)


def declaration_at(address: int) -> Any:
    """The declaration at an address, as a Python object."""
    declaration = FuncDecl.__new__(FuncDecl)
    declaration.value = address
    return z3.FuncDeclRef(declaration, _CONTEXT)


def _handle(address: int) -> Ast:
    handle = Ast.__new__(Ast)  # its own constructor doesn't keep the address where the C interface looks for it
    handle.value = address
    return handle


def number_of(term: Term) -> int:
    """As ``term.get_id()``: two terms are the same exactly if their numbers are, as long as both are kept."""
    return _id(_context, term.ast.value)  # type: ignore[no-any-return]


def depth_at(term: int) -> int:
    """How deep the term at an address is nested; a constant's depth is 1."""
    return _depth(_context, term)  # type: ignore[no-any-return]


def sort_of(term: int) -> int:
    """Where z3 has the sort of the term at an address."""
    return _sort(_context, term)  # type: ignore[no-any-return]


def number_at(term: int) -> int:
    """The number of the term at an address, as ``get_id`` gives it."""
    return _id(_context, term)  # type: ignore[no-any-return]


def arguments_at(term: int) -> list[int]:
    """Where z3 has the arguments of the term at an address; none, if it isn't an application."""
    if _kind(_context, term) != z3.Z3_APP_AST:
        return []
    return [_argument(_context, term, index) for index in range(_count(_context, term))]


def application_at(term: int) -> tuple[int, list[int]]:
    """Where z3 has the declaration and the arguments of the application (a constant, a number) at an address; 0 and
    none, if it is a bound variable or a quantifier."""
    if _kind(_context, term) not in (z3.Z3_APP_AST, z3.Z3_NUMERAL_AST):
        return 0, []
    return _declaration(_context, term), [_argument(_context, term, index) for index in range(_count(_context, term))]


def body_of(term: int) -> int:
    """Where z3 has the body of the quantifier at an address; 0, if it isn't a quantifier."""
    return _body(_context, term) if _kind(_context, term) == z3.Z3_QUANTIFIER_AST else 0


def children(term: Term) -> list[Term]:
    """As ``term.children()``, of an application."""
    return [term_at(argument) for argument in arguments_at(address_of(term))]


def has_quantifiers(formula: Term) -> bool:
    """There is a quantifier somewhere in ``formula``."""
    goal = _LOOKED_AT.goal.value
    _goal_assert(_context, goal, address_of(formula))
    found = _probe(_context, _QUANTIFIED.probe.value, goal)
    _goal_reset(_context, goal)
    return bool(found)


def bound_at(quantifier: int) -> list[tuple[int, int]]:
    """Of each variable that the quantifier at an address binds, where z3 has its name and its sort. z3 keeps all names
    for ever."""
    return [
        (_bound_name(_context, quantifier, index), _bound_sort(_context, quantifier, index)) for index in range(_bound_count(_context, quantifier))
    ]


def body_with(quantifier: Term, values: Sequence[Term]) -> Term:
    """The body of ``quantifier`` at ``values``, which have its variables' sorts and order."""
    addresses = (ctypes.c_void_p * len(values))(*[address_of(value) for value in reversed(values)])
    return term_at(_substitute(_context, body_of(address_of(quantifier)), len(values), addresses))


def without_quantifiers(formula: Term) -> Term:
    """``formula`` with a truth value of which nothing is known for each quantified part, the same for equal ones."""
    if not has_quantifiers(formula):
        return formula
    seen: set[int] = set()
    stack, parts = [address_of(formula)], []
    while stack:
        term = stack.pop()
        if number_at(term) in seen:
            continue
        seen.add(number_at(term))
        if _kind(_context, term) == z3.Z3_QUANTIFIER_AST:
            parts.append((term_at(term), z3.FreshBool("quantified")))
        else:
            stack += arguments_at(term)
    return z3.substitute(formula, *parts)


def new_applications(formula: Term, seen: set[int]) -> Iterator[tuple[int, int, list[int]]]:
    """All applications (constants too) in ``formula`` that aren't in ``seen``, outside its quantified parts, each once.

    Of each its address, its declaration's and its arguments'. The addresses are added to ``seen``.
    """
    return applications_at(address_of(formula), seen)


def applications_at(formula: int, seen: set[int]) -> Iterator[tuple[int, int, list[int]]]:
    """As ``new_applications``, of the formula at an address."""
    context = _context
    stack = [formula]
    while stack:
        term = stack.pop()
        if term in seen or _kind(context, term) != z3.Z3_APP_AST:
            continue
        seen.add(term)
        arguments = [_argument(context, term, index) for index in range(_count(context, term))]
        stack += arguments
        yield term, _declaration(context, term), arguments


def declarations_in(formula: Term, seen: set[int]) -> Iterator[int]:
    """Where z3 has the declarations that ``formula`` applies, its quantified parts included; of those of its parts that
    aren't in ``seen``, to which their numbers are added.
    """
    return (declaration for declaration, _ in _applied_in(formula, seen))


def applied_in(formula: Term) -> Iterator[tuple[int, int]]:
    """As ``declarations_in``, of the whole formula: of each of its applications (quantified parts included) the
    declaration and the number of arguments. Most declarations come up many times.
    """
    return _applied_in(formula, set())


def _applied_in(formula: Term, seen: set[int]) -> Iterator[tuple[int, int]]:
    context = _context
    stack = [address_of(formula)]
    while stack:
        term = stack.pop()
        number = _id(context, term)
        if number in seen:
            continue
        seen.add(number)
        kind = _kind(context, term)
        if kind == z3.Z3_QUANTIFIER_AST:
            stack.append(_body(context, term))
        elif kind in (z3.Z3_APP_AST, z3.Z3_NUMERAL_AST):
            arguments = _count(context, term)
            stack += [_argument(context, term, index) for index in range(arguments)]
            yield _declaration(context, term), arguments


class Formulas:
    """Formulas by their addresses. z3 keeps them as long as this object lives."""

    def __init__(self) -> None:
        self.addresses: list[int] = []
        self._kept = z3.AstVector()
        self._vector = self._kept.vector.value

    def add(self, address: int) -> None:
        """Keep the formula at an address."""
        _keep(_context, self._vector, address)
        self.addresses.append(address)

    def __len__(self) -> int:
        return len(self.addresses)


class Body:
    """The body of a quantifier, to be taken at many values."""

    def __init__(self, body: Term, variables: int) -> None:
        self._body, self._address, self._size = body, address_of(body), variables
        self._values: Any = (ctypes.c_void_p * variables)()

    def at(self, values: Sequence[Term]) -> Term:
        """The body at ``values``, which have the variables' sorts and order."""
        return z3.BoolRef(_handle(self.address_at([address_of(value) for value in values])), _CONTEXT)

    def address_at(self, values: Sequence[int]) -> int:
        """Where z3 has the body at the values at some addresses.

        It is to be kept before z3 makes anything else.
        """
        self._values[:] = [*reversed(values)]
        result = _substitute(_context, self._address, self._size, self._values)
        assert result, "a value has another sort than its variable"
        return result  # type: ignore[no-any-return]


def assert_all(solver: z3.Solver, formulas: Iterable[Term]) -> None:
    """As ``solver.add``, of formulas that are known to be formulas."""
    assert_at(solver, map(address_of, formulas))


def assert_at(solver: z3.Solver, formulas: Iterable[int]) -> None:
    """As ``assert_all``, of the formulas at some addresses."""
    address = solver.solver.value
    for formula in formulas:
        _assert(_context, address, formula)
