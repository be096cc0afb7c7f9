"""``sendright synthesize``: logs of any size with known violations, to try an audit on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Quiet
from sendright.cli.progress import Shown
from sendright.mach.interruption import stop_if_interrupted

AT_ONCE = 256
"""Lines that are written at once."""


def synthesize(
    form: Annotated[str, typer.Option("--format", "-f", metavar="NAME", help="The form of the log: eslogger or lsmp.")] = "eslogger",
    events: Annotated[int, typer.Option("--events", "-n", min=1, metavar="N", help="So many events, or a few more.")] = 10_000,
    plant: Annotated[
        list[str] | None,
        typer.Option("--plant", metavar="RULE", help="Plant a violation of this rule of audit's, or of all. Can be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same log.")] = 0,
    tokens: Annotated[str, typer.Option("--tokens", metavar="HOW", help="How tokens are spelled: object, array, text, dashes or mixed.")] = "object",
    wrapper: Annotated[str, typer.Option("--wrapper", metavar="WHAT", help="What messages are wrapped in: none or shipper.")] = "none",
    drop: Annotated[float, typer.Option("--drop", min=0.0, max=0.9, metavar="SHARE", help="The share of events that the recorder loses.")] = 0.0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Deliver events that are near in time in another order.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of standard output.")] = None,
    quiet: Quiet = False,
) -> int:
    """Write a log as a recorder would have written it of a run of the reference kernel, with or without planted violations.

    [bold]Examples[/bold]

      sendright synthesize --events 100000 --plant control --plant chain -o planted.json && sendright audit planted.json

      sendright synthesize --events 1000000 | sendright audit -
    """
    from sendright.impl.synthesis.logs import BadRequest, Recorder, log_of

    try:
        lines = log_of(form, events, seed, plant or [], Recorder(form=tokens, wrapper=wrapper, drop=drop, shuffle=shuffle))
    except BadRequest as error:
        raise BadInput(str(error)) from error
    standard = sys.stdout.buffer  # while progress is shown, what is printed goes to standard error
    with Shown("writing", quiet) as shown:
        try:
            if output is None:
                _write(lines, standard, events, shown)
            else:
                with output.open("wb") as file:
                    _write(lines, file, events, shown)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise BadInput(f"{output or 'standard output'}: can't be written: {error.strerror} (choose another file with --output)") from error
    return 0


def _write(lines: Iterator[bytes], to: BinaryIO, events: int, shown: Shown) -> None:
    done = 0
    while part := list(islice(lines, AT_ONCE)):
        stop_if_interrupted()
        to.write(b"".join(part))
        done += len(part)
        shown.update(min(done, events), events, "events")
    to.flush()
