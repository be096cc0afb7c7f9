"""The page: one self-contained HTML file that explains a result to a reader who has nothing else.

``document.py`` has what all pages share.
"""

from __future__ import annotations

import base64
import re

import msgspec
from markupsafe import Markup

from sendright.mach.abi.codes import IN_PROGRESS, ReturnCode, code_name
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.checks import CheckResult, ProofResult, ReplayResult
from sendright.mach.results.policies import PolicyResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.snapshot import Difference, Port, Snapshot
from sendright.mach.state.trace import Trace
from sendright.mach.state.view import NOT_SHOWN, ViewPart, hidden_in_words, ports_in_view
from sendright.reports import policy
from sendright.reports.call_text import Named, arguments_in_words, outputs_in_words, right_in_words
from sendright.reports.counterexample import run_to
from sendright.reports.document import document
from sendright.reports.findings import AnyResult, Finding, case_words, findings, not_compared, second_solver_words, summary
from sendright.reports.history import Moment, moments, port_words
from sendright.reports.proof_table import proof_table
from sendright.reports.rerun import Rerun
from sendright.reports.rights_graph import picture

PICTURES = 40
"""Steps of one run that have a picture: the failing step and those before it."""
FINDINGS = 50
"""Findings that the page explains; it only counts further ones."""
SCRIPT_LIMIT = 500_000
"""Characters of a script that the page shows."""


class ChangeView(msgspec.Struct, frozen=True):
    """A call's change to one slot, in words."""

    where: str
    before: str
    after: str
    wrong: bool
    unshown: str
    """The parts that the implementation doesn't report, in words."""


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One call, in words."""

    number: int
    caller: int
    call: str
    answered: bool
    """False for a call in which the implementation crashed or hung."""
    succeeded: bool
    code: str
    shortage: int
    stopped: bool
    """The harness asked the kernel to stop between two steps of the call."""
    resumed: bool
    """The step resumes an earlier call."""
    waits: bool
    """The task waits: the call hasn't ended."""
    created_task: int | None
    arguments: tuple[Named, ...]
    outputs: tuple[Named, ...]
    changes: tuple[ChangeView, ...]
    missing: tuple[Difference, ...]
    """Differences in places that the call should have changed, but didn't."""
    state_known: bool
    """Whether the implementation reported a state after the call."""
    cases: tuple[str, ...]
    failing: bool
    picture: str | None
    """The HTML id of its picture; None if it has none."""


class PictureView(msgspec.Struct, frozen=True):
    """The rights graph of one moment."""

    id: str
    caption: str
    svg: Markup
    failing: bool


class RunView(msgspec.Struct, frozen=True):
    """A run, in the form that the template needs."""

    steps: tuple[StepView, ...]
    pictures: tuple[PictureView, ...]
    not_drawn: int
    ports: tuple[tuple[str, ...], ...]
    differences: tuple[tuple[Difference, str], ...]
    """Each difference, with the object behind its port."""
    reports_all: bool
    """Whether the implementation reports all of its state."""


class Script(msgspec.Struct, frozen=True):
    """An embedded file."""

    name: str
    text: str
    uri: str
    whole: bool


_KINDS = {CheckResult: "check", ReplayResult: "replay", ProofResult: "prove", PolicyResult: "policy"}


def page(result: AnyResult, rerun: Rerun) -> str:
    """``result`` as an HTML document."""
    profile = None if isinstance(result, ReplayResult) else result.profile
    found = sorted(findings(result), key=lambda finding: ("error", "warning", "note").index(finding.level))
    return document(
        "page.html",
        ("page.css",),
        "page.js",
        kind=_KINDS[type(result)],
        result=result,
        verdict=result.verdict.value,
        headline=_headline(result, found),
        summary=summary(result).removeprefix(f"{result.verdict.value}: "),
        found=[(finding, _run(finding, f"f{index}")) for index, finding in enumerate(found[:FINDINGS])],
        not_compared=not_compared(result),
        not_shown=max(0, len(found) - FINDINGS),
        profile_title=PROFILES[profile].title if profile in PROFILES else "",
        lacks=policy.lacks(result) if isinstance(result, PolicyResult) else [],
        assumption=policy.assumption(result) if isinstance(result, PolicyResult) and result.trusted and result.obligations else "",
        table=proof_table(result) if isinstance(result, ProofResult) else None,
        second_solver=second_solver_words(result) if isinstance(result, ProofResult) else "",
        run_to=run_to,
        second_run=_second_run,
        commands=rerun.commands,
        scripts=[_script(name, text) for name, text in rerun.scripts.items()],
    )


def _headline(result: AnyResult, found: list[Finding]) -> str:
    if result.verdict is Verdict.ACCEPTED and result.baseline is not None:
        count = len(result.baseline.accepted)
        return f"The baseline accepts {'each of the ' + str(count) + ' findings' if count > 1 else 'the one finding'}"
    if isinstance(result, PolicyResult):
        return policy.verdict_in_words(result)
    if result.verdict is Verdict.PROVED:
        return "Every obligation is proved"
    if result.verdict is Verdict.BREAKS_AS_KNOWN:
        return f"Every obligation is proved, except {len(found):,} that this kernel is known to break"
    if not found:
        return "No violation was found" + (", but the result is incomplete" if result.verdict is Verdict.UNDETERMINED else "")
    if isinstance(result, ProofResult):
        unproved = sum(one.verdict is not Verdict.PROVED for one in result.obligations)
        if unproved:
            return f"{unproved:,} of {len(result.obligations):,} obligations are not proved"
        return f"Every obligation is proved, but {result.second_solver} doesn’t confirm {len(found):,} of them"
    if isinstance(result, ReplayResult):
        return f"{result.failed + result.crashed} of {len(result.cases)} cases failed or crashed"
    return found[0].title


