"""A counterexample of a proof, for readers: what the step changes, what that breaks, and the state that it starts from.

The page, the terminal and JUnit say the same in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

from sendright.mach.results.counterexamples import Counterexample
from sendright.mach.state.snapshot import Slot, entry_in_words
from sendright.mach.state.trace import Trace
from sendright.reports.call_text import arguments_in_words, call_line
from sendright.reports.history import moments, slot_words


def lines(example: Counterexample) -> Iterator[str]:
    """``example`` in words, line by line; what a heading introduces is indented."""
    yield f"The step: {call_line(example.trace.steps[0], example.trace.profile)}"
    if example.second is not None:
        yield example.second.sentence
        yield "What differs before the call, where the caller doesn't see it:"
        yield from (f"  {one}" for one in example.second.hidden or ("nothing",))
    yield "What changes:" if example.second is None else "What changes in the first state:"
    yield from (f"  {change}" for change in example.changes or ("nothing",))
    yield f"What that breaks: {'; '.join(example.broken)}"
    if example.sentence:
        yield f"  {example.sentence}"
    yield from (f"  where {where}" for where in example.where)
    yield from (f"  {one}" for one in example.there)
    yield from (f"  {one}" for one in example.also)
    if example.second is not None:
        yield "The rights before it in the second state:"
        yield from (f"  {words}" for words in _rights(example.second.trace) or ["none"])
    yield "The arguments:"
    yield from (f"  {words}" for words in _arguments(example) or ["none"])
    yield "Tasks and ports:"
    yield from (f"  {words}" for words in example.who)
    yield "The rights before it:"
    yield from (f"  {words}" for words in _rights(example.trace) or ["none"])
    if example.reached is not None:
        yield f"From boot: {example.reached.words}"
        yield from (f"  {number}. {call}" for number, call in enumerate(run_to(example), 1))


def run_to(example: Counterexample) -> list[str]:
    """The calls of the run from boot that breaks the same; none, if none was found."""
    run = example.reached.run if example.reached is not None else None
    return [call_line(step, run.profile) for step in run.steps] if run is not None else []


def _arguments(example: Counterexample) -> list[str]:
    *_, moment = moments(example.trace)
    named = arguments_in_words(moment, example.trace.profile)
    return [f"{one.name} = {one.value}" + (f": {one.gloss}" if one.gloss else "") for one in named]


def _rights(trace: Trace) -> list[str]:
    """The rights before the step, one line for each task, message or port that has some."""
    first, *_ = moments(trace)
    owned: dict[str, list[str]] = {}
    for slot, entry in sorted(first.before.items()):
        owned.setdefault(_owner(slot), []).append(f"{slot_words(slot)}: {entry_in_words(entry)}")
    return [f"{owner} has {'; '.join(rights)}" for owner, rights in owned.items()]


def _owner(slot: Slot) -> str:
    return str(slot).split(", ", 1)[0].replace("task ", "t")
