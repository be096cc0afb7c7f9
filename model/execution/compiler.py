"""The concrete reading: the specification's z3 terms become Python source once, and run on dictionaries.

There is no second specification: conditions become conditions, stores become writes, sweeps and quantifiers become
loops over what exists. Numbers stand for tasks, ports, names, messages and objects; a slot is a tuple of its
constructor's number and arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property, partial
from itertools import combinations
from types import CodeType
from typing import Any, NamedTuple

import z3

from sendright.mach.abi import descriptors
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.model.execution.candidates import PAGES, Candidates, Plan, recognised
from sendright.model.execution.encoding import _ACCESSORS, _CONSTRUCTORS, DEFAULTS, ENVIRONMENT, NO_OBJECT, NO_PORT
from sendright.model.execution.kept import CodeFile, is_kept
from sendright.model.execution.state import AFTER, LOOKUPS
from sendright.model.language.release import Release
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import KIND, NUMBERED_ENUMERATIONS, UNBOUNDED, Sorts, Term
from sendright.model.language.state import FIELDS, Add, After, State, Store, Sweep, Tally
from sendright.model.language.term_walk import (
    address_of,
    arguments_at,
    children,
    declaration_at,
    declarations_in,
    new_applications,
    number_at,
    term_at,
)


class NoPython(TypeError):
    """A term has an operation for which there is no Python."""


class Translator:
    """z3 terms to Python source. ``bound`` are variables of the generated function; everything else must be known."""

    def __init__(self, sorts: Sorts = UNBOUNDED, chosen: Iterable[str] | None = None) -> None:
        """``chosen`` names the functions to Bool that are given as sets; None: there are no indices to find candidates
        by.
        """
        self.chosen = None if chosen is None else {name: identifier(name) for name in chosen}
        self.constants: dict[str, str] = {
            "NULL": str(NULL_NAME),
            "DEAD": str(DEAD_NAME),
            "NO_PORT": str(NO_PORT),
            "NO_OBJECT": str(NO_OBJECT),
            "NO_DESCRIPTORS": "()",
            "ONE_PORT": repr((descriptors.PORT,)),
            "KERNEL_SECURITY_TOKEN": repr(KERNEL_SECURITY_TOKEN),
            "KERNEL_AUDIT_TOKEN": repr(KERNEL_AUDIT_TOKEN),
            "host_port": "env_host_port",
            "host_priv_port": "env_host_priv_port",
            "first_task": "env_first_task",
            "second_task": "env_second_task",
            "urefs_max": "env_urefs_max",
            "queue_limit": "env_queue_limit",
            "queue_limit_max": "env_queue_limit_max",
            "pages": "env_pages",
        }
        for enumeration in NUMBERED_ENUMERATIONS:
            for index, member in enumerate(enumeration.members):
                self.constants[member] = str(index)

    def uses(self, terms: Iterable[Term]) -> Counter[int]:
        """How often each subterm is used."""
        counts: Counter[int] = Counter()
        seen: set[int] = set()
        for term in terms:
            counts[term.get_id()] += 1
            for _, _, arguments in new_applications(term, seen):
                counts.update(map(number_at, arguments))
        return counts

    def source(self, term: Term, names: dict[int, str], bound: tuple[str, ...] = ()) -> str:
        """Python source of ``term``; ``names`` has the subterms that are already in variables. Raises NoPython."""
        if term.get_id() in names:
            return names[term.get_id()]
        if z3.is_var(term):
            index: int = z3.get_var_index(term)
            return bound[len(bound) - 1 - index]
        if z3.is_quantifier(term):
            return self._quantifier(term, names, bound)
        declaration, arguments = term.decl(), children(term)
        kind = declaration.kind()
        part = [self.source(argument, names, bound) for argument in arguments]
        if kind in _OF_NOTHING and not part:
            return _OF_NOTHING[kind]
        if kind == z3.Z3_OP_DISTINCT:  # Python's a != b != c says nothing of a and c
            return "(" + (" and ".join(f"{one} != {other}" for one, other in combinations(part, 2)) or "True") + ")"
        if kind in _INFIX:
            return "(" + f" {_INFIX[kind]} ".join(part) + ")"
        match kind:
            case z3.Z3_OP_TRUE:
                return "True"
            case z3.Z3_OP_FALSE:
                return "False"
            case z3.Z3_OP_NOT:
                return f"(not {part[0]})"
            case z3.Z3_OP_IMPLIES:
                return f"((not {part[0]}) or {part[1]})"
            case z3.Z3_OP_ITE:
                return f"({part[1]} if {part[0]} else {part[2]})"
            case z3.Z3_OP_UMINUS:
                return f"(-{part[0]})"
            case z3.Z3_OP_ANUM:
                return f"{term.as_long()}"
            case z3.Z3_OP_DT_CONSTRUCTOR:
                if declaration.name() in _CONSTRUCTORS:
                    return f"({_CONSTRUCTORS[declaration.name()]}, {part[0]}, {part[1] if len(part) > 1 else 0})"
                return self.constants[declaration.name()]
            case z3.Z3_OP_DT_IS | z3.Z3_OP_DT_RECOGNISER:
                return f"({part[0]}[0] == {_CONSTRUCTORS[recognised(declaration)]})"
            case z3.Z3_OP_DT_ACCESSOR:
                return f"{part[0]}[{_ACCESSORS[declaration.name()]}]"
            case z3.Z3_OP_UNINTERPRETED:
                return self._application(declaration.name(), part)
        raise NoPython(f"no Python for {declaration} in {term}")

    def _application(self, name: str, part: list[str]) -> str:
        if name in FIELDS and len(part) == len(FIELDS[name].domain):
            key = "()" if not part else part[0] if len(part) == 1 else f"({', '.join(part)})"
            return f"f_{name}({key}, {DEFAULTS[name]!r})"
        if name.endswith(AFTER):
            field = name.removesuffix(AFTER)
            return f"a_{field}({_key(part)}, {DEFAULTS[field]!r})"
        if name == "number_of":
            return part[0]
        if name in _TOKENS:
            return f"({', '.join(part)})"
        if self.chosen and name in self.chosen:
            return f"({part[0]} in {self.chosen[name]})"
        if name in _OF_LAYOUTS:
            return f"{name}({part[0]})"
        if part:
            return f"{identifier(name)}({', '.join(part)})"
        return self.constants.get(name, identifier(name))

    def _quantifier(self, term: Term, names: dict[int, str], bound: tuple[str, ...]) -> str:
        depth = len(bound)
        variables = [_variable(depth + index, term.var_sort(index)) for index in range(term.num_vars())]
        written = [f"x{depth + index}" for index in range(term.num_vars())]
        names = names | {variable.get_id(): name for variable, name in zip(variables, written, strict=True)}
        body = z3.substitute_vars(term.body(), *reversed(variables))
        plan = self.candidates(body, variables, names) if not term.is_forall() else self.candidates(z3.Not(body), variables, names)
        domains = [plan.source] if plan else [_DOMAINS[variable.sort().name()] for variable in variables]
        loops = " ".join(f"for {variable} in {domain}" for variable, domain in zip(written, domains, strict=True))
        return f"{'all' if term.is_forall() else 'any'}({self.source(body, names, (*bound, *written))} {loops})"

    def candidates(self, condition: Term, variables: Sequence[Term], names: dict[int, str], of: str = "") -> Plan | None:
        """How to find where ``condition`` can hold; None: by looking everywhere."""
        if self.chosen is None or (len(variables) > 1 and not of):
            return None
        source = partial(self.source, names=names)
        return Candidates(source, variables, of, self.chosen, _CONSTRUCTORS, _ACCESSORS).where(condition)


@cache
def _variable(index: int, sort: Any) -> Term:
    return z3.Const(f"bound{index}", sort)


_OF_LAYOUTS = {"parts_of": len, "rights_of": descriptors.right_count, "pages_of": descriptors.page_count}
"""What the specification says of a body's layout."""

