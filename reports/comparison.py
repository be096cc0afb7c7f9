"""The result of ``sendright compare`` in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sendright.mach.results.checks import Obligation
from sendright.mach.results.comparisons import CallComparison, CompareResult, RunDifference
from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.results.verdicts import Verdict
from sendright.mach.signatures import SIGNATURES
from sendright.reports.call_text import call_line
from sendright.reports.counterexample import lines
from sendright.reports.escape import one_line, visible

SHOWN = 30
"""Runs that the terminal shows; ``--json`` has all."""
_STYLES = {Verdict.PROVED: "bold green", Verdict.PASSED: "bold green", Verdict.UNDETERMINED: "bold yellow"}
_SAME = {Verdict.PROVED: ("the same", "green"), Verdict.REFUTED: ("differs", "bold red"), Verdict.CRASHED: ("not decided", "bold red")}


def terminal(result: CompareResult) -> RenderableType:
    """``result``: the verdict first, then each call, then the runs."""
    return Group(*_parts(result))


def summary(result: CompareResult) -> str:
    """One sentence on the whole result."""
    parts: list[str] = []
    if result.calls:
        same = sum(one.verdict is Verdict.PROVED for one in result.calls)
        differ = sum(one.verdict is Verdict.REFUTED for one in result.calls)
        open_ = len(result.calls) - same - differ
        words = [f"{same} {_is(same)} proved the same", *([f"{differ} {'differs' if differ == 1 else 'differ'}"] if differ else [])]
        words += [f"{open_} {_is(open_)}n't decided"] if open_ else []
        parts.append(f"of {_counted(len(result.calls), 'compared call')}, {', '.join(words)}")
    if result.examples:
        causes = _counted(len(result.runs), "cause") + " of differences" if result.runs else "no difference"
        show = "shows" if result.examples == 1 else "show"
        parts.append(f"{_counted(result.examples, 'run')} with {_counted(result.judged, 'call')} {show} {causes}")
    return f"{result.first} and {result.second}: {'; '.join(parts) or 'nothing was compared'}"


def not_written(path: str, cases: int, left_out: int) -> list[Text]:
    """What isn't in the script at ``path``, which has so many ``cases``."""
    if not cases and not left_out:
        return [Text(one_line(f"{path} is not written: no run differs"))]
    lines = [Text(one_line(f"{_counted(left_out, 'run')} can't be written as a script"))] if left_out else []
    return [*lines, Text(one_line(f"Written: {path}"))] if cases else lines


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _parts(result: CompareResult) -> Iterator[RenderableType]:
    ended = "; interrupted" if result.interrupted else ""
    yield Text.assemble(
        (result.verdict.value, _STYLES.get(result.verdict, "bold red")), f": {one_line(summary(result))}{ended} ({result.seconds:.0f} s)"
    )
    for name, only in ((result.first, result.only_first), (result.second, result.only_second)):
        if only:
            yield Text(one_line(f"Only {name} serves: {', '.join(only)}"))
    if result.calls:
        yield _calls(result)
        yield from _examples(result)
    for number, run in enumerate(result.runs[:SHOWN], 1):
        yield _run(number, run)
    if len(result.runs) > SHOWN:
        yield Text(f"… and {len(result.runs) - SHOWN} more: see --json")
    if result.not_compared:
        yield Text("Not compared in runs:", "yellow")
        yield from (Text(one_line(f"  {words}")) for words in result.not_compared)


def _calls(result: CompareResult) -> Table:
    table = Table("call", "verdict", "where it may differ", title="By the specification", title_justify="left")
    for one in result.calls:
        word, style = _SAME.get(one.verdict, ("not decided", "bold yellow"))
        table.add_row(Text(visible(one.call)), Text(word, style), Text("\n".join(_where(one))))
    return table


def _where(one: CallComparison) -> Iterator[str]:
    yield from (f"{visible(rule)}: a step of only one" for rule in one.steps_of_one)
    for each in one.differences:
        rule = "" if each.call == one.call else f"{each.call}: "
        unknown = "" if each.verdict is Verdict.REFUTED else " (not decided)"
        yield visible(f"{rule}{each.case}: {each.title.partition(': ')[2]}{unknown}")


def _examples(result: CompareResult) -> Iterator[RenderableType]:
    """A state for each rule that differs: the first of its cases."""
    shown: dict[str, Obligation] = {}
    for one in result.calls:
        for each in one.differences:
            if each.example and each.call not in shown:
                shown[each.call] = each
    for rule, found in shown.items():
        named = rule if rule in SIGNATURES else f"the step '{rule}'"
        yield Text(one_line(f"A state in which {named} differs:"), "bold")
        for line in _state(found.example) if found.example else ():
            yield Padding(Text(visible(line)), (0, 0, 0, 2))


_SHOWN_PARTS = ("The step", "What that breaks", "The rights before it")
"""The parts of a counterexample that a comparison shows."""


def _state(example: Counterexample) -> Iterator[str]:
    """The step, what the two kernels do differently, and the rights before it."""
    shown = False
    for line in lines(example):
        if not line.startswith(" "):
            shown = line.startswith(_SHOWN_PARTS)
        if shown:
            yield line.replace("What that breaks:", "What is different:")


def _run(number: int, run: RunDifference) -> RenderableType:
    shown = [f"{run.judged_as}: {run.clause}", *(call_line(step, run.judged_as) for step in run.trace.steps), _both(run)]
    head = f"{number}. {run.call or 'booting'}: {run.behaves_as} makes the calls, {run.judged_as} judges them"
    return Group(Text(one_line(head), "bold"), *(Padding(Text(one_line(line)), (0, 0, 0, 3)) for line in shown))


def _both(run: RunDifference) -> str:
    """What each of the two has, where they differ."""
    differences = run.trace.violations[0].differences
    if not differences:
        return run.words
    named = [("" if each.where == "return code" else f"{each.where}: ", each) for each in differences[:3]]
    return "; ".join(f"{what}{run.judged_as}: {each.expected}; {run.behaves_as}: {each.seen}" for what, each in named)
