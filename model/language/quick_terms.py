"""Quicker functions in the place of those with which z3's Python interface makes terms.

The rules and properties are written with z3's own functions: ``z3.And``, ``==``, ``z3.ForAll``. Each of them looks at
its arguments in Python, by many calls of the C interface, with a look for errors after each. A proof makes more than a
million terms, and that took longer than deciding them. So this module puts quicker functions in their place. They call
the same functions of the C interface with the same arguments, so the terms are the same. They do so only where nothing
has to be converted: all arguments are terms of z3's main context, of the sorts that belong there. Everything else goes
to z3's own functions, mistakes too.

This rests on the inside of one version of z3, the one that ``pyproject.toml`` names.
``tests/model/language/test_quick_terms.py`` compares the two. The exchange is made once, when the package is imported,
before any term is made.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import z3
from z3 import z3core
from z3.z3 import ArithRef, Ast, AstRef, ExprRef, FuncDecl, FuncDeclRef, QuantifierRef

_MAIN = z3.main_ctx()
_context: int = _MAIN.ref().value
_OBJECT, _NUMBER = ctypes.c_void_p, ctypes.c_uint


def function_of(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of z3's C interface with plain numbers for handles, and without a look for errors after it."""
    address = ctypes.cast(function.__defaults__[0].f, _OBJECT).value
    assert address is not None
    return ctypes.PYFUNCTYPE(result, _OBJECT, *arguments)(address)


_keep = function_of(z3core.Z3_inc_ref, None, _OBJECT)
_let_go = function_of(z3core.Z3_dec_ref, None, _OBJECT)
_kind = function_of(z3core.Z3_get_ast_kind, _NUMBER, _OBJECT)
_sort = function_of(z3core.Z3_get_sort, _OBJECT, _OBJECT)
_number = function_of(z3core.Z3_get_ast_id, _NUMBER, _OBJECT)
_declaration = function_of(z3core.Z3_get_app_decl, _OBJECT, _OBJECT)
_count = function_of(z3core.Z3_get_app_num_args, _NUMBER, _OBJECT)
_declared_name = function_of(z3core.Z3_get_decl_name, _OBJECT, _OBJECT)
_declared_kind = function_of(z3core.Z3_get_decl_kind, _NUMBER, _OBJECT)
_arity = function_of(z3core.Z3_get_arity, _NUMBER, _OBJECT)
_domain = function_of(z3core.Z3_get_domain, _OBJECT, _OBJECT, _NUMBER)
_apply = function_of(z3core.Z3_mk_app, _OBJECT, _OBJECT, _NUMBER, _OBJECT)
_not = function_of(z3core.Z3_mk_not, _OBJECT, _OBJECT)
_implies = function_of(z3core.Z3_mk_implies, _OBJECT, _OBJECT, _OBJECT)
_if = function_of(z3core.Z3_mk_ite, _OBJECT, _OBJECT, _OBJECT, _OBJECT)
_equal = function_of(z3core.Z3_mk_eq, _OBJECT, _OBJECT, _OBJECT)
_quantifier = function_of(
    z3core.Z3_mk_quantifier_const_ex,
    _OBJECT,
    *(ctypes.c_bool, _NUMBER, _OBJECT, _OBJECT),
    *(_NUMBER, _OBJECT, _NUMBER, _OBJECT, _NUMBER, _OBJECT, _OBJECT),
)

_BOOL, _INT = z3.BoolSort(), z3.IntSort()
_bool: int = _BOOL.ast.value
_int: int = _INT.ast.value

_NO_NAME = z3.z3.to_symbol("", _MAIN).value
_SIMPLE = (z3.Z3_BOOL_SORT, z3.Z3_INT_SORT, z3.Z3_UNINTERPRETED_SORT, z3.Z3_DATATYPE_SORT)

