"""Results as rich renderables, for the terminal. All data is ``Text``: rich never parses it as markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sendright.mach.results.checks import CaseResult, CheckResult, ProofResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.trace import Trace
from sendright.reports import policy
from sendright.reports.baseline import baseline_lines
from sendright.reports.call_text import call_line
from sendright.reports.escape import one_line, visible
from sendright.reports.findings import AnyResult, Finding, findings, not_compared, summary
from sendright.reports.junit import lines_of
from sendright.reports.proof_table import MARKS, Cell, proof_table

_STYLES = {
    Verdict.PROVED: "bold green",
    Verdict.PASSED: "bold green",
    Verdict.BREAKS_AS_KNOWN: "bold yellow",
    Verdict.ACCEPTED: "bold yellow",
    Verdict.UNDETERMINED: "bold yellow",
}
_CASE_STYLES = {"passed": "green", "not_modelled": "yellow"}
_FINDINGS_SHOWN = 10
_LISTED = 12
"""Of what isn't compared, at most so many are listed, unless the output is verbose."""
_CELL_WIDTH = 5
_NARROW = 60
"""Columns below which a table of cases would have no room for words."""
_OTHER = {
    "decided": "exactly one case of the rule applies",
    "choices": "where a case applies, the kernel has a choice that satisfies what the case assumes",
    "reachable": "a recorded run from boot reaches every case",
    "must fail": "the solver refutes an invariant that is wrong on purpose",
}
_SHORT = {"invariant": "I", "step invariant": "S", "theorem": "T"}


def terminal(result: AnyResult, width: int, verbose: bool = False) -> RenderableType:
    """``result`` for a terminal that is ``width`` columns wide: the verdict first, then the findings, then what limits
    them. ``verbose``: with all tables and lists, too."""
    return Group(*_parts(result, width, verbose))


def _parts(result: AnyResult, width: int, verbose: bool) -> Iterator[RenderableType]:
    if isinstance(result, PolicyResult):
        yield from policy.terminal(result)
        yield from _baseline(result)
        return
    yield from verdict_and_findings(result)
    if isinstance(result, CheckResult):
        if verbose:
            yield _codes(result)
        if result.cases_missed and result.failure is None:
            yield from _list("Cases of the specification that were not reached", result.cases_missed, verbose)
        elif result.verdict is Verdict.PASSED:
            yield Text("Every case of the specification was reached.")
        many = len(result.situations_reached)
        if many + len(result.situations_missed) and result.failure is None:
            yield Text(f"{many} of {many + len(result.situations_missed)} situations were reached.")
        if result.situations_missed and result.failure is None:
            yield from _list("Situations that were not reached", result.situations_missed, verbose)
    elif isinstance(result, ReplayResult):
        cases = [case for case in result.cases if verbose or case.verdict != "passed"]
        if cases:
            yield _cases(cases) if width >= _NARROW else Group(*_case_lines(cases))
    elif verbose:
        yield from _matrix(result, width)
    yield from how_found(result)
    yield from _baseline(result)
    left_out = not_compared(result)
    if left_out:
        yield Text("Not compared:", "yellow")
        yield from (Text(f"  {visible(words if verbose else _shortened(words))}") for words in left_out)


def _baseline(result: AnyResult) -> Iterator[RenderableType]:
    """What came of the comparison with a baseline."""
    yield from (Text(one_line(line) if not line.startswith(" ") else f"  {one_line(line)}", "yellow") for line in baseline_lines(result.baseline))


def _shortened(words: str) -> str:
    """Only how many there are, of a long list after a colon."""
    title, _, rest = words.partition(": ")
    count = rest.count(", ") + 1
    return words if count <= _LISTED else f"{title}: {count} (-v lists them)"


def verdict_and_findings(result: AnyResult) -> Iterator[RenderableType]:
    """The verdict in a sentence, and the findings."""
    word, rest = summary(result).split(":", 1)
    yield Text.assemble((word, _STYLES.get(result.verdict, "bold red")), ":", visible(rest))
    found = findings(result)
    shown: Trace | None = None
    for finding in found[:_FINDINGS_SHOWN]:
        yield _finding(finding) if finding.trace is None or finding.trace is not shown else _also(finding)
        shown = finding.trace
    if len(found) > _FINDINGS_SHOWN:
        yield Text(f"… and {len(found) - _FINDINGS_SHOWN} more findings: see the report")


def how_found(result: AnyResult) -> Iterator[Text]:
    """In which runs of a check its failures were found, and how far these runs were minimized."""
    if isinstance(result, CheckResult) and result.failure is not None:
        runs = [result.message, *(other.message for other in result.others)]
        yield from (
            Text(visible(f"The failing run was {words}." if len(runs) == 1 else f"Failing run {number} was {words}."))
            for number, words in enumerate(runs, 1)
            if words
        )
        yield from _shortest(result.shortest)


def _list(title: str, words: Sequence[str], verbose: bool) -> Iterator[Text]:
    """Each of ``words`` on a line of its own, or only how many there are."""
    if not verbose:
        yield Text(f"{title}: {len(words)} (-v lists them).", "yellow")
        return
    yield Text(f"{title} ({len(words)}):", "yellow")
    yield from (Text(f"  {visible(each)}") for each in words)


