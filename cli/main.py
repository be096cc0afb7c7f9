"""``sendright``: the command line's entry point, which also turns errors into one line and an exit status."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from sendright.cli.bad_input import BadInput, NotThere
from sendright.cli.commands import MARKUP, Commands
from sendright.cli.help import help_text
from sendright.cli.specification import let_go_of_specification
from sendright.cli.streams import NoOutput, complain, discard_the_rest, forget_odd_sizes, open_streams, write
from sendright.cli.system_errors import directory_is_gone, in_words
from sendright.cli.version import version
from sendright.mach.interrupt import ending_in_order, interrupted_status
from sendright.mach.results.verdicts import ExitStatus

BAD_INPUT = (
    ("sendright.mach.kernel.profiles", "UnknownProfile"),
    ("sendright.properties.scripts.load", "BadScript"),
    ("sendright.mach.extensions", "PluginError"),
)
"""Errors of modules below that say what is wrong with the input."""


def _bad_input() -> tuple[type[Exception], ...]:
    """The errors that say so. A module that isn't imported has raised none."""
    return (BadInput, *[getattr(sys.modules[module], name) for module, name in BAD_INPUT if module in sys.modules])


app = typer.Typer(
    name="sendright",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 everything holds · 1 a violation was found · 2 the input or the command line is wrong · "
    "3 the checked kernel, or sendright itself, crashed or hung · 4 undetermined · 130 interrupted (129, 143: by SIGHUP, SIGTERM). "
    "sendright COMMAND --help describes a command, with examples.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        write(f"sendright {version()}\n")
        raise typer.Exit()


def sendright(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Can a Mach right or a security token ever get where it should not?

    sendright has one specification of Mach's rights, ports, messages and tokens. It [bold]proves[/bold] invariants of
    the specification, and that the calls keep your [bold]policy[/bold]. It [bold]checks[/bold] kernels against it with
    random calls, and [bold]replays[/bold] scripts of calls. From a recorded run it draws the [bold]graph[/bold] of
    which task got which right from which task. And it [bold]audits[/bold] recorded logs of real machines.

    [bold]Examples[/bold]

      sendright check --fault move-send-keeps-sender
      sendright prove --call mach_port_insert_right
      sendright audit eslogger.json
    """


app.callback(help=help_text(sendright.__doc__ or ""))(sendright)


def main(arguments: Sequence[str]) -> int:
    """Run one command; gives its exit status. No traceback gets out, unless SENDRIGHT_DEBUG is set."""
    if not __debug__:  # then the oracle would take each step for right that its assertions refuse
        return _refuse("Python leaves out all assertions (start it without -O, and unset PYTHONOPTIMIZE)", ExitStatus.BAD_INPUT)
    if directory_is_gone():  # libraries fail even at their import then
        return _refuse("the working directory has been removed (change to one that is there)", ExitStatus.BAD_INPUT)
    try:
        with ending_in_order(), let_go_of_specification():
            status = app(list(arguments), prog_name="sendright", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except _bad_input() as error:
        return _refuse(str(error), ExitStatus.BAD_INPUT)
    except NotThere as error:
        return _refuse(str(error), ExitStatus.CRASHED)
    except typer.TyperException as error:
        return _refuse(_usage(error), ExitStatus.BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return _refuse("interrupted before anything was found", interrupted_status())
    except BrokenPipeError:
        return ExitStatus.HOLDS
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer's way to end when the reader has left; its status would be a verdict
            return ExitStatus.HOLDS
        raise
    except NoOutput as error:
        return _refuse(f"standard output can't be written to: {error}", ExitStatus.BAD_INPUT)
    except Exception as error:
        if isinstance(error, OSError) and _printed_by_typer(error):
            discard_the_rest()
            return _refuse(f"standard output can't be written to: {error.strerror}", ExitStatus.BAD_INPUT)
        refused = in_words(error)
        if refused is not None:
            return _refuse(refused, ExitStatus.CRASHED)
        words = f"internal error: {type(error).__name__}: {error}"
        return _refuse(f"{words} (this is a bug in sendright; SENDRIGHT_DEBUG=1 shows where)", ExitStatus.CRASHED)


def _refuse(words: str, status: int) -> int:
    if os.environ.get("SENDRIGHT_DEBUG"):
        traceback.print_exc()
    complain(words)
    return status


def _printed_by_typer(error: OSError) -> bool:
    """Whether it comes of writing a help text, which typer prints itself."""
    return any(frame.f_globals.get("__name__") == "typer.rich_utils" for frame, _ in traceback.walk_tb(error.__traceback__))


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    words = error.format_message().replace("Value error, ", "").strip().rstrip(".")
    return f"{words} (see {context.command_path if context else 'sendright'} --help)"


def run() -> None:
    """The entry point of the ``sendright`` command."""
    open_streams()
    forget_odd_sizes()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