_TOKENS = frozenset({"security_token_of", "audit_token_of"})
"""What makes a token of its words."""

_DOMAINS = {
    "Int": "indices",
    "Slot": "fields['kind']",
    "Port": "fields['port_life']",
    "Message": "fields['stage']",
    "Task": "fields['task_life']",
    "Name": "{name for _, name in fields['member']}",
}
"""What a quantifier runs over: what exists, for the rest has no rights and no messages.

Rules speak of some name only as that of a port set with members.
"""

_INFIX = {
    z3.Z3_OP_AND: "and",
    z3.Z3_OP_OR: "or",
    z3.Z3_OP_EQ: "==",
    z3.Z3_OP_LE: "<=",
    z3.Z3_OP_GE: ">=",
    z3.Z3_OP_LT: "<",
    z3.Z3_OP_GT: ">",
    z3.Z3_OP_ADD: "+",
    z3.Z3_OP_SUB: "-",
    z3.Z3_OP_MUL: "*",
    z3.Z3_OP_IDIV: "//",
    z3.Z3_OP_MOD: "%",
}

_OF_NOTHING = {z3.Z3_OP_AND: "True", z3.Z3_OP_OR: "False"}
"""What z3's conjunction and disjunction of nothing say."""


def identifier(name: str) -> str:
    """The Python variable that stands for a z3 constant."""
    return "v_" + "".join(character if character.isalnum() else "_" for character in name)


