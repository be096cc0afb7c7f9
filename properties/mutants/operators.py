"""The operators: each finds places in a function's syntax tree, and says what stands there in a mutant.

An operator gets one node after the other (a ``Visit``) and yields the text that takes the node's place. Operators don't
look at sorts, but for one thing: a ``Scope`` knows what the names of a function denote when its rules are built, so
that a name is replaced by another of the same sort.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Disposition, Notification, Place, PortObject
from sendright.model.language import sorts
from sendright.model.language.sorts import NUMBERED_ENUMERATIONS, Enumeration
from sendright.model.language.state import FIELDS

NOTHING = "yield from ()"
"""In place of a ``yield``: the function stays a generator."""


@dataclass
class Scope:
    """A function, the functions around it, and the sorts of the names that can be used in it."""

    node: ast.FunctionDef
    outer: Scope | None
    name: str
    """The qualified name, as code objects have it."""
    sorts: Mapping[str, str]

    def of_sort(self, sort: str) -> list[str]:
        """The names that denote something of this sort."""
        return [name for name, its in self.sorts.items() if its == sort]

    def alike(self, name: str) -> list[str]:
        """The other names that denote something of the same sort, those that follow ``name`` first."""
        sort = self.sorts.get(name)
        names = self.of_sort(sort) if sort else []
        at = names.index(name) if names else 0
        return [*names[at + 1 :], *names[:at]]

    @cached_property
    def effect(self) -> bool:
        """The function has an effect on a state: it has a parameter ``after: After``."""
        return any(each.arg == "after" and each.annotation is not None and text_of(each.annotation) == "After" for each in self.node.args.args)

    @cached_property
    def declares_rule(self) -> bool:
        """The function is a rule."""
        return any(_called(each) == "rule" for each in self.node.decorator_list)

    @cached_property
    def drives(self) -> bool:
        """The function is a sequence, or a part of one: it has a parameter of type ``Driver``."""
        mine = any(each.annotation is not None and text_of(each.annotation) == "Driver" for each in self.node.args.args)
        return mine or (self.outer is not None and self.outer.drives)

    @cached_property
    def knows_k(self) -> bool:
        """``k``, the context of the rule, can be used."""
        return any(each.arg == "k" for each in self.node.args.args) or (self.outer is not None and self.outer.knows_k)


Step = tuple[str, int | None]
"""From a node to one in it: the field, and where in it, if that is a list."""


@dataclass
class Visit:
    """One node of a function, with what is around it."""

    node: ast.AST
    parent: ast.AST
    path: tuple[Step, ...]
    """The steps that lead from the function to the node."""
    statement: ast.stmt
    """The innermost statement around the node, or the node itself."""
    scope: Scope
    around: tuple[ast.AST, ...]
    """The nodes between the statement and this one."""

    @property
    def slot(self) -> Step:
        """Where in ``parent`` the node is."""
        return self.path[-1]

    @property
    def text(self) -> str:
        return text_of(self.node)

    def later(self) -> Iterator[tuple[tuple[Step, ...], ast.stmt]]:
        """The statements after this one in its block, and how they are reached."""
        field, index = self.slot
        if index is not None:
            for at, statement in enumerate(getattr(self.parent, field)[index + 1 :], index + 1):
                yield (*self.path[:-1], (field, at)), statement


@dataclass(frozen=True)
class Move:
    """A statement comes after a later one, which is reached by ``path``."""

    path: tuple[Step, ...]
    statement: ast.stmt


@cache
def text_of(node: ast.AST) -> str:
    """The text of a node. (Trees are kept, and two nodes are never the same.)"""
    return ast.unparse(node)


Operator = Callable[[Visit], Iterator[str | Move]]

OPERATORS: dict[str, Operator] = {}
"""The operators for rules and actions, by name."""
OF_INVARIANTS: dict[str, Operator] = {}
"""Those for invariants."""


def _operator(name: str, of: dict[str, Operator] = OPERATORS) -> Callable[[Operator], Operator]:
    def declare(operator: Operator) -> Operator:
        of[name] = operator
        return operator

    return declare


# ---- small parts


def _called(node: ast.AST) -> str:
    """The name of the function that ``node`` calls: the last part of it."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def _z3(node: ast.AST, *names: str) -> list[str]:
    """The arguments of a call of one of these functions of z3; none, if it calls something else."""
    if not isinstance(node, ast.Call) or _called(node) not in names or not text_of(node.func).startswith("z3."):
        return []
    return list(map(text_of, node.args))


