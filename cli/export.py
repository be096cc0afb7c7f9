"""``sendright export``: writes a recorded run in the form of another tool."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from sendright.cli.bad_input import BadInput
from sendright.cli.plugins import profile_given
from sendright.cli.reporting import check_files, conclude, write_files
from sendright.cli.streams import complain, show, write
from sendright.cli.traces import LARGEST_FILE, read_trace
from sendright.mach.files import CantRead, read_regular
from sendright.mach.json_text import read_json
from sendright.mach.kernel.bases import base_of
from sendright.mach.kernel.profiles import GNUMACH, Profile
from sendright.mach.results.verdicts import ExitStatus
from sendright.mach.state.trace import LIMITS, Trace
from sendright.reports.escape import one_line


class Form(Enum):
    """What a run is exported to."""

    ITF = "itf"
    C = "c"
    MERMAID = "mermaid"
    MERMAID_GRAPH = "mermaid-graph"
    DOT = "dot"
    GRAPHML = "graphml"
    SYZKALLER = "syzkaller"


def export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A trace.json, a script (script.json, a run in the ITF), or recorded witnesses."),
    ],
    to: Annotated[Form, typer.Option("--to", help="The form to write.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="OUT", help="File to write. Default: standard output.")] = None,
    case: Annotated[str | None, typer.Option("--case", metavar="CASE", help="Of a file with several runs: the id of a case, or its number.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="NAME",
            help="With --to c: the kernel that the program is for, or a file of switches, my.toml. Default: the run's.",
        ),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="With --to c: also compile the program, run it on the live GNU Mach under QEMU, and show what it says.")
    ] = False,
) -> int:
    """Write a recorded run for another tool: a model checker's trace, a C program, a diagram, a graph, a fuzzer's
    program.

    [bold]itf[/bold] is the Informal Trace Format of Apalache and Quint. sendright replay reads it, too. [bold]c[/bold]
    is a program that makes the calls and says PASS or FAIL of each step. It expects what the profile's kernel has to
    do, also where the recorded run went wrong. [bold]mermaid[/bold] is a sequence diagram; [bold]mermaid-graph[/bold],
    [bold]dot[/bold] and [bold]graphml[/bold] are the graph of where each right came from. [bold]syzkaller[/bold] is a
    program of XNU's Mach traps. What a form can't express is said on standard error, and in the file.

    [bold]Examples[/bold]

      sendright export sendright-report/trace.json --to itf -o run.itf.json
      sendright export sendright-report/script.json --to c --run -o run.c
      sendright export sendright-report/trace.json --to mermaid
      sendright export model/execution/witnesses.json --case 7 --to syzkaller

    [bold]Exit status[/bold]

      0  the file is written; with --run, the program says PASS
      1  with --run: a step FAILs on the live kernel
      2  the input or the command line is wrong, or the form can't express the run
      3  with --run: the kernel crashed or hung
      4  with --run: undetermined: the program doesn't express the whole run
    """
    if (profile is not None or run) and to is not Form.C:
        raise BadInput(f"{'--run' if run else '--profile'}: goes with --to c only (leave it out)")
    if output is not None:
        check_files({"--output": output}, [file])
    chosen = None if profile is None else profile_given(profile)
    name, trace = _chosen(file, case)
    text, said, expressed = _written(to, file, name, trace, chosen)
    if not expressed:
        raise BadInput(f"{file}: can't be exported to {to.value}: {one_line(said[0])} (choose another form)")
    kernel = trace.profile if chosen is None else chosen.name
    if run and base_of(kernel) != GNUMACH.name:
        raise BadInput(f"--run: the live kernel is a GNU Mach, and the program is for {kernel} (add --profile gnumach)")
    failed: list[str] = []
    write_files({"--output": (output, lambda: text)}, failed)
    for line in said:
        complain(one_line(line))
    if run:
        return _run(text, failed)

    def say() -> None:
        if output is None:
            write(text)
        elif not failed:
            show(Text(f"Written: {output}"))

    return conclude(ExitStatus.HOLDS, say, failed)


def _run(text: str, failed: list[str]) -> int:
    """Run a program on the live kernel, and show what it says."""
    from sendright.impl.adapters.gnumach.files import NotSetUp
    from sendright.impl.adapters.gnumach.program import run_program
    from sendright.mach.kernel.implementation import ImplementationCrash

    try:
        lines = run_program(text)
    except NotSetUp as error:
        raise BadInput(f"--run: {error}") from error
    except ImplementationCrash as error:
        words = f"the kernel or the program {error}"
        return conclude(ExitStatus.CRASHED, lambda: show(Text(one_line(words))), failed)
    verdict = lines[-1].removeprefix("end ")
    status = {"PASS": ExitStatus.HOLDS, "FAIL": ExitStatus.VIOLATION, "UNDETERMINED": ExitStatus.UNDETERMINED}.get(verdict, ExitStatus.CRASHED)
    return conclude(status, lambda: show(*(Text(one_line(line)) for line in lines)), failed)


def _written(to: Form, file: Path, name: str, trace: Trace, profile: Profile | None) -> tuple[str, list[str], bool]:
    """The text of the file, what it doesn't express, and whether it is worth writing."""
    from sendright.properties.provenance import graph_files
    from sendright.properties.provenance.derivation import derive

    title = f"from {file.name}" + (f", case {name}" if name else "")
    if to is Form.ITF:
        from sendright.properties.interchange.itf import itf

        return itf(trace), [], True
    if to is Form.MERMAID:
        from sendright.reports.mermaid import MOST_STEPS, sequence

        left = len(trace.steps) - MOST_STEPS
        return sequence(trace), [f"{left} calls after the first {MOST_STEPS} are left out"] if left > 0 else [], True
    if to is Form.C:
        return _c(file, title, trace, profile)
    if to is Form.SYZKALLER:
        from sendright.properties.interchange.syzkaller import syzkaller

        program = syzkaller(trace, title)
        missing = list(map(str, program.missing))
        wrong = {violation.step for violation in trace.violations}
        lost = [str(each) for each in program.missing if each.step in wrong]
        return program.text, lost or missing, not lost and (len(missing) < len(trace.steps) or not missing)
    writer = {Form.DOT: graph_files.dot, Form.GRAPHML: graph_files.graphml, Form.MERMAID_GRAPH: graph_files.mermaid}[to]
    return writer(derive(trace).graph, trace.shows), [], True