class FunctionBuilder:
    """Source of one Python function over a state: shared subterms are computed once, just before they are needed."""

    def __init__(self, name: str, parameters: Sequence[str], roots: Iterable[Term], chosen: Iterable[str] | None = None) -> None:
        """``chosen`` as for ``Translator``."""
        self.translator = Translator(chosen=chosen)
        self.found: dict[str, str] = {}
        """Candidates that are in variables, by the source that finds them."""
        self.lines = [f"def {name}({', '.join(['fields', 'env', *parameters])}):"]
        self.names: dict[int, str] = {}
        self.uses = self.translator.uses(roots)
        self.used: set[str] = set()

    def value(self, term: Term, indent: str = "    ") -> str:
        """A Python expression for ``term``; what it shares with others is assigned to variables first."""
        for shared in self._shared(term):
            name = f"t{len(self.names)}"
            self.lines.append(f"{indent}{name} = {self.translator.source(shared, self.names)}")
            self.names[shared.get_id()] = name
        return self.translator.source(term, self.names)

    def _shared(self, term: Term) -> list[Term]:
        found: list[Term] = []
        seen: set[int] = set()

        def visit(current: int) -> None:
            number, arguments = number_at(current), arguments_at(current)
            if not arguments or number in seen or number in self.names:
                return
            seen.add(number)
            for argument in arguments:
                visit(argument)
            if self.uses[number] > 1:
                found.append(term_at(current))

        visit(address_of(term))
        return found

    def points(self, condition: Term, variables: Sequence[Term], names: dict[int, str], of: str, everywhere: str) -> str:
        """The variable that has the points at which ``condition`` can hold, each once."""
        plan = self.translator.candidates(condition, variables, names, of)
        source = f"dict.fromkeys({plan.source})" if plan else everywhere
        if source not in self.found:
            self.found[source] = f"c{len(self.found)}"
            self.lines.append(f"    {self.found[source]} = {source}")
        return self.found[source]

    def finish(self) -> str:
        """The whole source: fields, environment and indices that the body uses are bound at its head."""
        body = "\n".join(self.lines[1:])
        head = [self.lines[0]]
        head += [f"    f_{name} = fields[{name!r}].get" for name in FIELDS if f"f_{name}(" in body]
        head += [f"    a_{name} = fields[{name + AFTER!r}].get" for name in FIELDS if f"a_{name}(" in body]
        head += [f"    env_{name} = env[{name!r}]" for name in ENVIRONMENT if f"env_{name}" in body]
        head += [f"    {lookup} = env[{lookup!r}]" for lookup in LOOKUPS if f"{lookup}(" in body]
        head += ["    indices = env['indices']"] if " in indices" in body else []
        return "\n".join([*head, body])


