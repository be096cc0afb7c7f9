"""The result of ``sendright policy`` in words, and for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from sendright.mach.results.checks import Basis
from sendright.mach.results.policies import BrokenCase, CheckedRun, PolicyBreak, PolicyHop, PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.reports.counterexample import lines
from sendright.reports.escape import one_line, visible

SHOWN = 10
"""Broken cases that the terminal shows; ``--json`` has all."""
_STYLES = {Verdict.PROVED: "bold green", Verdict.PASSED: "bold green", Verdict.ACCEPTED: "bold yellow", Verdict.UNDETERMINED: "bold yellow"}


def terminal(result: PolicyResult) -> Iterator[RenderableType]:
    """``result``: the verdict first, then what breaks the policy, then what would allow it."""
    ended = "; interrupted" if result.interrupted else ""
    yield Text.assemble((result.verdict.value, _STYLES.get(result.verdict, "bold red")), f": {one_line(summary(result))}{ended}")
    if result.trusted and result.obligations:
        yield Text(one_line(assumption(result)))
    for broken in result.broken[:SHOWN]:
        yield from _broken(broken)
    if len(result.broken) > SHOWN:
        yield Text(f"… and {len(result.broken) - SHOWN} more cases: see the report, or --json")
    entries = lacks(result)
    if entries:
        yield Text("")
        yield Text("There are two ways out. Forbid what leads there: take a right out of the policy, or trust a label.", "bold")
        if any(entry.startswith("[[keep]]") for entry in entries):
            yield _indented("A child inherits what the kernel keeps for its parent. With this entry for the parent's label it inherits nothing:")
            yield _indented('[[keep]]  who = "PARENT"  may = []  to = []')
        yield Text("Or allow it. Each of these entries gives authority away, so think before you add one (more may be missing):", "bold")
        yield from (_indented(entry) for entry in entries)
    for run in result.runs:
        yield from _run(run)
    for words in result.not_run:
        yield Text(one_line(f"{words}: not compared to its end"), "yellow")


def lacks(result: PolicyResult) -> list[str]:
    """The entries of a policy file that the broken cases need, as far as they are known."""
    return list(dict.fromkeys(missing.entry for broken in result.broken for missing in broken.missing))


def verdict_in_words(result: PolicyResult) -> str:
    """The headline of a report."""
    what = "calls" if result.obligations else "runs and states"
    if result.verdict in (Verdict.UNDETERMINED, Verdict.CRASHED):
        return f"It isn’t known whether the {what} keep the policy"
    return f"The {what} {'keep' if result.verdict in (Verdict.PROVED, Verdict.PASSED) else 'don’t keep'} the policy"


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
    return f"{about}: {', '.join(counted)}, in {result.seconds:.1f} s with {result.solver}{left_out}"


_OTHERS = {Verdict.REFUTED: "refuted", Verdict.UNDETERMINED: "undetermined", Verdict.CRASHED: "lost"}


def assumption(result: PolicyResult) -> str:
    """What the proof assumes of trusted labels."""
    return f"Assumed: a task of {', '.join(result.trusted)} gives away only what the policy allows (--trace and --script check it on runs)."


def headline(broken: BrokenCase) -> str:
    """What is known of a case that isn't proved to keep the policy."""
    return f"{broken.rule} {'breaks the policy' if broken.verdict is Verdict.REFUTED else 'is not decided'}"


def no_state(broken: BrokenCase) -> str:
    """Why there is no counterexample to show."""
    if not broken.scope:
        return "it follows from the policy alone"
    return f"no state that breaks it was found in {broken.scope}" if broken.scope[:1].isdigit() else broken.scope


def _broken(broken: BrokenCase) -> Iterator[RenderableType]:
    by = f" ({', '.join(broken.calls)})" if broken.calls and broken.calls != (broken.rule,) else ""
    style = "bold red" if broken.verdict is Verdict.REFUTED else "bold yellow"
    yield Text("")
    yield Text(visible(f"{headline(broken)}: {broken.case}{by}"), style)
    yield _indented(f"{broken.clause}; looked for in {broken.scope}" if broken.scope else f"{broken.clause}; {no_state(broken)}")
    for missing in broken.missing:
        yield _indented(f"missing: {missing.words}")
    shown = lines(broken.example) if broken.example else (broken.counterexample or "").splitlines()
    yield from (_indented(line) for line in shown)


def when(broken: PolicyBreak) -> str:
    """Which state of a run breaks the policy."""
    state = "the first state" if broken.step is None else f"call {broken.step + 1}, {broken.call} by task {broken.task},"
    return f"{state} breaks the policy"


def _run(run: CheckedRun) -> Iterator[RenderableType]:
    if run.broken is None:
        kept = "1 state keeps" if run.states == 1 else f"{run.states:,} states keep"
        yield Text(one_line(f"{run.source}: {kept} the policy"))
        return
    broken = run.broken
    yield Text("")
    yield Text(one_line(f"{run.source}: {when(broken)}"), "bold red")
    yield _indented(broken.words)
    yield _indented(f"missing: {broken.missing.words}")
    if broken.path:
        yield _indented("How it came there:")
        yield from (_indented(f"  {hop_in_words(hop)}") for hop in broken.path)
    yield _indented(f"Allowed by: {broken.missing.entry}")


def hop_in_words(hop: PolicyHop) -> str:
    """One step on a right's way from boot."""
    call = f"call {hop.step + 1}, {hop.call}: " if hop.step is not None else ""
    return f"{call}{hop.how}: {hop.gives}"


def _indented(words: str) -> Text:
    line = Text(visible(words))
    line.pad_left(4)
    return line
