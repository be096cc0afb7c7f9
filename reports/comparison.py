"""The result of ``sendright compare`` in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sendright.mach.results.checks import Obligation
from sendright.mach.results.comparisons import CallComparison, CompareResult, RunDifference
from sendright.mach.results.verdicts import Verdict
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
        parts.append(f"of {len(result.calls)} calls that both serve, {same} are proved to be the same and {differ} differ")
    causes = f"{len(result.runs)} causes of differences" if result.runs else "no difference"
    parts.append(f"{result.examples:,} runs with {result.judged:,} calls show {causes}")
    return f"{result.first} and {result.second}: {'; '.join(parts)}"


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
    table = Table("call", "", "where it may differ", title="By the specification", title_justify="left")
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
        yield Text(one_line(f"A state in which {rule} differs:"), "bold")
        for line in lines(found.example) if found.example else ():
            yield Padding(Text(visible(line.replace("What that breaks:", "What is different:"))), (0, 0, 0, 2))


def _run(number: int, run: RunDifference) -> RenderableType:
    shown = [f"{run.judged_as}: {run.clause}", *(call_line(step, run.judged_as) for step in run.trace.steps), run.words]
    head = f"{number}. {run.call or 'booting'}: {run.behaves_as} makes the calls, {run.judged_as} judges them"
    return Group(Text(one_line(head), "bold"), *(Padding(Text(one_line(line)), (0, 0, 0, 3)) for line in shown))