_classes: dict[int, tuple[Any, Any]] = {}
"""The Python classes of applications, by the addresses of their sorts. The sorts are kept, so the addresses stay
theirs.
"""
_names: dict[int, str] = {}
"""Names by the addresses of z3's symbols, which it keeps for ever."""
_numerals = {number: z3.IntVal(number) for number in range(-1000, 1000)}
"""Small numbers as terms: those that rules and properties mention."""


def _made(cls: Any, address: int | None) -> Any:
    """The term at ``address`` as a Python object of this class."""
    if not address:
        error = z3core.Z3_get_error_code(_MAIN.ref())
        raise z3.Z3Exception(z3core.Z3_get_error_msg(_MAIN.ref(), error))
    _keep(_context, address)
    term, handle = cls.__new__(cls), Ast.__new__(Ast)
    handle.value = address  # its own constructor doesn't keep the address where the C interface looks for it
    term.ast, term.ctx = handle, _MAIN
    return term


def _array(addresses: list[int]) -> Any:
    return (_OBJECT * len(addresses))(*addresses)


def _formulas(parts: Any) -> list[int] | None:
    """The addresses of ``parts``, if all of them are formulas of the main context."""
    found = []
    for part in parts:
        if not isinstance(part, ExprRef) or part.ctx is not _MAIN or _sort(_context, part.ast.value) != _bool:
            return None
        found.append(part.ast.value)
    return found


def _connective(own: Any, make: Any) -> Any:
    """A quicker ``z3.And`` or ``z3.Or``."""
    connect = function_of(make, _OBJECT, _NUMBER, _OBJECT)

    def connected(*args: Any) -> Any:
        parts = args[0] if len(args) == 1 and type(args[0]) in (list, tuple) else args
        addresses = _formulas(parts)
        if not addresses:
            return own(*args)
        return _made(z3.BoolRef, connect(_context, len(addresses), _array(addresses)))

    return connected


def _negation(own: Any) -> Any:
    def negation(a: Any, ctx: Any = None) -> Any:
        addresses = _formulas((a,)) if ctx is None else None
        return _made(z3.BoolRef, _not(_context, addresses[0])) if addresses else own(a, ctx)

    return negation


def _implication(own: Any) -> Any:
    def implication(a: Any, b: Any, ctx: Any = None) -> Any:
        addresses = _formulas((a, b)) if ctx is None else None
        return _made(z3.BoolRef, _implies(_context, *addresses)) if addresses else own(a, b, ctx)

    return implication


def _choice(own: Any) -> Any:
    def choice(a: Any, b: Any, c: Any, ctx: Any = None) -> Any:
        condition = _formulas((a,)) if ctx is None else None
        if condition and (both := _of_one_sort(b, c)):
            return _term_at(_if(_context, condition[0], *both))
        return own(a, b, c, ctx)

    return choice


def _of_one_sort(a: Any, b: Any) -> tuple[int, int] | None:
    """The addresses of two terms of the main context that have the same sort; a small number beside an integer term
    stands for itself.
    """
    one = _numerals.get(a) if type(a) is int else a
    other = _numerals.get(b) if type(b) is int else b
    if not isinstance(one, ExprRef) or not isinstance(other, ExprRef) or one.ctx is not _MAIN or other.ctx is not _MAIN:
        return None
    first, second = one.ast.value, other.ast.value
    return (first, second) if _sort(_context, first) == _sort(_context, second) else None


def _equality(own: Any) -> Any:
    def equality(self: Any, other: Any) -> Any:
        both = _of_one_sort(self, other)
        return _made(z3.BoolRef, _equal(_context, *both)) if both else own(self, other)

    return equality


def _inequality(own: Any) -> Any:
    distinct = function_of(z3core.Z3_mk_distinct, _OBJECT, _NUMBER, _OBJECT)

    def inequality(self: Any, other: Any) -> Any:
        both = _of_one_sort(self, other)
        return _made(z3.BoolRef, distinct(_context, 2, _array([*both]))) if both else own(self, other)

    return inequality


