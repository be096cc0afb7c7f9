"""The logs that can be synthesized, by form, and the violations that each form can contain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from sendright.impl.synthesis import listing
from sendright.impl.synthesis.eslogger import TOKEN_FORMS, WRAPPERS
from sendright.impl.synthesis.plants import PLANTS
from sendright.impl.synthesis.recording import Recorder, event_log

__all__ = ["FORMS", "BadRequest", "Recorder", "log_of"]

ALL = "all"
MIXED = "mixed"
FORMS: Mapping[str, tuple[str, ...]] = {"eslogger": tuple(PLANTS), "lsmp": tuple(listing.PLANTS)}
"""Form -> the rules whose violations it can contain."""


class BadRequest(ValueError):
    """The request isn't valid. The message is one line."""


def log_of(form: str, events: int, seed: int, plants: Sequence[str] = (), recorder: Recorder | None = None) -> Iterator[bytes]:
    """The lines of a log. Raises BadRequest for an unknown form, plant, spelling or wrapper."""
    recorder = recorder or Recorder()
    if form not in FORMS:
        raise BadRequest(f"--format: unknown form {form!r} (choose one of {', '.join(FORMS)})")
    chosen = [name for plant in plants for name in (FORMS[form] if plant == ALL else (plant,))]
    for name in chosen:
        if name not in FORMS[form]:
            raise BadRequest(f"--plant: {form} can't contain a violation of a rule {name!r} (choose one of {', '.join(FORMS[form])})")
    if recorder.form not in (*TOKEN_FORMS, MIXED):
        raise BadRequest(f"--tokens: unknown spelling {recorder.form!r} (choose one of {', '.join((*TOKEN_FORMS, MIXED))})")
    if recorder.wrapper not in WRAPPERS:
        raise BadRequest(f"--wrapper: unknown wrapper {recorder.wrapper!r} (choose one of {', '.join(WRAPPERS)})")
    if form == "lsmp":
        if recorder != Recorder():
            raise BadRequest("--format: lsmp lists rights, so there are no events to drop, to shuffle, to wrap or to spell tokens in (use eslogger)")
        return chain([b"# written by sendright\n"], listing.listing(events, seed, chosen))
    return _signed(event_log(events, seed, chosen, recorder))


def _signed(lines: Iterator[bytes]) -> Iterator[bytes]:
    """An extra field of the first message names the synthesizer: the log must not pass for a recording, and it may be
    written over.
    """
    for first in lines:
        yield b'{"generator":"sendright",' + first[1:]
        break
    yield from lines