def _call(function: str, arguments: list[str]) -> str:
    return f"{function}({', '.join(arguments)})"


def _field_of(node: ast.AST) -> str:
    """The field that a call like ``after.at("urefs")`` or ``after.add("srights", …)`` names."""
    if isinstance(node, ast.Call) and _called(node) in ("at", "store", "add", "sweep", "tally") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and first.value in FIELDS:
            return str(first.value)
    return ""


def _others(items: list[str], item: str, most: int) -> list[str]:
    """At most so many of the other ``items``: those that follow ``item``, around the end."""
    at = items.index(item)
    return [items[(at + step) % len(items)] for step in range(1, min(most + 1, len(items)))]


# ---- effects

COUNTS = tuple(name for name, declared in FIELDS.items() if declared.domain == ("Port",) and declared.range == "Int")
"""The fields that count something of a port, or are numbers of it."""
_CLEANING = ("drop", "clear", "release", "lose", "leave", "forget", "empty", "end", "free", "kill", "give_up")
"""How the names of actions begin that give something up."""


def _kind_of_effect(statement: ast.AST) -> str:
    """The operator that drops this statement of an effect; "" if none does."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        changed, called = _field_of(statement.targets[0].value), ""
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        changed, called = _field_of(statement.value), _called(statement.value).lstrip("_")
    elif isinstance(statement, ast.AugAssign):
        changed = called = ""
    else:
        return ""
    if ".assumptions" in text_of(statement) or called.startswith(("assume", "choose")):
        return "choice without bounds"
    if called.startswith(("notify", "answer_request")) or changed == "no_senders_due":
        return "forgotten notification"
    if changed in COUNTS:
        return "forgotten count"
    return "forgotten clean-up" if called.startswith(_CLEANING) else "effect dropped"


def _dropping(kind: str) -> Operator:
    def drop(visit: Visit) -> Iterator[str]:
        if visit.scope.effect and _kind_of_effect(visit.node) == kind:
            yield "pass"
        if kind == "effect dropped" and isinstance(visit.node, ast.Lambda) and [each.arg for each in visit.node.args.args] == ["after"]:
            yield "lambda after: None"

    return drop


for _kind in ("forgotten count", "forgotten notification", "forgotten clean-up", "effect dropped", "choice without bounds"):
    OPERATORS[_kind] = _dropping(_kind)

_ACTIONS = '__import__("sendright.model.language.actions", fromlist=["actions"])'
_TWINS = {
    "clone": ["make_send({0}, {2}, {0}.port({1}))"],
    "make_send": ["put({0}, {1}, KIND.SEND, {2})", "hold_copy_if({0}, True, KIND.SEND, {2}, {1})"],
    "drop_held_send": ["clear({0}, {1})"],
    "clear": ["drop_held_send({0}, {1})"],
    "forget_name": ["clear({0}, {0}.sorts.Slot.name_slot({1}, {2}))"],
    "put_name": ["put({0}, {0}.sorts.Slot.name_slot({1}, {2}), {3}, {4}, {5})"],
    "hold_copy_if": ["put_if({0}, {1}, {4}, {2}, {3})"],
}
"""Actions, and those that do nearly the same."""


@_operator("clone for make, and the like")
def twin(visit: Visit) -> Iterator[str]:
    """Another action: a copy is made where a right is made from the receive right, a count is left out."""
    node = visit.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        for template in _TWINS.get(node.func.id, ()):
            text = template.format(*map(text_of, node.args))
            yield f"{_ACTIONS}.{text.replace(' KIND.', f' {_ACTIONS}.KIND.')}"


@_operator("argument replaced")
def other_argument(visit: Visit) -> Iterator[str]:
    """Another name of the same sort: another slot, port, task or number."""
    if isinstance(visit.node, ast.Name) and isinstance(visit.node.ctx, ast.Load):
        yield from visit.scope.alike(visit.node.id)[:2]


@_operator("wrong task")
def other_task(visit: Visit) -> Iterator[str]:
    """The caller in place of another task, or another in place of the caller; a name in another space."""
    node, tasks = visit.node, visit.scope.of_sort("Task")
    if isinstance(node, ast.Attribute) and node.attr == "caller" and visit.text == "k.caller":
        yield from tasks[:2]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in tasks and visit.scope.knows_k:
        yield "k.caller"
    if isinstance(node, ast.Call) and _called(node) == "slot" and text_of(node.func) == "k.slot":
        if len(node.args) == 2:
            yield _call("k.slot", [text_of(node.args[0])])
        elif tasks:
            yield _call("k.slot", [text_of(node.args[0]), tasks[0]])


_PLACES = (
    ["destination_slot", "reply_slot"],
    ["no_senders_slot", "port_destroyed_slot", "kernel_slot", "limbo_slot"],
    ["name_slot", "request_slot"],
)
"""Constructors of slots with the same arguments."""


@_operator("wrong slot")
def other_slot(visit: Visit) -> Iterator[str]:
    """Another place of the same message, port or task."""
    node = visit.node
    if isinstance(node, ast.Attribute):
        for alike in _PLACES:
            if node.attr in alike:
                yield from (f"{text_of(node.value)}.{other}" for other in _others(alike, node.attr, 1))
    if isinstance(node, ast.Call) and _called(node) == "body_slot" and len(node.args) == 2:
        yield _call(text_of(node.func), [text_of(node.args[0]), f"{text_of(node.args[1])} + 1"])


@_operator("wrong field")
def other_field(visit: Visit) -> Iterator[str]:
    """Another field over the same domain, with values of the same sort."""
    node = visit.node
    if isinstance(node, ast.Constant) and visit.slot == ("args", 0) and node.value == _field_of(visit.parent):
        yield from map(repr, _fields_like(str(node.value)))
    read = _called(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and read in FIELDS and len(node.args) == len(FIELDS[read].domain):
        for other in _fields_like(read):
            yield _call(f"{text_of(node.func.value)}.{other}", list(map(text_of, node.args)))


@cache
def _fields_like(name: str) -> list[str]:
    declared = FIELDS[name]
    alike = [other for other, its in FIELDS.items() if its.domain == declared.domain and its.range == declared.range and its.ghost == declared.ghost]
    return _others(alike, name, 2)


_ENUMERATIONS: dict[str, list[str]] = {
    name: list(value.members) for name, value in vars(sorts).items() if isinstance(value, Enumeration) and value in NUMBERED_ENUMERATIONS
} | {kind.__name__: list(kind.__members__) for kind in (Place, PortObject, Disposition, Notification)}


@_operator("wrong kind")
def other_member(visit: Visit) -> Iterator[str]:
    """Another member of an enumeration: a right, life, stage, place, disposition or notification of another kind."""
    node = visit.node
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _ENUMERATIONS.get(node.value.id, ()):
        yield from (f"{node.value.id}.{other}" for other in _others(_ENUMERATIONS[node.value.id], node.attr, 2))


# ---- cases

_MAKES_CASE = {"fails": 2, "succeeds": 1, "continues": 1}
"""What makes a case, and which of its arguments is the condition. The effect, if there is one, follows it."""


def _yields_case(visit: Visit, statement: ast.AST) -> bool:
    if visit.scope.drives or not isinstance(statement, ast.Expr):
        return False
    return isinstance(statement.value, (ast.Yield, ast.YieldFrom))


@_operator("guard dropped")
def guard_dropped(visit: Visit) -> Iterator[str]:
    """A test is left out, with the case that it would have led to."""
    if _yields_case(visit, visit.node):
        yield NOTHING


@_operator("guard negated")
def guard_negated(visit: Visit) -> Iterator[str]:
    """A case applies where it shouldn't, and doesn't where it should."""
    condition = visit.slot == ("args", _MAKES_CASE.get(_called(visit.parent)))
    tested = isinstance(visit.parent, ast.keyword) and visit.parent.arg == "tested"
    otherwise = isinstance(visit.node, ast.Call) and (_called(visit.node) == "otherwise" or any(each.arg == "tested" for each in visit.node.keywords))
    if (condition or tested) and not otherwise:
        yield _call("z3.Not", [visit.text])


@_operator("cases swapped")
def swapped(visit: Visit) -> Iterator[Move]:
    """A test is made after the one that follows it."""
    if _yields_case(visit, visit.node):
        after = next((Move(path, statement) for path, statement in visit.later() if _yields_case(visit, statement)), None)
        if after is not None:
            yield after


@_operator("other code")
def other_code(visit: Visit) -> Iterator[str]:
    """Another return code."""
    node = visit.node
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ReturnCode" and node.attr in ReturnCode.__members__:
        yield from (f"ReturnCode.{other}" for other in _others(sorted(ReturnCode.__members__), node.attr, 1))


@_operator("output dropped or replaced")
def other_output(visit: Visit) -> Iterator[str]:
    """A result is left out, or it tells something else of the same sort."""
    node = visit.node
    if not isinstance(node, ast.Call) or _called(node) not in _MAKES_CASE:
        return
    arguments = list(map(text_of, node.args))
    for keyword in node.keywords:
        if keyword.arg in (None, "when", "effect", "meaning", "tested", "evidence"):
            continue
        rest = [*arguments, *(f"{each.arg}={text_of(each.value)}" for each in node.keywords if each is not keyword)]
        yield _call(text_of(node.func), rest)
        others = visit.scope.alike(keyword.value.id) if isinstance(keyword.value, ast.Name) else []
        yield from (_call(text_of(node.func), [*rest, f"{keyword.arg}={other}"]) for other in others[:1])


# ---- conditions and numbers

_COMPARED = {ast.Eq: ["!="], ast.NotEq: ["=="], ast.Lt: ["<=", ">="], ast.LtE: ["<", ">"], ast.Gt: [">=", "<="], ast.GtE: [">", "<"]}


@_operator("comparison")
@_operator("comparison in an invariant", of=OF_INVARIANTS)
def other_comparison(visit: Visit) -> Iterator[str]:
    """Another comparison: strict or not, equal or not."""
    node = visit.node
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and not _of_python(visit):
        for other in _COMPARED.get(type(node.ops[0]), ()):
            yield f"({text_of(node.left)}) {other} ({text_of(node.comparators[0])})"


def _of_python(visit: Visit) -> bool:
    """The node is in the test of a Python ``if``, which asks for the profile or the place."""
    return visit.slot[0] == "test" or any(isinstance(each, (ast.IfExp, ast.comprehension)) for each in visit.around)


@_operator("off by one")
def off_by_one(visit: Visit) -> Iterator[str]:
    """A number is one higher, or what is added to it isn't."""
    node = visit.node
    of_python = isinstance(visit.parent, (ast.Subscript, ast.Slice, ast.keyword)) or _called(visit.parent) in ("begin_reply", "range")
    if isinstance(node, ast.Constant) and type(node.value) is int and not of_python:
        yield str(node.value + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield text_of(node.left)


@_operator("operand dropped")
@_operator("operand of an invariant dropped", of=OF_INVARIANTS)
def operand_dropped(visit: Visit) -> Iterator[str]:
    """One part of a condition is left out."""
    parts = _z3(visit.node, "And", "Or")
    for index in range(len(parts) if len(parts) > 1 else 0):
        yield _call("z3.And" if _z3(visit.node, "And") else "z3.Or", parts[:index] + parts[index + 1 :])
    yield from _z3(visit.node, "Implies")[1:]
    yield from _z3(visit.node, "Not")


@_operator("and for or")
@_operator("and for or in an invariant", of=OF_INVARIANTS)
def other_connective(visit: Visit) -> Iterator[str]:
    """Both for either, either for both; the branches of a choice exchanged."""
    parts = _z3(visit.node, "And", "Or")
    if len(parts) > 1:
        yield _call("z3.Or" if _z3(visit.node, "And") else "z3.And", parts)
    chosen = _z3(visit.node, "If")
    if chosen:
        yield _call("z3.If", [chosen[0], chosen[2], chosen[1]])


@_operator("wrong profile switch")
def other_switch(visit: Visit) -> Iterator[str]:
    """What is for other kernels is for this one."""
    if visit.slot[0] == "test" and isinstance(visit.parent, (ast.If, ast.IfExp)) and "profile" in visit.text:
        yield f"not ({visit.text})"


# ---- sequences


@_operator("step forgotten")
def step_forgotten(visit: Visit) -> Iterator[str]:
    """A rule of a sequence isn't run: a right isn't carried, or nothing is cleaned up."""
    node = visit.node
    if visit.scope.drives and isinstance(node, ast.Expr) and isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        yield NOTHING


@_operator("step always run")
def step_always_run(visit: Visit) -> Iterator[str]:
    """A rule of a sequence is run under any condition, or in the caller's space."""
    node = visit.node
    if visit.scope.drives and isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in ("when", "space", "control"):
                rest = [f"{each.arg}={text_of(each.value)}" for each in node.keywords if each is not keyword]
                yield _call(text_of(node.func), [*map(text_of, node.args), *rest])


# ---- one effect more

_SORTS = '__import__("sendright.model.language.sorts", fromlist=["sorts"])'
_POINTS = {
    "Task": "k.caller",
    "Port": "after.task_port(k.caller)",
    "Name": "after.known_as(k.caller, after.task_port(k.caller))",
    "Message": "after.waits_with(k.caller)",
    "Object": "after.mapped(k.caller, z3.IntVal(0))",
    "Slot": "after.receiver(after.task_port(k.caller))",
    "Int": "z3.IntVal(0)",
    "Place": f"{_SORTS}.PLACE.of(1)",
}
"""A point of each sort that every rule can name."""
_VALUES = {
    "Int": "{0} + 1",
    "Bool": "z3.Not({0})",
    "Task": "k.caller",
    "Port": "z3.If({0} == k.sorts.no_port, after.task_port(k.caller), k.sorts.no_port)",
    "Name": "z3.If({0} == k.sorts.null, k.sorts.dead, k.sorts.null)",
    "Object": "k.sorts.no_object",
    "Slot": "k.sorts.Slot.name_slot(k.caller, k.sorts.dead)",
    "SecurityToken": "z3.If({0} == k.sorts.kernel_security_token, k.before.security(k.caller), k.sorts.kernel_security_token)",
    "AuditToken": "z3.If({0} == k.sorts.kernel_audit_token, k.before.audit(k.caller), k.sorts.kernel_audit_token)",
    "Layout": "z3.If({0} == k.sorts.no_descriptors, k.sorts.one_port, k.sorts.no_descriptors)",
    "Message": "after.waits_with(k.caller)",
} | {
    declared: f"z3.If({{0}} == {_SORTS}.{name}.of(0), {_SORTS}.{name}.of(1), {_SORTS}.{name}.of(0))"
    for declared, name in (
        ("Kind", "KIND"),
        ("PortObject", "OBJECT"),
        ("Life", "LIFE"),
        ("Stage", "STAGE"),
        ("Inheritance", "INHERITANCE"),
        ("Wait", "WAIT"),
    )
}
"""A value of each sort that differs from the one there was, ``{0}``, where a rule can say so."""


def _changes(scope: Scope) -> Iterator[str]:
    """For each field that isn't a ghost a change of it, as text."""
    for name, declared in FIELDS.items():
        points = [[*scope.of_sort(part), _POINTS[part]] for part in declared.domain if part in _POINTS]
        if declared.ghost or len(points) < len(declared.domain) or declared.range not in _VALUES:
            continue
        point = [here[len(name) % len(here)] for here in points]  # any of them, and always the same
        value = _VALUES[declared.range].format(_call(f"after.{name}", point))
        yield f"after.store({name!r}, ({''.join(f'{part}, ' for part in point)}), {value})"


@_operator("changes another field too")
def changes_too(visit: Visit) -> Iterator[str]:
    """A case changes one field more, at a point that it can name: any field, in cases that change something and in
    cases that change nothing.
    """
    node = visit.node
    if not visit.scope.knows_k:
        return
    if visit.scope.effect and _kind_of_effect(node) and not list(visit.later()):
        yield from (f"if True:\n    {visit.text}\n    {change}" for change in _changes(visit.scope))
    if isinstance(node, ast.Call) and len(node.args) == _MAKES_CASE.get(_called(node), -1) + 1 and visit.scope.declares_rule:
        function, arguments = text_of(node.func), list(map(text_of, node.args))
        more = [f"{each.arg}={text_of(each.value)}" for each in node.keywords if each.arg != "effect"]
        yield from (_call(function, [*arguments, f"lambda after: {change}", *more]) for change in _changes(visit.scope))


# ---- invariants


def _clause(node: ast.AST) -> ast.Tuple | None:
    """The title and the formula that a statement yields."""
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Yield)
        and isinstance(node.value.value, ast.Tuple)
        and len(node.value.value.elts) == 2
    ):
        return node.value.value
    return None