def _comparison(own: Any, make: Any) -> Any:
    compare = function_of(make, _OBJECT, _OBJECT, _OBJECT)

    def comparison(self: Any, other: Any) -> Any:
        both = _of_one_sort(self, other)
        if both is None or _sort(_context, both[0]) != _int:
            return own(self, other)
        return _made(z3.BoolRef, compare(_context, *both))

    return comparison


def _operation(own: Any, make: Any) -> Any:
    operate = function_of(make, _OBJECT, _NUMBER, _OBJECT)

    def operation(self: Any, other: Any) -> Any:
        both = _of_one_sort(self, other)
        if both is None or _sort(_context, both[0]) != _int:
            return own(self, other)
        return _term_at(operate(_context, 2, _array([*both])))

    return operation


def _application(own: Any) -> Any:
    def application(self: Any, *args: Any) -> Any:
        if self.ctx is not _MAIN:
            return own(self, *args)
        try:
            domain = self.addresses_of_domain
        except AttributeError:
            address = self.ast.value
            domain = self.addresses_of_domain = [_domain(_context, address, index) for index in range(_arity(_context, address))]
        if len(args) != len(domain):
            return own(self, *args)
        found = []
        for argument, sort in zip(args, domain, strict=True):
            if not isinstance(argument, ExprRef) or argument.ctx is not _MAIN or _sort(_context, argument.ast.value) != sort:
                return own(self, *args)
            found.append(argument.ast.value)
        return _term_at(_apply(_context, self.ast.value, len(found), _array(found)))

    return application


def _quantified(own: Any, universal: bool) -> Any:
    def quantified(vs: Any, body: Any, *details: Any, **more: Any) -> Any:
        formula = None if details or more else _formulas((body,))
        if not formula or type(vs) not in (list, tuple) or not vs:
            return own(vs, body, *details, **more)
        for each in vs:
            if (
                not isinstance(each, ExprRef)
                or each.ctx is not _MAIN
                or _kind(_context, each.ast.value) != z3.Z3_APP_AST
                or _count(_context, each.ast.value)
            ):
                return own(vs, body)
        variables = _array([each.ast.value for each in vs])
        return _made(z3.QuantifierRef, _quantifier(_context, universal, 1, _NO_NAME, _NO_NAME, len(vs), variables, 0, None, 0, None, formula[0]))

    return quantified


def _reference(own: Any) -> Any:
    """A quicker function that makes a Python object of a handle."""

    def reference(a: Any, ctx: Any) -> Any:
        return _term_at(a.value) if ctx is _MAIN and type(a) is Ast and a.value else own(a, ctx)

    return reference


_own_reference = z3.z3._to_expr_ref


def _term_at(address: int | None) -> Any:
    """The term at ``address`` as a Python object of the class that z3 has for it."""
    if not address:
        return _made(ExprRef, address)
    if _kind(_context, address) != z3.Z3_APP_AST:
        return _own_at(address)
    sort = _sort(_context, address)
    if sort not in _classes:
        term = _own_at(address)
        if term.sort_kind() not in _SIMPLE:
            return term
        _classes[sort] = type(term), term.sort()
    return _made(_classes[sort][0], address)


def _own_at(address: int) -> Any:
    handle = Ast.__new__(Ast)
    handle.value = address
    return _own_reference(handle, _MAIN)


def _keeping(own: Any) -> Any:
    def keep(self: Any, ast: Any, ctx: Any = None) -> None:
        if (ctx is None or ctx is _MAIN) and ast.value:
            _keep(_context, ast.value)
            self.ast, self.ctx = ast, _MAIN
        else:
            own(self, ast, ctx)

    return keep


def _dropping(own: Any, let_go: Any = _let_go, main: Any = _MAIN, context: int = _context) -> Any:
    def __del__(self: Any) -> None:
        if self.ctx is not main:
            own(self)
        elif main.ctx is not None and self.ast is not None:  # at the end of the process z3 may be gone before its terms
            let_go(context, self.ast.value)
            self.ast = None

    return __del__