def _script(name: str, text: str) -> Script:
    data = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
    return Script(name, text[:SCRIPT_LIMIT], f"data:application/json;base64,{data}", len(text) <= SCRIPT_LIMIT)


def _run(finding: Finding, anchor: str) -> RunView | None:
    trace = finding.trace
    if trace is None:
        return None
    history = moments(trace)
    failing = finding.step if finding.step is not None else trace.steps[-1].index if trace.steps else None
    last = next((place for place, moment in enumerate(history) if moment.step and moment.step.index == failing), len(history) - 1)
    first = max(0, last - PICTURES + 1)
    drawn = {place: f"{anchor}-{place}" for place in range(first, last + 1)}
    steps = tuple(
        _step(moment, trace, finding if place == last and failing is not None else None, drawn.get(place))
        for place, moment in enumerate(history)
        if moment.step
    )
    pictures = tuple(_picture(history[place], drawn[place], trace, place == last, finding) for place in drawn)
    return RunView(steps, pictures, first, tuple(_ports(trace)), _glossed(finding, history[0]), trace.shows is None)


def _second_run(finding: Finding, anchor: str) -> RunView | None:
    """The same call in the second state, of a counterexample that compares two."""
    second = finding.example.second if finding.example else None
    return _run(msgspec.structs.replace(finding, trace=second.trace), anchor) if second else None


def _glossed(finding: Finding, moment: Moment) -> tuple[tuple[Difference, str], ...]:
    ports = ((one, re.match(r"port (\d+)", one.where)) for one in finding.differences)
    return tuple((one, moment.ports.get(int(port[1]), "") if port else "") for one, port in ports)


def _step(moment: Moment, trace: Trace, finding: Finding | None, picture_id: str | None) -> StepView:
    """One step. ``finding`` is the fault in it; None if the step is right."""
    step = moment.step
    assert step is not None
    wrong = finding.differences if finding else ()
    changed = [change.slot for change in step.changes]
    return StepView(
        number=step.index + 1,
        caller=step.task,
        call=step.call,
        answered=step.missing != "answer",
        state_known=step.missing is None,
        succeeded=step.code == ReturnCode.KERN_SUCCESS,
        code=code_name(step.code),
        shortage=step.shortage,
        stopped=step.stop,
        resumed=step.resume,
        waits=step.code in IN_PROGRESS,
        created_task=step.created_task,
        arguments=arguments_in_words(moment, trace.profile),
        outputs=outputs_in_words(moment),
        changes=tuple(
            ChangeView(
                str(change.slot),
                right_in_words(change.before, moment),
                right_in_words(change.after, moment),
                any(difference.of(change.slot) for difference in wrong),
                hidden_in_words(change.slot, change.before, change.after, trace.shows),
            )
            for change in step.changes
        ),
        missing=tuple(difference for difference in wrong if not any(map(difference.of, changed))),
        cases=tuple(case_words(case) for case in step.cases),
        failing=finding is not None,
        picture=picture_id,
    )


def _picture(moment: Moment, anchor: str, trace: Trace, failing: bool, finding: Finding) -> PictureView:
    if moment.step is None:
        caption = "Before the first call"
    else:
        did = "resumed" if moment.step.resume else "called"
        caption = f"After call {moment.step.index + 1}: t{moment.step.task} {did} {moment.step.call}"
        caption += " (the implementation reported no state after it; this is the state before it)" if moment.step.missing else ""
    svg = picture(moment, caption, finding.differences if failing else (), trace.shows)
    return PictureView(anchor, caption, Markup(svg), failing)


def _ports(trace: Trace) -> list[tuple[str, ...]]:
    """Every port at the start and end of a run: its number, the object behind it, and its counts as "start → end"."""
    rows = []
    for number in sorted(trace.initial.ports.keys() | trace.final.ports.keys()):
        before, after = trace.initial.ports.get(number), trace.final.ports.get(number)
        known = after or before
        assert known is not None
        counts = [_counts(number, port, snapshot, trace) for port, snapshot in ((before, trace.initial), (after, trace.final))]
        cells = [old if old == new else f"{old} → {new}" for old, new in zip(*counts, strict=True)]
        rows.append((str(number), port_words(known.object, known.task), *cells))
    return rows


_COUNTS = (ViewPart.SEND_RIGHTS, ViewPart.MAKE_SEND_COUNT, ViewPart.SEND_ONCE_RIGHTS, ViewPart.MESSAGES)


def _counts(number: int, port: Port | None, snapshot: Snapshot, trace: Trace) -> tuple[str, ...]:
    if port is None:
        return ("no port",) * len(_COUNTS)
    values = (port.send_rights, port.make_send_count, port.send_once_rights, len(port.queue))
    seen = frozenset(_COUNTS) if trace.shows is None else frozenset(trace.shows) if number in ports_in_view(snapshot) else frozenset()
    return tuple(str(value) if count in seen else f"{value} ({NOT_SHOWN})" for count, value in zip(_COUNTS, values, strict=True))