def _shortest(runs: Sequence[Trace]) -> Iterator[Text]:
    """The calls of all runs of the shortest length, with ``--all-shortest``."""
    if len(runs) == 1:
        yield Text("No other run of this length was found.")
    elif runs:
        yield Text(f"All {len(runs)} runs of this length that were found:")
    for number, trace in enumerate(runs if len(runs) > 1 else (), 1):
        yield Text(f"  run {number}")
        yield from (Text(visible(f"    {call_line(step, trace.profile)}")) for step in trace.steps)


def _codes(result: CheckResult) -> Table:
    table = Table("call", "calls per return code", title="Calls", title_justify="left")
    for call, codes in sorted(result.codes.items()):
        counts = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
        table.add_row(Text(visible(call)), Text("  ".join(f"{visible(code)} {count:,}" for code, count in counts)))
    return table


def _cases(cases: Sequence[CaseResult]) -> Table:
    table = Table("case", "verdict", "step", "expected", "seen, or why not run", title="Cases", title_justify="left")
    for case in cases:
        step = f"{case.step + 1} {case.call or ''}" if case.step is not None else ""
        seen = "; ".join(word for word in (case.seen, case.reason) if word)
        verdict = Text(case.verdict.replace("_", " "), _CASE_STYLES.get(case.verdict, "bold red"))
        table.add_row(Text(one_line(case.id)), verdict, *(Text(one_line(words)) for words in (step, case.expected or "", seen)))
    return table


def _case_lines(cases: Sequence[CaseResult]) -> Iterator[Text]:
    """The table of cases as lines, for a terminal too narrow for a table."""
    for case in cases:
        step = f", step {case.step + 1} {case.call or ''}" if case.step is not None else ""
        outcome = [f"expected {case.expected}" if case.expected else "", f"seen {case.seen}" if case.seen else "", case.reason or ""]
        yield Text(one_line("; ".join([f"{case.id}: {case.verdict.replace('_', ' ')}{step}", *filter(None, outcome)])))


def _matrix(result: ProofResult, width: int) -> Iterator[RenderableType]:
    """The table of calls × properties, split into parts that each fit into ``width``."""
    table = proof_table(result)
    marks = "  ".join(f"{mark} {verdict.value}" for verdict, mark in MARKS.items())
    yield Text(f"Seconds per call and property, over all cases of the call. {marks}\nI invariant, S step invariant, T theorem.")
    room = width - max(map(len, table.calls), default=4) - 2
    for chosen in _fitting(list(table.properties), room):
        part = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
        part.add_column("call", no_wrap=True)
        for name in chosen:
            part.add_column(Text(_heading(name)), justify="right", no_wrap=True, min_width=_column_width(name))
        for call in table.calls:
            part.add_row(Text(visible(call)), *(_cell(table.cells.get((call, name))) for name in chosen))
        yield part
    yield _counts(result)
    if result.asked_of_no_case:
        names = ", ".join(name.removeprefix("step invariant ") for name in result.asked_of_no_case)
        yield Text(f"Step invariants that were put to the solver with the invariants in no case here: {names}")
    named = {_heading(name): title if name.rpartition(" ")[0] in _SHORT else _OTHER.get(name, title) for name, title in table.properties.items()}
    yield Text("".join(f"{heading:>5}  {visible(title)}\n" for heading, title in named.items()))


def _counts(result: ProofResult) -> Table:
    """What the obligations rest on."""
    table = Table("obligations", "", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.columns[1].justify = "right"
    for basis, count in result.counts.items():
        table.add_row(Text(basis.value), Text(f"{count:,}"))
    table.add_section()
    table.add_row(Text("all"), Text(f"{len(result.obligations):,}"))
    return table


def _column_width(name: str) -> int:
    return max(_CELL_WIDTH, len(_heading(name)))


def _fitting(names: list[str], room: int) -> Iterator[list[str]]:
    """``names`` in groups, at least one in each, whose columns fit into ``room`` with two spaces between them."""
    group: list[str] = []
    used = 0
    for name in names:
        needed = _column_width(name) + 2
        if group and used + needed > room:
            yield group
            group, used = [], 0
        group.append(name)
        used += needed
    if group:
        yield group


def _heading(name: str) -> str:
    kind, _, number = visible(name).rpartition(" ")
    return _SHORT[kind] + number if kind in _SHORT else visible(name)


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    return Text(f"{cell.mark}{cell.time}", _STYLES.get(cell.verdict, "bold red").replace("bold green", "green"))


def _also(finding: Finding) -> RenderableType:
    """A further finding of the run that was just printed."""
    return Padding(Text.assemble(("also: ", "bold red"), visible(f"{finding.words} ({finding.labelled_clause})")), (0, 0, 0, 2))


def _finding(finding: Finding) -> RenderableType:
    style = "bold red" if finding.level == "error" else "bold yellow"
    lines: list[RenderableType] = [Text(visible(finding.title), style)]
    if finding.level == "note":  # a known break: the reports have its counterexample
        about = [finding.about, finding.clause, finding.accepted.words() if finding.accepted else ""]
        return Group(*lines, Padding(Text(visible("; ".join(filter(None, about)))), (0, 0, 0, 2)))
    body = [finding.about, *lines_of(finding, "  ")]
    lines += [Padding(Text(visible(line)), (0, 0, 0, 2)) for line in body if line]
    return Group(Text(), *lines, Text())
