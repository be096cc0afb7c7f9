"""What reports say of a kernel that shows a view of its state: what it showed, and never what the specification
expected instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.viewed_kernel import Viewed

from sendright.cli.main import main
from sendright.impl.reference import ReferenceKernel
from sendright.mach.abi.rights import Right, SlotKind
from sendright.mach.abi.tokens import TASK_SECURITY_TOKEN
from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import MANUAL, PROFILES
from sendright.mach.results.checks import CheckResult
from sendright.mach.results.verdicts import Verdict
from sendright.mach.state.seen_state import NO_PORT, seen_state
from sendright.mach.state.snapshot import Entry, Slot, Snapshot, slots
from sendright.mach.state.trace import Trace, contradiction
from sendright.mach.state.view import OF_A_RECEIVE_RIGHT, NamedRight, Receiver, Space, View, ViewPart, view_differences, view_of
from sendright.model.execution.oracle import Oracle
from sendright.model.execution.witnesses import witnessed_calls
from sendright.properties.provenance.derivation import derive
from sendright.properties.runs.judged_run import Violated, can_make
from sendright.properties.runs.run import Run
from sendright.properties.scripts.export import script_of
from sendright.properties.scripts.load import load_script
from sendright.properties.scripts.replay import replay
from sendright.reports.html import page
from sendright.reports.junit import junit
from sendright.reports.rerun import Rerun
from sendright.reports.sarif import sarif
from sendright.reports.write import trace_text

Change = Callable[[View], View]
ALL = frozenset(ViewPart)
AGAIN = Rerun(commands=("sendright check",), scripts={})
NAME = 7
"""The receive right with a send right that the runs of these tests make."""


class Changed(Viewed):
    """Shows another view than the kernel's state, from the ``at``-th call on (0: from the boot on)."""

    def __init__(self, change: Change, at: int, shows: frozenset[ViewPart] = ALL, wrong: Callable[[Result], Result] = lambda result: result) -> None:
        super().__init__(shows=shows)
        self.change, self.at, self.made, self.wrong = change, at, 0, wrong

    def boot(self, profile: Any) -> None:
        super().boot(profile)
        self.made = 0

    def call(self, task: int, call: Call) -> Result:
        self.made += 1
        result = super().call(task, call)
        return self.wrong(result) if self.made == self.at else result

    def snapshot(self) -> View:
        shown = super().snapshot()
        return self.change(shown) if self.made >= self.at else shown


def named(change: Callable[[NamedRight], NamedRight | None], name: int = NAME, task: int = 0) -> Change:
    """A view in which ``name`` is another right, or (None) there is none."""

    def changed(view: View) -> View:
        space = view.tasks[task]
        other = change(space.names.get(name, NamedRight(SlotKind.SEND, 1, 900, False)))
        names = {number: each for number, each in space.names.items() if number != name} | ({} if other is None else {name: other})
        return View({**view.tasks, task: Space(dict(sorted(names.items())), space.suspend_count)})

    return changed


def becomes(**parts: Any) -> Callable[[NamedRight], NamedRight]:
    return lambda was: msgspec.structs.replace(was, **parts)


def receives(**parts: Any) -> Callable[[NamedRight], NamedRight]:
    def changed(was: NamedRight) -> NamedRight:
        assert was.receiver is not None
        return msgspec.structs.replace(was, receiver=msgspec.structs.replace(was.receiver, **parts))

    return changed


CALLS = (
    Call("mach_task_self", {}),
    Call("mach_port_allocate", {"task": 6, "right": Right.RECEIVE}),
    Call("mach_port_insert_right", {"task": 6, "name": NAME, "poly": NAME, "disposition": 20}),
    Call("mach_port_deallocate", {"task": 6, "name": 6}),
)


STAYS = becomes(
    kind=SlotKind.SEND_RECEIVE,
    urefs=1,
    receiver=Receiver(
        pset=0,
        sequence_number=0,
        make_send_count=1,
        queue_limit=5,
        messages=0,
        send_rights=1,
        send_once_rights=0,
        port_destroyed=False,
        no_senders=False,
    ),
)
"""``NAME`` after it was destroyed, as if it had not been."""