@_operator("clause dropped", of=OF_INVARIANTS)
def clause_dropped(visit: Visit) -> Iterator[str]:
    """An invariant says less."""
    if _clause(visit.node) is not None:
        yield NOTHING


@_operator("clause negated", of=OF_INVARIANTS)
def clause_negated(visit: Visit) -> Iterator[str]:
    """An invariant says the contrary."""
    clause = _clause(visit.node)
    if clause is not None:
        title, formula = map(text_of, clause.elts)
        yield f"yield ({title}, z3.Not({formula}))"


OF_STEPS = {"clause negated": clause_negated}
"""Those for step properties."""


# ---- all nodes of a function

_NOT_CODE = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.arguments)


def visits(function: ast.FunctionDef, scope: Scope, inner: Callable[[ast.FunctionDef, Scope], Scope]) -> Iterator[Visit]:
    """All nodes of a function's body, and of the functions in it. ``inner`` makes the scope of one of these."""

    def walk(parent: ast.AST, path: tuple[Step, ...], statement: ast.stmt, scope: Scope, around: tuple[ast.AST, ...]) -> Iterator[Visit]:
        for field, value in ast.iter_fields(parent):
            if isinstance(parent, (ast.FunctionDef, ast.AnnAssign)) and field in ("decorator_list", "returns", "annotation"):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or isinstance(node, _NOT_CODE) or _is_docstring(node):
                    continue
                here = node if isinstance(node, ast.stmt) else statement
                there = (*path, (field, index))
                yield Visit(node, parent, there, here, scope, () if isinstance(node, ast.stmt) else around)
                within = inner(node, scope) if isinstance(node, ast.FunctionDef) else scope
                yield from walk(node, there, here, within, (node,) if isinstance(node, ast.stmt) else (*around, node))

    yield from walk(function, (), function, scope, ())


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