def code_of(source: str, name: str) -> CodeType:
    """The code of a module that defines one function."""
    return compile(source, f"<specification: {name}>", "exec")


def function_of(code: CodeType, name: str) -> Callable[..., Any]:
    """The function called ``name`` that the module of this ``code`` defines."""
    scope: dict[str, Any] = dict(_OF_LAYOUTS)
    exec(code, scope)
    return scope[name]  # type: ignore[no-any-return]


def compile_function(source: str, name: str) -> Callable[..., Any]:
    """The function called ``name`` that ``source`` defines."""
    return function_of(code_of(source, name), name)


class ReleaseShape(NamedTuple):
    """What running a release depends on, besides the functions of its case."""

    no_senders_first: bool
    at_once: bool
    silent: bool
    numbers: int
    """How many numbers of slots it says."""


class CaseCode(NamedTuple):
    """The code of what a case does: all that is kept of it. See ``CaseFunctions``."""

    releases: tuple[tuple[Any, ...], ...]
    roots: tuple[tuple[CodeType, CodeType], ...]
    earlier: tuple[CodeType | None, ...]
    check: CodeType
    outputs: CodeType
    effect: CodeType


class CaseFunctions:
    """What a case does, as Python functions of state, environment and arguments: where its releases start, its effect,
    checks and outputs.
    """

    def __init__(self, code: CaseCode) -> None:
        self.releases = [ReleaseShape(*shape) for shape in code.releases]
        self.roots = [(function_of(slot, "slot"), function_of(port, "port")) for slot, port in code.roots]
        self.earlier = [None if effect is None else function_of(effect, "effect") for effect in code.earlier]
        """For each release, what the case has queued before it: what finds it, or None if that is nothing."""
        self.check = function_of(code.check, "check")
        self.outputs = function_of(code.outputs, "outputs")
        self.effect = function_of(code.effect, "effect")