def broken(kernel: Changed, calls: tuple[Call, ...] = CALLS) -> Trace:
    run = Run(kernel, Oracle(MANUAL), MANUAL)

    def make() -> None:
        run.boot()
        for call in calls:
            run.step(0, call)

    with pytest.raises(Violated):
        make()
    trace = run.trace()
    assert trace.violations
    assert contradiction(trace) is None
    assert trace_text(msgspec.json.decode(trace_text(trace), type=Trace)) == trace_text(trace)
    return trace


def result_of(trace: Trace) -> CheckResult:
    return CheckResult(
        verdict=Verdict.FAILED,
        implementation=trace.implementation,
        profile=trace.profile,
        seed=0,
        examples=1,
        calls=len(trace.steps),
        seconds=0.1,
        codes={},
        cases_reached={},
        cases_missed=(),
        failure=trace,
        script=script_of(trace),
    )


def told(trace: Trace) -> str:
    """All that a page, JUnit and SARIF say, without the letters that HTML needs."""
    result = result_of(trace)
    text = page(result, AGAIN) + junit(result) + sarif(result, "0")
    for tag in ('<span class="where">', '<span class="gloss">', "</span>", '<span role="img" aria-label="became">', "<strong>", "</strong>"):
        text = text.replace(tag, "")
    return text.replace("&#39;", "'").replace("&quot;", '"')


# ---- each kind of difference: the trace says what the kernel showed, and the reports too


def test_a_right_that_should_have_gone_and_stays() -> None:
    trace = broken(Changed(named(STAYS), 4), (*CALLS[:3], Call("mach_port_destroy", {"task": 6, "name": NAME})))
    [last] = trace.steps[-1:]
    assert [change for change in last.changes if change.slot == Slot("name", 0, NAME)] == [], "nothing happened to it"
    assert trace.final.tasks[0].names[NAME] == Entry(SlotKind.SEND_RECEIVE, 7, 1)
    assert 7 in trace.final.ports, "a port that there is a right to has not died"
    words = told(trace)
    assert "send and receive right to port 7, 1 user reference → nothing" not in words
    assert "task 0, name 7: nothing, not send and receive right" in words
    assert "expected nothing, seen send and receive right" in words
    assert "send and receive right to port 7, 1 user reference, gone with this call" not in words
    assert all("until" not in derive(trace).graph.nodes[node] for (slot, _), node in derive(trace).current.items() if slot.index == NAME)


def test_a_right_that_should_have_stayed_and_is_gone() -> None:
    trace = broken(Changed(named(lambda was: None), 4))
    assert NAME not in trace.final.tasks[0].names
    words = told(trace)
    assert "task 0, name 7: send and receive right to port 7, 1 user reference → nothing" in words
    assert "expected send and receive right, seen nothing" in words
    assert "send and receive right to port 7, 1 user reference, gone with this call" in words


@pytest.mark.parametrize(
    ("change", "after", "said"),
    [
        (becomes(urefs=9), Entry(SlotKind.SEND_RECEIVE, 7, 9), "user references: expected 1, seen 9"),
        (becomes(kind=SlotKind.DEAD_NAME), Entry(SlotKind.DEAD_NAME, None, 1), "expected send and receive right, seen dead name"),
        (becomes(kind=SlotKind.SEND, receiver=None), Entry(SlotKind.SEND, 7, 1), "expected send and receive right, seen send right"),
        (becomes(port=2), Entry(SlotKind.SEND_RECEIVE, 2, 1), "which port it is: expected port 7, seen port 2"),
        (becomes(port=4711), None, None),
    ],
)
def test_a_right_that_is_another(change: Callable[[NamedRight], NamedRight], after: Entry | None, said: str | None) -> None:
    kernel = Changed(named(change), 4)
    if after is None:  # any number will do, as long as no other name has it
        run = Run(kernel, Oracle(MANUAL), MANUAL)
        run.boot()
        assert [run.step(0, call).code for call in CALLS] == [0, 0, 0, 0]
        return
    trace = broken(kernel)
    assert trace.final.tasks[0].names[NAME] == after
    words = told(trace)
    assert said is not None
    assert said in words
    if after.kind is not SlotKind.SEND_RECEIVE or after.urefs != 1:
        assert f"task 0, name 7: send and receive right to port 7, 1 user reference → {_words(after)}" in words


