"""An event log of any size: a life, planted violations, and a recorder that can lose and reorder events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from sendright.impl.synthesis.eslogger import TOKEN_FORMS, WRAPPERS, Writer
from sendright.impl.synthesis.life import Life
from sendright.impl.synthesis.occurrence import Occurrence
from sendright.impl.synthesis.plants import PLANTS, Plant, planted

WINDOW = 8
"""The number of records among which the order can differ from that of the events."""


class Recorder(msgspec.Struct, frozen=True, kw_only=True):
    """The recorder's options."""

    form: str = TOKEN_FORMS[0]
    """The spelling of tokens; ``mixed``: another one in each record."""
    wrapper: str = WRAPPERS[0]
    drop: float = 0.0
    """The share of events that the recorder loses."""
    shuffle: bool = False
    """Whether events that are close in time are delivered in another order."""
    equal_times: float = 0.1
    """The share of events that have the same time as the one before."""
    host: str = "mac"


def event_log(events: int, seed: int, plants: Sequence[str] = (), recorder: Recorder | None = None) -> Iterator[bytes]:
    """The lines of a log of at least ``events`` events, with each of ``plants`` (``PLANTS``) as often as it is named.

    The same arguments give the same log. Raises KeyError for an unknown plant.
    """
    recorder = recorder or Recorder()
    how = Random(seed ^ 0x5EED)  # the recorder's choices don't change the life
    life = Life(seed)
    writers = _writers(recorder)
    time, block = 0, list[tuple[int, Occurrence]]()
    for one in _with_plants(life, events, [PLANTS[name] for name in plants], how):
        if how.random() >= recorder.equal_times:
            time += 1_000 + int(how.random() * 2_000_000)
        block.append((time, one))
        if len(block) >= WINDOW:
            yield from _written(block, writers, recorder, how)
            block.clear()
    yield from _written(block, writers, recorder, how)


def _writers(recorder: Recorder) -> list[Writer]:
    """A writer for each form; they share their sequence numbers."""
    forms = TOKEN_FORMS if recorder.form == "mixed" else (recorder.form,)
    return [Writer(form, recorder.wrapper, recorder.host) for form in forms]


def _written(block: list[tuple[int, Occurrence]], writers: list[Writer], recorder: Recorder, how: Random) -> Iterator[bytes]:
    if recorder.shuffle:
        how.shuffle(block)
    first = writers[0]
    lossy = recorder.drop > 0 and not any(one.planted for _, one in block)
    for time, one in block:
        if lossy and how.random() < recorder.drop:
            first.skip(one)
            continue
        writer = first if len(writers) == 1 else how.choice(writers)
        if writer is not first:
            writer.counts, writer.total = first.counts, first.total
        yield writer.line(one, time)
        first.total = writer.total


def _with_plants(life: Life, events: int, plants: Sequence[Plant], how: Random) -> Iterator[Occurrence]:
    """The life up to so many events. The plants are at random places in it, each in one piece."""
    left = sorted((how.randrange(events // 10, max(events * 9 // 10, events // 10 + 1)), number) for number in range(len(plants)))
    count = 0
    for one in life.acts():
        for occurrence in one:
            yield occurrence
            count += 1
        while left and count >= left[0][0]:
            for occurrence in planted(plants[left.pop(0)[1]], life):
                yield occurrence
                count += 1
        if count >= events and not left:
            return