class CaseTerms:
    """What a case does, as terms, and as code that is made of them."""

    def __init__(self, context: Context, case: Case, parameters: list[str]) -> None:
        after = After(context.before, context.profile)
        case.effect(after)
        self._case, self._after, self._before, self._given = case, after, context.before, parameters
        self.releases: list[Release] = after.releases
        self._choices = [name for name, sort in context.rule.choices.items() if sort.is_predicate]
        self.chosen = [*self._choices, *[release.dying.name() for release in self.releases]]
        released = [identifier(function.name()) for release in self.releases for function in _release_functions(release)]
        self.parameters = [*parameters, *released]
        """What the functions take: the case's parameters, and what its releases choose."""
        self.assumptions = after.assumptions
        of_releases = {number.function.name() for release in self.releases for number in release.numbers}
        self.numbers = [number for number in after.numbers if number.function.name() not in of_releases]
        """The numbers of slots that the effect uses, and that no release says."""

    def code(self) -> CaseCode:
        """What these terms say, compiled."""
        after, changed = self._after, [name for name in FIELDS if self._after.changed(name) and not FIELDS[name].ghost]
        checks = [term for term in self.assumptions if self._checkable(term)]
        check = FunctionBuilder("check", self.parameters, checks, self.chosen)
        check.lines.append(f"    return {' and '.join(check.value(term) for term in checks) or 'True'}")
        outputs = FunctionBuilder("outputs", self.parameters, self._case.outputs.values(), self.chosen)
        parts = [f"{name!r}: {outputs.value(term)}" for name, term in self._case.outputs.items()]
        outputs.lines.append(f"    return {{{', '.join(parts)}}}")
        return CaseCode(
            tuple((each.no_senders_first, each.at_once, each.silent, len(each.numbers)) for each in self.releases),
            tuple(self._roots(release) for release in self.releases),
            tuple(self._earlier(release) for release in self.releases),
            code_of(check.finish(), "check"),
            code_of(outputs.finish(), "outputs"),
            code_of(self._effect(after, changed, self.parameters, self.chosen), "effect"),
        )

    def _earlier(self, release: Release) -> CodeType | None:
        changed = [name for name in _OF_QUEUES if release.base.fields[name] is not self._before.fields[name]]
        return code_of(self._effect(release.base, changed, self._given, self._choices), "effect") if changed else None

    def _checkable(self, term: Term) -> bool:
        """Not about ghosts, among them a release's counts, nor about messages that it might make or places that it
        might reserve: those that it does make and reserve are computed. Nor about a constant of which neither the
        arguments nor the choices say anything.
        """
        used = _functions(term)
        ghosts = {number.function.name() for release in self.releases for number in release.numbers}
        ghosts |= _GHOSTS
        notified = {release.notified.name() for release in self.releases}
        ghosts |= {release.place.name() for release in self.releases}
        over_messages = z3.is_quantifier(term) and term.var_sort(0) == UNBOUNDED.Message
        unknown = {name for name in _free(term) if name not in Translator().constants and identifier(name) not in self.parameters}
        return not used & ghosts and not (over_messages and used & notified) and not unknown

    def _roots(self, release: Release) -> tuple[CodeType, CodeType]:
        """Where a release starts: what finds its slots and its ports. A slot that the rule emptied before isn't one."""
        slot, port = z3.Const("x_slot", UNBOUNDED.Slot), z3.Const("x_port", UNBOUNDED.Port)
        starts = release.starts_at(slot)
        if release.base.fields["kind"] is not self._before.fields["kind"]:
            starts = z3.And(starts, release.base.kind(slot) != KIND.NONE)
        return self._found("slot", slot, starts), self._found("port", port, release.roots(port))

    def _found(self, name: str, variable: Term, term: Term) -> CodeType:
        builder = FunctionBuilder(name, self._given, [], self._choices)
        names = {variable.get_id(): "y"}
        points = builder.points(term, [variable], names, "", _DOMAINS[variable.sort().name()])
        builder.lines.append(f"    return [y for y in {points} if {builder.translator.source(term, names)}]")
        return code_of(builder.finish(), name)

    def _effect(self, after: State, changed: list[str], parameters: list[str], chosen: list[str]) -> str:
        roots: list[Term] = []
        for name in changed:
            for update in after.fields[name].updates:
                match update:
                    case Store(point, value, when):
                        roots += [*point, value, *([] if when is None else [when])]
                    case Add(point, amount):
                        roots += [*point, amount]
        builder = FunctionBuilder("effect", parameters, roots, chosen)
        for name in changed:
            builder.lines.append(f"    w_{name} = {{}}")
            for update in after.fields[name].updates:
                self._emit(builder, name, update)
        builder.lines.append(f"    return {{{', '.join(f'{name!r}: w_{name}' for name in changed)}}}")
        return builder.finish()

    def _emit(self, builder: FunctionBuilder, name: str, update: Any) -> None:
        default = DEFAULTS[name]
        match update:
            case Store(point, value, when):
                key, new = _key([builder.value(part) for part in point]), builder.value(value)
                condition = "" if when is None else f"if {builder.value(when)}: "
                builder.lines.append(f"    {condition}w_{name}[{key}] = {new}")
            case Add(point, amount):
                key, add = _key([builder.value(part) for part in point]), builder.value(amount)
                builder.lines += [f"    k = {key}", f"    w_{name}[k] = (w_{name}[k] if k in w_{name} else f_{name}(k, {default!r})) + {add}"]
            case Sweep(variables, condition, value, over):
                names = {variable.get_id(): f"y{index}" for index, variable in enumerate(variables)} | builder.names
                target = _key([names[variable.get_id()] for variable in variables])
                source = builder.translator.source
                existing = EXISTING_POINTS.get(over)
                points = builder.points(condition, variables, names, existing.of, existing.everywhere) if existing else MADE[over]
                builder.lines += [
                    f"    for {target} in {points}:",
                    f"        if {source(condition, names)}:",
                    f"            w_{name}[{target}] = {source(value, names)}",
                ]
            case Tally(_, slot, condition, sign):
                names = {slot.get_id(): "y"} | builder.names
                builder.lines += [
                    f"    for y in {builder.points(condition, [slot], names, '', _DOMAINS['Slot'])}:",
                    f"        if {builder.translator.source(condition, names)}:",
                    f"            k = f_port(y, {NO_PORT})",
                    f"            w_{name}[k] = (w_{name}[k] if k in w_{name} else f_{name}(k, {default!r})) + {sign}",
                ]


