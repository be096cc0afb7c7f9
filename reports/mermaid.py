"""A run as a sequence diagram in Mermaid's language, for pages and comments that draw it."""

from __future__ import annotations

from collections.abc import Iterator

from sendright.mach.abi.codes import code_name
from sendright.mach.state.trace import Step, Trace, Violation
from sendright.reports.call_text import made_call
from sendright.reports.escape import one_line

LONGEST = 400
"""Letters of one message; longer ones are cut, to keep the diagram small."""
MOST_STEPS = 500
"""Mermaid itself refuses larger diagrams."""


_HARMLESS = " .,_-:()=+/"


def sequence(trace: Trace) -> str:
    """``trace`` as a Mermaid sequence diagram: the tasks, the kernel, each call with its answer, and violations.

    Steps after the first ``MOST_STEPS`` are left out, and a note says so.
    """
    return "\n".join([*_lines(trace), ""])


def _lines(trace: Trace) -> Iterator[str]:
    yield "%% written by sendright"
    yield "sequenceDiagram"
    steps = trace.steps[:MOST_STEPS]
    for task in sorted({*trace.initial.tasks, *(step.task for step in steps)}):
        yield f"    participant T{task} as {escaped(f'task {task}')}"
    yield f"    participant K as {escaped(trace.implementation)}"
    for violation in trace.violations:
        if violation.step < 0 or (not steps and violation.step == 0):
            yield _note(violation)
    for step in steps:
        yield from _step(step, trace.profile)
        for violation in trace.violations:
            if violation.step == step.index:
                yield _note(violation)
    if len(trace.steps) > MOST_STEPS:
        yield f"    note over K: {escaped(f'{len(trace.steps) - MOST_STEPS} further calls are left out')}"


def _step(step: Step, profile: str) -> Iterator[str]:
    yield f"    T{step.task}->>K: {escaped(f'{step.index + 1}. {made_call(step, profile)}')}"
    if step.missing == "answer":
        yield f"    note over K: {escaped('no answer')}"
        return
    told = ", ".join(f"{name} = {value}" for name, value in step.outputs.items())
    made = f"; makes task {step.created_task}" if step.created_task is not None else ""
    yield f"    K-->>T{step.task}: {escaped(code_name(step.code) + (f', {told}' if told else '') + made)}"


def _note(violation: Violation) -> str:
    return f"    note over K: {escaped(f'VIOLATION: {violation.words}')}"


def escaped(text: str) -> str:
    """``text`` as Mermaid and the HTML that it makes show it: every character that means something is an entity."""
    line = one_line(text)
    line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return "".join(letter if letter.isalnum() or letter in _HARMLESS else f"#{ord(letter)};" for letter in line)
