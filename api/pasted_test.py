"""A failing run as a test function, to paste into a test file."""

from __future__ import annotations

from typing import Any

from sendright.api.subject import Subject, quoted
from sendright.mach.abi.rights import Disposition, Right
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES, Argument, ArgumentType, OutputType
from sendright.mach.state.trace import LIMITS, Trace
from sendright.properties.generation.calls import near_limits
from sendright.properties.minimization.symbolic_calls import ResultRef, SymbolicCall, names_in, to_symbolic
from sendright.reports.call_text import answer_in_words
from sendright.reports.escape import one_line
from sendright.reports.findings import CLAUSE_LABELS, HEADLINES, call_at, case_words

_WORDS: dict[ArgumentType, type[Right] | type[Disposition]] = {ArgumentType.RIGHT: Right, ArgumentType.DISPOSITION: Disposition}
"""Types of arguments whose numbers have names in the API."""


class _Code(str):
    """A piece of Python source, which stands for itself."""

    def __repr__(self) -> str:
        return str(self)


def pasted_test(trace: Trace, subject: Subject) -> str:
    """The source of a test function, with its imports, that makes the calls of ``trace`` again and fails as it did.

    A name that an earlier call returned is written as that call's result: so the test also passes on a kernel that is
    right and gives other names.
    """
    lines = [
        f"    with sendright.Run({', '.join(_run_arguments(trace, subject))}) as run:",
        *(f"        {line}" for line in _Calls(trace).lines()),
    ]
    if not trace.steps:
        lines.append("        pass  # it fails at boot")
    if not subject.imports and subject.expression.isidentifier():
        lines.insert(0, f"    # Import or define {subject.expression}, the kernel that was checked.")
    return "\n".join(
        [*filter(None, ["import sendright", subject.imports]), "", "", f"def test_{_title(trace)}() -> None:", *_comment(trace), *lines, ""]
    )


def _run_arguments(trace: Trace, subject: Subject) -> list[str]:
    arguments = [subject.expression, f"profile={quoted(trace.profile)}"]
    usual = PROFILES.get(trace.profile)
    if usual is not None and not _has_limits(near_limits(usual), trace) and _has_limits(usual, trace):
        arguments.append("exact_limits=True")
    return arguments


def _has_limits(profile: Profile, trace: Trace) -> bool:
    return all(getattr(profile, limit) == getattr(trace, limit) for limit in LIMITS)


def _title(trace: Trace) -> str:
    call = call_at(trace, trace.violations[0].step) if trace.violations else None
    return f"{call or 'boot'}_as_specified"


def _comment(trace: Trace) -> list[str]:
    """What is wrong, in lines of comment."""
    if not trace.violations:
        return []
    violation = trace.violations[0]
    headline = HEADLINES[violation.kind].format(call=call_at(trace, violation.step) or "booting")
    clause = one_line(case_words(violation.clause.partition("; ")[0]))
    return [f"    # {headline}.", f"    # {CLAUSE_LABELS[violation.kind]}: {clause}"]


class _Calls:
    """The calls of a run as lines of source."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._calls = to_symbolic(trace.steps, trace.initial)
        self._makers = {call.creates: call.number for call in self._calls if call.creates is not None}
        """Task -> the call that created it."""
        self._used = {name.call for call in self._calls for name in names_in(call) if isinstance(name, ResultRef)}
        self._used |= {self._makers[call.caller] for call in self._calls if call.caller in self._makers}

    def lines(self) -> list[str]:
        """One line for each call."""
        return [self._line(call) for call in self._calls]

    def _line(self, call: SymbolicCall) -> str:
        caller = f"{_variable(self._makers[call.caller])}.created_task" if call.caller in self._makers else str(call.caller)
        if call.resume:
            made = f"run.resume({caller}{', stop=True' if call.stop else ''})"
        else:
            arguments = self._arguments(call)
            if call.shortage or call.stop:
                injected = [f"shortage={call.shortage}"] * bool(call.shortage) + ["stop=True"] * call.stop
                values = ", ".join(f"{quoted(name)}: {value}" for name, value in arguments)
                made = f"run.call({caller}, sendright.Call({quoted(call.name)}, {{{values}}}, {', '.join(injected)}))"
            else:
                made = f"run.call({', '.join([caller, quoted(call.name), *(f'{name}={value}' for name, value in arguments)])})"
        assigned = f"{_variable(call.number)} = " if call.number in self._used else ""
        return f"{assigned}{made}  # {answer_in_words(self._trace.steps[call.number])}"

    def _arguments(self, call: SymbolicCall) -> list[tuple[str, str]]:
        """Each argument as source, but for those that have their default."""
        signature = SIGNATURES[call.name]
        found = [(signature.argument(name), value) for name, value in call.arguments.items()]
        return [(argument.name, self._source(argument, value)) for argument, value in found if argument.required or value != argument.default]

    def _source(self, argument: Argument, value: Any) -> str:
        words = _WORDS.get(argument.type)
        if words is not None and value in set(words):
            return f"sendright.{words.__name__}.{words(value).name}"
        return repr(self._with_references(value))

    def _with_references(self, value: Any) -> Any:
        if isinstance(value, ResultRef):
            return _Code(self._reference(value))
        if isinstance(value, tuple):
            return tuple(self._with_references(part) for part in value)
        return value if isinstance(value, bool) else int(value)

    def _reference(self, name: ResultRef) -> str:
        outputs = SIGNATURES[self._trace.steps[name.call].call].outputs
        type_ = next(output.type for output in outputs if output.name == name.output)
        if type_ is OutputType.DESCRIPTORS:
            return f"sendright.received_names({_variable(name.call)})[{name.index}]"
        index = f"[{name.index}]" if type_ is OutputType.PORTS else ""
        return f"{_variable(name.call)}.outputs[{quoted(name.output)}]{index}"


def _variable(number: int) -> str:
    return f"answer{number + 1}"