class Domain(NamedTuple):
    """Points that exist, over which a sweep runs."""

    everywhere: str
    """Python source of all of them."""
    of: str = ""
    """For points of two parts: what finds them by one, see ``Candidates``."""


EXISTING_POINTS = {
    "slots": Domain(_DOMAINS["Slot"]),
    "tasks": Domain(_DOMAINS["Task"]),
    "ports": Domain(_DOMAINS["Port"]),
    "messages": Domain(_DOMAINS["Message"]),
    "known": Domain("fields['known_as']", "known_as"),
    "memory": Domain("fields['memory']", "memory"),
    "members": Domain("fields['member']", "member"),
    "possible": Domain("fields['send_possible']"),
    "pages": Domain("[(v, n) for v in (*fields['task_life'], *env['born']) for n in indices]", PAGES),
}
"""What a sweep says that it runs over, if that exists already."""
MADE = {
    "renamed members": "(*fields['member'], *[(v, v_new_name) for v, _ in fields['member']])",
    "notifications": "env['notifications']",
    "notification destinations": "env['notification destinations']",
    "limbo": "env['limbo']",
    "due requests": "env['due requests']",
    "copied objects": "env['copied objects']",
}
"""The rest is made by the rule: by its arguments, or by what the kernel chooses."""


_GHOSTS = {name for name, declaration in FIELDS.items() if declaration.ghost}


def _functions(term: Term) -> set[str]:
    """The names of all functions in ``term``."""
    names: set[str] = set()
    stack, seen = [term], set()
    while stack:
        current = stack.pop()
        if current.get_id() in seen:
            continue
        seen.add(current.get_id())
        if z3.is_quantifier(current):
            stack.append(current.body())
        elif z3.is_app(current):
            names.add(current.decl().name())
            stack.extend(children(current))
    return names


def _free(term: Term) -> set[str]:
    """The names of the constants and functions in ``term`` of which z3 knows nothing, without the fields and what the
    specification says of all layouts, names and tokens.
    """
    names: set[str] = set()
    for address in declarations_in(term, set()):
        declaration = declaration_at(address)
        if declaration.kind() == z3.Z3_OP_UNINTERPRETED:
            names.add(declaration.name())
    return names - FIELDS.keys() - _OF_LAYOUTS.keys() - _TOKENS - {"number_of"}


def _key(parts: list[str]) -> str:
    return "()" if not parts else parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


_OF_QUEUES = ("stage", "queue", "arrival", "clock")
"""The fields that say what is in queues, and in which order."""