def _words(entry: Entry) -> str:
    from sendright.mach.state.snapshot import entry_in_words

    return entry_in_words(entry)


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("sequence_number", 3, 3),
        ("make_send_count", 8, 8),
        ("queue_limit", 2, 2),
        ("send_rights", 6, 6),
        ("send_once_rights", 4, 4),
        ("port_destroyed", True, Entry(SlotKind.SEND_ONCE)),
        ("no_senders", True, Entry(SlotKind.SEND_ONCE)),
    ],
)
def test_a_port_whose_attributes_are_wrong(part: str, value: Any, field: Any) -> None:
    trace = broken(Changed(named(receives(**{part: value})), 4))
    assert getattr(trace.final.ports[7], part) == field
    assert f"seen {'registered' if value is True else value}" in told(trace)


def test_more_messages_than_there_should_be_and_fewer() -> None:
    trace = broken(Changed(named(receives(messages=2)), 4))
    assert len(trace.final.ports[7].queue) == 2
    words = told(trace)
    assert "<td>no port → 2</td>" in words
    assert "unknown message 1, destination: nothing → send right to port 7 (only its existence is shown)" in words
    assert derive(trace).violations == [], "where they came from isn't shown"
    send = (*CALLS[:3], Call("mach_msg_send", {"dest": NAME}))
    fewer = broken(Changed(named(receives(messages=0)), 4), send)
    assert fewer.final.ports[7].queue == ()
    assert "messages queued: expected 1, seen 0" in told(fewer)


def test_a_request_and_a_port_set_that_should_not_be() -> None:
    trace = broken(Changed(named(becomes(request=True)), 4))
    assert trace.final.tasks[0].requests == {NAME: Entry(SlotKind.SEND_ONCE)}
    assert "dead-name request of name 7: nothing → send-once right (which right it is: expected, not shown)" in told(trace)
    member = broken(Changed(named(receives(pset=9)), 4))
    assert "port set: expected 0, seen 9" in told(member)


def test_a_suspend_count_that_is_wrong() -> None:
    trace = broken(Changed(lambda view: View({0: msgspec.structs.replace(view.tasks[0], suspend_count=2)}), 4))
    assert trace.final.tasks[0].suspend_count == 2
    assert "task 0, suspend count: expected 0, seen 2" in told(trace)


def test_a_task_that_nobody_made_and_one_that_is_missing() -> None:
    extra = broken(Changed(lambda view: View({**view.tasks, 5: Space({3: NamedRight(SlotKind.SEND, 1, 2, False)}, 0)}), 4))
    assert extra.final.tasks[5].port == NO_PORT
    assert "task 5: expected none, seen a live task" in told(extra)
    assert any("task 5 is live" in violation.words for violation in extra.violations)
    made = (Call("mach_task_self", {}), Call("task_create", {"parent_task": 6}))
    missing = broken(Changed(lambda view: View({0: view.tasks[0]}), 2), made)
    assert list(missing.final.tasks) == [0]
    assert "task 1: expected a live task, seen none" in told(missing)


def test_a_right_from_nowhere() -> None:
    known = broken(Changed(named(becomes(port=2), name=40), 4))
    assert known.final.tasks[0].names[40] == Entry(SlotKind.SEND, 2, 1)
    assert any(violation.kind == "derivation" and "name 40" in violation.words for violation in known.violations)
    unknown = broken(Changed(named(becomes(port=900), name=40), 4))
    assert unknown.final.tasks[0].names[40] == Entry(SlotKind.SEND, None, 1)
    assert [violation.kind for violation in unknown.violations] == ["state"], "which port it is isn't known, so where it came from can't be"
    assert "task 0, name 40: nothing → send right, 1 user reference" in told(unknown)