def _identity(own: Any) -> Any:
    def identity(self: Any, other: Any) -> Any:
        if isinstance(other, AstRef) and self.ctx is _MAIN and other.ctx is _MAIN:
            return self.ast.value == other.ast.value  # z3 has each term once
        return own(self, other)

    return identity


def _look(own: Any, at: Callable[[int, int], Any]) -> Any:
    """A quicker look at something of a term or declaration, which is a number."""

    def look(self: Any) -> Any:
        return at(_context, self.ast.value) if self.ctx is _MAIN else own(self)

    return look


def _applied(own: Any) -> Any:
    def applied(self: Any) -> Any:
        if self.ctx is not _MAIN or _kind(_context, self.ast.value) != z3.Z3_APP_AST:
            return own(self)
        address = _declaration(_context, self.ast.value)
        _keep(_context, address)
        found, handle = FuncDeclRef.__new__(FuncDeclRef), FuncDecl.__new__(FuncDecl)
        handle.value = address
        found.ast, found.ctx = handle, _MAIN
        return found

    return applied


def _naming(own: Any) -> Any:
    def name(self: Any) -> Any:
        if self.ctx is not _MAIN:
            return own(self)
        symbol = _declared_name(_context, self.ast.value)
        if symbol not in _names:
            _names[symbol] = own(self)
        return _names[symbol]

    return name


class Exchange(NamedTuple):
    """A function of z3's Python interface, and the one in its place."""

    where: Any
    name: str
    own: Any
    quicker: Any


def _exchanged(where: Any, name: str, make: Callable[..., Any], *more: Any) -> Exchange:
    own = getattr(where, name)
    return Exchange(where, name, own, make(own, *more))


EXCHANGES = (
    _exchanged(z3.z3, "And", _connective, z3core.Z3_mk_and),
    _exchanged(z3.z3, "Or", _connective, z3core.Z3_mk_or),
    _exchanged(z3.z3, "Not", _negation),
    _exchanged(z3.z3, "Implies", _implication),
    _exchanged(z3.z3, "If", _choice),
    _exchanged(z3.z3, "ForAll", _quantified, True),
    _exchanged(z3.z3, "Exists", _quantified, False),
    _exchanged(ExprRef, "__eq__", _equality),
    _exchanged(ExprRef, "__ne__", _inequality),
    _exchanged(ArithRef, "__add__", _operation, z3core.Z3_mk_add),
    _exchanged(ArithRef, "__sub__", _operation, z3core.Z3_mk_sub),
    _exchanged(ArithRef, "__lt__", _comparison, z3core.Z3_mk_lt),
    _exchanged(ArithRef, "__le__", _comparison, z3core.Z3_mk_le),
    _exchanged(ArithRef, "__gt__", _comparison, z3core.Z3_mk_gt),
    _exchanged(ArithRef, "__ge__", _comparison, z3core.Z3_mk_ge),
    _exchanged(FuncDeclRef, "__call__", _application),
    _exchanged(AstRef, "eq", _identity),
    _exchanged(ExprRef, "get_id", _look, _number),
    _exchanged(QuantifierRef, "get_id", _look, _number),
    _exchanged(ExprRef, "decl", _applied),
    _exchanged(FuncDeclRef, "name", _naming),
    _exchanged(FuncDeclRef, "kind", _look, _declared_kind),
    _exchanged(AstRef, "__init__", _keeping),
    _exchanged(AstRef, "__del__", _dropping),
    _exchanged(z3.z3, "_to_expr_ref", _reference),
)
"""All that are exchanged."""

for _each in EXCHANGES:
    setattr(_each.where, _each.name, _each.quicker)
    if _each.where is z3.z3 and hasattr(z3, _each.name):
        setattr(z3, _each.name, _each.quicker)  # the package has its functions, too
