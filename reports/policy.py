"""The result of ``sendright policy`` for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from sendright.mach.results.checks import Basis
from sendright.mach.results.policies import BrokenCase, CheckedRun, PolicyHop, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.escape import one_line, visible

SHOWN = 10
"""Broken cases that the terminal shows; ``--json`` has all."""
_STYLES = {Verdict.PROVED: "bold green", Verdict.PASSED: "bold green", Verdict.UNDETERMINED: "bold yellow"}


def terminal(result: PolicyResult) -> Iterator[RenderableType]:
    """``result``: the verdict first, then what breaks the policy, then what would allow it."""
    yield Text.assemble((result.verdict.value, _STYLES.get(result.verdict, "bold red")), f": {one_line(summary(result))}")
    if result.trusted and result.obligations:
        yield Text(one_line(assumption(result)))
    for broken in result.broken[:SHOWN]:
        yield from _broken(broken)
    if len(result.broken) > SHOWN:
        yield Text(f"… and {len(result.broken) - SHOWN} more cases: see --json")
    entries = list(dict.fromkeys(missing.entry for broken in result.broken for missing in broken.missing))
    if entries:
        yield Text("")
        yield Text("The calls keep the policy only if it also has these entries, or gives up what leads there (more may be missing):", "bold")
        yield from (_indented(entry) for entry in entries)
    for run in result.runs:
        yield from _run(run)
    for words in result.not_run:
        yield Text(one_line(f"{words}: not compared to its end"), "yellow")


def summary(result: PolicyResult) -> str:
    """One sentence on the whole result."""
    about = f"the policy {result.policy!r}, profile {result.profile}"
    if not result.obligations:
        broken = sum(run.broken is not None for run in result.runs)
        states = sum(run.states for run in result.runs)
        return (
            f"{about}: {broken} of {len(result.runs)} runs break it (states compared: {states:,}; cases not run to their end: {len(result.not_run)})"
        )
    count = Counter(one.verdict for one in result.obligations)
    untouched = sum(one.basis is Basis.UNTOUCHED for one in result.obligations)
    counted = [
        f"{count[Verdict.PROVED]:,} of {len(result.obligations):,} cases proved ({untouched:,} trivially: they change nothing that it speaks of)"
    ]
    counted += [f"{count[verdict]:,} {words}" for verdict, words in _OTHERS.items() if count[verdict]]
    cached = sum(one.cached for one in result.obligations)
    counted += [f"{cached:,} from the cache"] if cached else []
    left_out = f"; {result.assumed}" if result.assumed else ""
    ended = "; interrupted" if result.interrupted else ""
    return f"{about}: {', '.join(counted)}, in {result.seconds:.1f} s with {result.solver}{left_out}{ended}"


_OTHERS = {Verdict.REFUTED: "refuted", Verdict.UNDETERMINED: "undetermined"}


def assumption(result: PolicyResult) -> str:
    """What the proof assumes of trusted labels."""
    return f"Assumed: a task of {', '.join(result.trusted)} gives away only what the policy allows (--trace and --script check it on runs)."


def _broken(broken: BrokenCase) -> Iterator[RenderableType]:
    by = f" ({', '.join(broken.calls)})" if broken.calls and broken.calls != (broken.rule,) else ""
    words = "breaks the policy" if broken.verdict is Verdict.REFUTED else "is not decided"
    style = "bold red" if broken.verdict is Verdict.REFUTED else "bold yellow"
    yield Text("")
    yield Text(visible(f"{broken.rule} {words}: {broken.case}{by}"), style)
    yield _indented(f"{broken.clause}; looked for in {broken.scope}")
    for missing in broken.missing:
        yield _indented(f"missing: {missing.words}")
    if broken.counterexample:
        yield from (_indented(line) for line in broken.counterexample.splitlines())


def _run(run: CheckedRun) -> Iterator[RenderableType]:
    if run.broken is None:
        kept = "1 state keeps" if run.states == 1 else f"{run.states:,} states keep"
        yield Text(one_line(f"{run.source}: {kept} the policy"))
        return
    broken = run.broken
    when = "the first state" if broken.step is None else f"call {broken.step + 1}, {broken.call} by task {broken.task},"
    yield Text("")
    yield Text(one_line(f"{run.source}: {when} breaks the policy"), "bold red")
    yield _indented(broken.words)
    yield _indented(f"missing: {broken.missing.words}")
    if broken.path:
        yield _indented("How it came there:")
        yield from (_indented(f"  {_hop(hop)}") for hop in broken.path)
    yield _indented(f"Allowed by: {broken.missing.entry}")


def _hop(hop: PolicyHop) -> str:
    call = f"call {hop.step + 1}, {hop.call}: " if hop.step is not None else ""
    return f"{call}{hop.how}: {hop.gives}"


def _indented(words: str) -> Text:
    line = Text(visible(words))
    line.pad_left(4)
    return line