def test_a_boot_state_that_is_wrong() -> None:
    trace = broken(Changed(named(lambda was: None, name=3), 0), ())
    assert 3 not in trace.initial.tasks[0].names
    assert trace.initial == trace.final
    assert "task 0, name 3: expected send right, seen nothing" in told(trace)


def test_an_answer_that_is_wrong_comes_with_the_state_that_was_shown() -> None:
    """What the call did to the state is the kernel's word, too, though the specification goes no further."""
    trace = broken(Changed(lambda view: view, 2, wrong=lambda result: Result(17)), CALLS[:2])
    assert trace.violations[0].kind == "result"
    assert trace.final.tasks[0].names[NAME] == Entry(SlotKind.RECEIVE, None, 0), "of which port isn't known: it is new"
    assert "task 0, name 7: nothing → receive right" in told(trace)


def test_a_token_that_is_wrong_is_told_as_the_kernel_told_it() -> None:
    info = (CALLS[0], Call("task_info", {"task": 6, "flavor": TASK_SECURITY_TOKEN}))
    trace = broken(Changed(lambda view: view, 2, wrong=lambda result: Result(0, {"value": (5, 6)})), info)
    words = told(trace)
    assert trace.steps[-1].outputs == {"value": (5, 6)}
    assert "uid 5, gid 6" in words
    assert "expected (0, 0), seen (5, 6)" in words


