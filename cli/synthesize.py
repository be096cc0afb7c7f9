"""``sendright synthesize``: writes logs of any size, with known violations, to test ``sendright audit``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Quiet
from sendright.cli.progress import ProgressBar
from sendright.cli.reporting import check_files
from sendright.mach.interrupt import heeding_at_once, stop_if_interrupted

AT_ONCE = 256
"""Lines per write."""


def synthesize(
    form: Annotated[str, typer.Option("--format", "-f", metavar="NAME", help="Format of the log: eslogger or lsmp.")] = "eslogger",
    events: Annotated[int, typer.Option("--events", "-n", min=1, metavar="N", help="Number of events; the log may have a few more.")] = 10_000,
    plant: Annotated[
        list[str] | None,
        typer.Option("--plant", metavar="RULE", help="Plant a violation of this audit rule, or of all. Can be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random run: the same seed gives the same log.")] = 0,
    tokens: Annotated[str, typer.Option("--tokens", metavar="HOW", help="Spelling of tokens: object, array, text, dashes or mixed.")] = "object",
    wrapper: Annotated[str, typer.Option("--wrapper", metavar="WHAT", help="Wrapping of messages: none or shipper (as log shippers do).")] = "none",
    drop: Annotated[float, typer.Option("--drop", min=0.0, max=0.9, metavar="SHARE", help="Share of events that are missing from the log.")] = 0.0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Swap events that are close in time.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE instead of standard output.")] = None,
    quiet: Quiet = False,
) -> int:
    """Run the reference kernel and write a log of the run, as a recorder would, optionally with planted violations.

    Use it to test what [bold]sendright audit[/bold] finds, and how fast it is. The names for --plant are those of
    [bold]sendright audit --list-rules[/bold].

    [bold]Examples[/bold]

      sendright synthesize --events 100000 --plant control -o planted.json
      sendright synthesize --plant all --drop 0.01 -o lossy.json
      sendright synthesize --events 1000000 | sendright audit -

    [bold]Exit status[/bold]

      0    written
      2    the command line is wrong, or the log can't be written
      130  interrupted
    """
    check_files({"--output": output})
    from sendright.impl.synthesis.logs import BadRequest, Recorder, log_of
    from sendright.reports.write import replacing

    try:
        lines = log_of(form, events, seed, plant or [], Recorder(form=tokens, wrapper=wrapper, drop=drop, shuffle=shuffle))
    except BadRequest as error:
        raise BadInput(str(error)) from error
    standard = sys.stdout.buffer  # while progress is shown, what is printed goes to standard error
    with ProgressBar("writing", quiet) as progress:
        try:
            if output is None:
                _write(lines, standard, events, progress)
            else:
                with replacing(output) as file:
                    _write(lines, file, events, progress)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise BadInput(f"{output or 'standard output'}: can't be written: {error.strerror} (choose another file with --output)") from error
    return 0


def _write(lines: Iterator[bytes], to: BinaryIO, events: int, progress: ProgressBar) -> None:
    done = 0
    while part := list(islice(lines, AT_ONCE)):
        stop_if_interrupted()
        with heeding_at_once():
            to.write(b"".join(part))
        done += len(part)
        progress.update(min(done, events), events, "events")
    to.flush()