def _c(file: Path, title: str, trace: Trace, profile: Profile | None) -> tuple[str, list[str], bool]:
    from sendright.properties.interchange.c_program import c_program
    from sendright.properties.interchange.recorded import NoRun, known_run

    try:
        known = known_run(trace, *_kernel_and_oracle(), profile)
    except NoRun as error:
        raise BadInput(f"{file}: the run can't be made again{'' if profile is None else f' as {profile.name}'}: {one_line(str(error))}") from error
    program = c_program(known, title)
    if program.missing is None:
        return program.text, [], True
    wrong = [violation.step for violation in trace.violations]
    return program.text, [str(program.missing)], program.missing.step > 0 and not any(step >= program.missing.step for step in wrong)


def _kernel_and_oracle() -> tuple[Callable[[], Any], Callable[[Profile], Any]]:
    from sendright.impl.reference import ReferenceKernel
    from sendright.model.execution.oracle import Oracle

    return ReferenceKernel, Oracle


class _Beginning(msgspec.Struct):
    """What tells a trace from a script."""

    format: str | None = None


def _chosen(file: Path, case: str | None) -> tuple[str, Trace]:
    """The run that ``--case`` names, or the only one, with its id."""
    try:
        content = read_regular(file, LARGEST_FILE)
    except CantRead as error:
        raise BadInput(f"{file}: {error}") from error
    if content.lstrip()[:1] == b"[":
        return _witness(file, content, case)
    try:
        beginning = read_json(content, _Beginning)
    except msgspec.DecodeError:
        beginning = _Beginning()  # the reader of scripts says what is wrong
    if (beginning.format or "").startswith("sendright-trace/"):
        if case is not None:
            raise BadInput(f"--case: {file} has one run (leave it out)")
        return "", read_trace(file)
    return _of_script(file, content, case)


def _of_script(file: Path, content: bytes, case: str | None) -> tuple[str, Trace]:
    from sendright.properties.interchange.recorded import runs_of_script
    from sendright.properties.scripts.load import parse_script

    script = parse_script(content, file)
    ids = [each.id for each in script.cases]
    index = _index(file, case, ids)
    (result,) = runs_of_script(msgspec.structs.replace(script, cases=(script.cases[index],)), *_kernel_and_oracle())
    if result.verdict in ("not_modelled", "crashed") or result.trace is None:
        raise BadInput(f"{file}: case {ids[index]}: {one_line(result.reason or 'it can not be run')} (only runs that are modelled can be exported)")
    return ids[index], result.trace


def _witness(file: Path, content: bytes, case: str | None) -> tuple[str, Trace]:
    from sendright.model.execution.witnesses import Witness, calls_of
    from sendright.properties.interchange.recorded import NoRun, run_of_calls

    try:
        found = read_json(content, tuple[Witness, ...])
    except msgspec.DecodeError as error:
        raise BadInput(f"{file}: not recorded runs: {error} (name a trace.json, a script or a witnesses.json)") from error
    index = _index(file, case, [str(number) for number in range(1, len(found) + 1)])
    witness = found[index]
    limits = {limit: getattr(witness, limit) for limit in LIMITS}
    try:
        return str(index + 1), run_of_calls(calls_of(witness), witness.profile, limits, *_kernel_and_oracle())
    except NoRun as error:
        raise BadInput(f"{file}: run {index + 1}: {one_line(str(error))}") from error


def _index(file: Path, case: str | None, ids: list[str]) -> int:
    if not ids:
        raise BadInput(f"{file}: has no runs (name a file with some)")
    if case is None:
        if len(ids) == 1:
            return 0
        some = ", ".join(map(one_line, ids[:5]))
        raise BadInput(f"{file}: has {len(ids)} runs: add --case with one of {some}{', …' if len(ids) > 5 else ''}")
    if case in ids:
        return ids.index(case)
    if case.isascii() and case.isdecimal() and len(case) < 9 and 1 <= int(case) <= len(ids):
        return int(case) - 1
    raise BadInput(f"--case: {file} has no case {case!r} (name an id, or a number from 1 to {len(ids)})")