def test_what_is_not_shown_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shows = ALL - {ViewPart.UREFS, ViewPart.PORT, ViewPart.MAKE_SEND_COUNT}
    create = (CALLS[0], Call("task_create", {"parent_task": 6}), Call("mach_port_deallocate", {"task": 6, "name": 7}))
    trace = broken(Changed(named(becomes(kind=SlotKind.SEND, urefs=5, port=1)), 3, shows), create)
    words = told(trace)
    assert "task 1, kernel port: nothing → send right to port 7 (task t1) (expected, not shown)" in words
    assert "(which port it is and user references: expected, not shown)" in words
    assert "doesn’t report all of its state" in words
    assert trace.final.tasks[0].names[7] == Entry(SlotKind.SEND, 7, 1), "what it doesn't declare to show is not looked at"
    (tmp_path / "trace.json").write_text(trace_text(trace))
    assert main(["graph", str(tmp_path / "trace.json")]) == 0
    out = capsys.readouterr().out
    assert "task 1, kernel port (expected, not shown)" in out
    assert "of task 1 (expected, not shown)" in out
    assert "are what the specification expects" in " ".join(out.split())
    assert main(["graph", str(tmp_path / "trace.json"), "--json", "--dot", str(tmp_path / "g.dot")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert all(one["not_shown"] == "expected, not shown" for one in data["tokens"])
    assert "(expected, not shown)" in (tmp_path / "g.dot").read_text()


def test_the_graph_tells_of_no_death_that_was_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    destroy = (*CALLS[:3], Call("mach_port_destroy", {"task": 6, "name": NAME}))
    trace = broken(Changed(named(STAYS), 4), destroy)
    (tmp_path / "trace.json").write_text(trace_text(trace))
    main(["graph", str(tmp_path / "trace.json"), "--task", "0"])
    out = capsys.readouterr().out
    assert "send right to port 7 at task 0, name 7" in out
    assert "receive right of port 7 at task 0, name 7" in out
    assert "dead name" not in out


def replayed(tmp_path: Path, kernel: Viewed) -> Any:
    """One case that expects three references where Mach has two."""
    steps = [
        {"as": "A", "call": "mach_port_allocate", "args": {"right": "RECEIVE"}, "bind": {"name": "p"}},
        {"as": "A", "call": "mach_port_insert_right", "args": {"name": "p", "poly": "p", "disposition": "MAKE_SEND"}},
        {"as": "A", "call": "mach_port_mod_refs", "args": {"name": "p", "right": "SEND", "delta": 1}, "expect": {"refs": 3}},
    ]
    script = {"format": "mach-cases/1", "profile": "manual", "cases": [{"id": "one", "title": "refs", "steps": steps}]}
    (tmp_path / "script.json").write_text(json.dumps(script))
    return replay([load_script(tmp_path / "script.json")], lambda: kernel, Oracle).cases[0]


def test_a_script_is_told_what_the_kernel_shows(tmp_path: Path) -> None:
    hidden = replayed(tmp_path, Viewed(shows=ALL - {ViewPart.UREFS}))
    assert (hidden.verdict, hidden.seen) == ("failed", "2 references (expected, not shown)")
    assert "reference kernel doesn't show its own" in hidden.violation.words
    shown = replayed(tmp_path, Viewed())
    assert (shown.verdict, shown.seen) == ("failed", "2 references")
    wrong = replayed(tmp_path, Changed(named(becomes(urefs=7), name=2, task=1), 6))  # the harness makes three calls first
    assert (wrong.verdict, wrong.seen) == ("failed", "7 references")


def test_a_kernel_that_shows_everything_has_nothing_marked() -> None:
    from support.report_runs import failing_check

    failing = failing_check()
    assert failing.failure is not None
    assert failing.failure.shows is None
    assert "not shown" not in page(failing, AGAIN)


# ---- any view


def _pairs() -> list[tuple[Snapshot, Snapshot]]:
    """States of a run, each with the one before it, with all kinds of rights in them."""
    profile = PROFILES["manual"]
    pairs = []
    for known in list(witnessed_calls(profile))[:25]:
        kernel, before = ReferenceKernel(), None
        kernel.boot(profile)
        for task, call in known:
            shown = kernel.snapshot()
            if can_make(shown, task, call):
                kernel.call(task, call)
                before = shown
        if before is not None:
            pairs.append((before, kernel.snapshot()))
    return pairs


PAIRS = _pairs()
_small = st.integers(0, 9)
_receivers = st.builds(
    Receiver,
    pset=st.just(0),
    sequence_number=_small,
    make_send_count=_small,
    queue_limit=_small,
    messages=_small,
    send_rights=_small,
    send_once_rights=_small,
    port_destroyed=st.booleans(),
    no_senders=st.booleans(),
)
_named = st.sampled_from([kind for kind in SlotKind if kind]).flatmap(
    lambda kind: st.builds(
        NamedRight,
        st.just(kind),
        _small,
        st.one_of(st.none(), st.integers(0, 12)),
        st.booleans(),
        _receivers if kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE) else st.none(),
    )
)
_spaces = st.builds(Space, st.dictionaries(st.integers(1, 12), _named, max_size=5), _small)


@settings(max_examples=150, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    old=st.booleans(),
    names=st.dictionaries(st.integers(1, 12), st.one_of(st.none(), _named), max_size=4),
    tasks=st.dictionaries(st.integers(0, 4), st.one_of(st.none(), _spaces), max_size=2),
    shows=st.frozensets(st.sampled_from(ViewPart)),
)
def test_the_state_agrees_with_any_view(
    pair: tuple[Snapshot, Snapshot], old: bool, names: dict[int, NamedRight | None], tasks: dict[int, Space | None], shows: frozenset[ViewPart]
) -> None:
    """Whatever a kernel shows, nothing in the state contradicts it, apart from what no state of Mach can say."""
    before, expected = pair
    view = view_of(before if old else expected)
    for number, space in tasks.items():
        view = View({task: each for task, each in view.tasks.items() if task != number} | ({} if space is None else {number: space}))
    if 0 in view.tasks:
        for name, each in names.items():
            view = named(lambda was, each=each: each, name)(view)  # type: ignore[misc]
    state = seen_state(expected, before, view, shows)
    # Two names that are shown to receive from one port have one port's attributes, whatever each is shown with.
    tellable = shows - {*OF_A_RECEIVE_RIGHT, ViewPart.PORT}
    assert view_differences(state, view, tellable) == ()
    assert all(entry.kind for slot, entry in slots(state).items())
    assert msgspec.json.decode(msgspec.json.encode(state), type=Snapshot) == state
    if view == view_of(expected):
        assert state == expected