def _release_functions(release: Release) -> list[Any]:
    told = [release.notification, release.notified, release.arrival, release.next_clock.decl()]
    order = [release.sends_first, release.place, release.died_first, release.moved_first, release.circular]
    counted = [number.function for number in release.numbers]
    return [release.dying, *told, *order, *counted, *([release.silenced] if release.silent else [])]


class CompiledCase:
    """One case as Python. It is compiled when it applies for the first time: a short run needs few of the cases."""

    def __init__(self, rule: CompiledRule, index: int, id: str, code: ReturnCode | None, replies: int) -> None:
        """``id`` as ``Case.id``; ``code`` and ``replies`` are the case's."""
        self.id = f"{rule.context.rule.name}/{id}"
        self.code, self.replies = code, replies
        self.context, self.parameters = rule.context, rule.parameters
        self._rule, self._index, self._key = rule, index, f"case/{rule.context.rule.name}/{index}"

    @property
    def case(self) -> Case:
        """The case itself. (What is kept of it does without its terms.)"""
        return self._rule.declared[self._index]

    @cached_property
    def terms(self) -> CaseTerms:
        """What it does, as terms."""
        return CaseTerms(self.context, self.case, self.parameters)

    @cached_property
    def functions(self) -> CaseFunctions:
        """What it does, as functions."""
        kept = self._rule.kept
        found = kept.get(self._key) if kept is not None else None
        if found is None:
            found = tuple(self.terms.code())
            if kept is not None:
                kept.keep(self._key, found)
        return CaseFunctions(CaseCode(*found))


class CompiledRule:
    """A rule as Python: which case applies, and its cases."""

    def __init__(self, context: Context, kept: CodeFile | None = None) -> None:
        """``kept``: where the code may be found, and is put."""
        self.context = context
        rule = context.rule
        self.kept = kept if is_kept(rule.cases) and is_kept(rule.requires) else None
        self.choices = tuple(rule.choices)
        self.takes = (*rule.parameters, *rule.choices)
        """The arguments and choices that the rule takes, in order."""
        self.lengths = tuple(name for name in rule.parameters if name.endswith("_length"))
        """The parameters that say how long an array is."""
        self.messages = tuple(name for name, sort in (rule.parameters | rule.choices).items() if sort.name == "Message" and sort.domain is None)
        """Those of them that are messages."""
        self.parameters = ["v_caller", *[identifier(name) for name in self.takes]]
        found = self.kept.get(f"rule/{rule.name}") if self.kept is not None else None
        if found is None:
            found = self._compiled()
            if self.kept is not None:
                self.kept.keep(f"rule/{rule.name}", found)
        applies, requires, cases = found
        self.applies, self.requires = function_of(applies, "applies"), function_of(requires, "requires")
        self.cases = [
            CompiledCase(self, index, id, None if code is None else ReturnCode(code), replies) for index, (id, code, replies) in enumerate(cases)
        ]

    @cached_property
    def declared(self) -> list[Case]:
        """The rule's cases, with their terms."""
        return list(self.context.rule.cases(self.context))

    def _compiled(self) -> tuple[CodeType, CodeType, tuple[tuple[str, int | None, int], ...]]:
        """What finds the case that applies, whether the rule's requirements hold, and of each case what a run says of
        it."""
        rule, cases = self.context.rule, self.declared
        chosen = [name for name, sort in rule.choices.items() if sort.is_predicate]
        applies = FunctionBuilder("applies", self.parameters, [case.when for case in cases], chosen)
        for index, case in enumerate(cases):
            applies.lines.append(f"    if {applies.value(case.when)}: return {index}")
        applies.lines.append("    return -1")
        required = rule.requires(self.context)
        requires = FunctionBuilder("requires", self.parameters, required, chosen)
        requires.lines.append(f"    return {' and '.join(requires.value(term) for term in required) or 'True'}")
        said = tuple((case.id, None if case.code is None else int(case.code), case.replies) for case in cases)
        return code_of(applies.finish(), "applies"), code_of(requires.finish(), "requires"), said
