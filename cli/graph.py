"""``sendright graph``: shows where the rights and tokens of a recorded run came from, and which tasks could get
which."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from sendright.cli.bad_input import BadInput
from sendright.cli.options import Json
from sendright.cli.reporting import check_files, conclude, write_files
from sendright.cli.streams import show, show_json
from sendright.cli.traces import read_trace
from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.results.verdicts import ExitStatus
from sendright.mach.state.trace import Trace
from sendright.mach.state.view import NOT_SHOWN
from sendright.reports.escape import one_line

if TYPE_CHECKING:
    from sendright.properties.provenance.authority import Authority, Hop
    from sendright.properties.provenance.derivation import Derivation
    from sendright.properties.provenance.nodes import Node
    from sendright.properties.provenance.revocation import Revocation


def graph(
    file: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace.json, as a failing check or replay, or --trace, writes it.")],
    task: Annotated[
        int | None,
        typer.Option("--task", "-t", metavar="N", help="Show only this task's rights, and which tasks can get its port."),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", metavar="N", help="Show only rights to this port, and which tasks can get one.")] = None,
    who: Annotated[
        list[str] | None,
        typer.Option(
            "--who-can-get", "-w", metavar="WHAT", help="Show which tasks can get a right to host_security, task:N or port:N. Can be repeated."
        ),
    ] = None,
    trust: Annotated[
        list[int] | None,
        typer.Option("--trust", metavar="N", help="Assume that task N gives no right away unless another task controls it. Can be repeated."),
    ] = None,
    dot: Annotated[Path | None, typer.Option("--dot", metavar="FILE", help="Write the graph to FILE in Graphviz's DOT format.")] = None,
    graphml: Annotated[Path | None, typer.Option("--graphml", metavar="FILE", help="Write the graph to FILE as GraphML.")] = None,
    json: Json = False,
) -> int:
    """Show where each right and token at the end of a run came from, call by call, starting at boot.

    Also shows which tasks could get a right to the host security port (or to another port), in how many calls and by
    which calls, and which rights to remove to prevent it. A right or token without an origin is a violation.

    [bold]Examples[/bold]

      sendright graph sendright-report/trace.json
      sendright graph trace.json --task 1 --port 2
      sendright graph trace.json --who-can-get task:0 --trust 0 --dot rights.dot

    [bold]Exit status[/bold]

      0  every right and token has an origin
      1  a right or token has none
      2  the input or the command line is wrong
    """
    check_files({"--dot": dot, "--graphml": graphml}, [file])
    trace = read_trace(file)
    _choose("--task", task, trace.final.tasks)
    _choose("--port", port, trace.final.ports)
    from sendright.properties.provenance.authority import derivation_path, token_paths
    from sendright.properties.provenance.derivation import derive
    from sendright.properties.provenance.nodes import not_shown
    from sendright.properties.provenance.revocation import revoked_by_end

    authorities = _authorities(trace, task, port, who or [], trust or [])
    derivation = derive(trace)
    chosen = [
        node
        for node in sorted(derivation.current.values(), key=lambda node: (node.slot, node.kind))
        if node.slot.where != "message" and task in (None, node.slot.task) and port in (None, node.port)
    ]
    tokens = {node: way for node, way in token_paths(derivation).items() if port is None and (task is None or node.task == task)}
    rights: dict[Node, tuple[Hop, ...]] = {node: derivation_path(derivation, node) for node in chosen}
    end = revoked_by_end(trace.final, task) if task in trace.final.tasks else None
    parts: list[Node] = [*chosen, *tokens]
    hidden = {node: words for node in parts if (words := not_shown(node, trace.shows))}
    failed = _write_files(derivation, None if task is None and port is None else parts, dot, graphml)

    def say() -> None:
        if json:
            show_json(
                {
                    "implementation": trace.implementation,
                    "rights": [{"right": str(node), "path": msgspec.to_builtins(way)} | _marked(hidden.get(node)) for node, way in rights.items()],
                    "tokens": [{"tokens": str(node), "path": msgspec.to_builtins(way)} | _marked(hidden.get(node)) for node, way in tokens.items()],
                    "not_shown": _not_shown_words(trace),
                    "authority": msgspec.to_builtins(authorities),
                    "end": None if end is None else msgspec.to_builtins(end.in_words()),
                    "violations": msgspec.to_builtins(derivation.violations),
                }
            )
            return
        not_reported = _not_shown_words(trace)
        ways = (*rights.items(), *tokens.items())
        lines = [line for node, way in ways for line in _origin_lines(node, way, hidden.get(node))] or [Text("no right matches --task and --port")]
        lines += [line for one in authorities for line in _authority_lines(one)]
        lines += _end_lines(end) if end is not None else []
        lines += [Text(one_line(f"call {violation.step + 1}: {violation.words}"), "bold red") for violation in derivation.violations]
        show(*([Text(one_line(not_reported), "yellow")] if not_reported else []), *lines)

    return conclude(ExitStatus.VIOLATION if derivation.violations else ExitStatus.HOLDS, say, failed)


def _choose(option: str, number: int | None, living: Collection[int]) -> None:
    if number is not None and number not in living:
        there = ", ".join(map(str, sorted(living))) or "none: nothing lives there"
        what = "port" if option == "--port" else "task"
        raise BadInput(f"{option}: no {what} {number} lives at the end of the run (choose one of {there})")


def _authorities(trace: Trace, task: int | None, port: int | None, who: list[str], trust: list[int]) -> list[Authority]:
    """Which tasks can get a right to each port that ``--who-can-get`` names.

    Without that option: to the live ports that ``--task`` and ``--port`` name, or else to the host security port.
    """
    from sendright.properties.provenance.authority import NoSuchPort, authority, find_port

    final = trace.final
    for trusted in trust:
        _choose("--trust", trusted, final.tasks)
    try:
        ports = [find_port(final, wanted) for wanted in who]
    except NoSuchPort as error:
        raise BadInput(f"--who-can-get: {error}") from error
    if not who and task in final.tasks and final.tasks[task].port in final.ports:
        ports.append(final.tasks[task].port)
    if not who and port in final.ports:
        ports.append(port)
    if not who and task is None and port is None:
        ports += [number for number, shown in final.ports.items() if shown.object is PortObject.HOST_SECURITY]
    return [authority(final, number, PROFILES.get(trace.profile), trust) for number in dict.fromkeys(ports)]


def _write_files(derivation: Derivation, parts: list[Node] | None, dot: Path | None, graphml: Path | None) -> list[str]:
    """Write the whole graph, or only what ``parts`` came from. Gives a message for each file that can't be written."""
    from sendright.properties.provenance import graph_files

    graph = derivation.graph if parts is None else graph_files.history_of(derivation, parts)
    shows = derivation.trace.shows
    failed: list[str] = []
    forms = {"--dot": (dot, lambda: graph_files.dot(graph, shows)), "--graphml": (graphml, lambda: graph_files.graphml(graph, shows))}
    write_files(forms, failed)
    return failed


def _not_shown_words(trace: Trace) -> str | None:
    """A sentence on which parts of the states in ``trace`` the implementation didn't report; None if it reports all."""
    if trace.shows is None:
        return None
    return (
        f'{trace.implementation} doesn\'t report all of its state. The parts marked "{NOT_SHOWN}", and all that follows from them, '
        "are what the specification expects."
    )


def _marked(words: str | None) -> dict[str, str]:
    return {} if words is None else {"not_shown": words}


def _origin_lines(node: Node, way: tuple[Hop, ...], hidden: str | None) -> list[Text]:
    lines = [Text.assemble((one_line(str(node)), "bold"), f" ({hidden})" if hidden else "")]
    for hop in way:
        call = f"call {hop.step + 1}, {hop.call}: " if hop.call else ""
        lines.append(_indented(f"{call}{hop.how}: {hop.gives}"))
    return lines if way else [*lines, Text("    no call and no boot state explains it", "bold red")]


def _authority_lines(authority: Authority) -> list[Text]:
    thing = f"port {authority.port}" + ("" if authority.stands_for == "nothing" else f" ({authority.stands_for.replace('_', ' ')})")
    lines = [Text(""), Text(f"Which tasks can get a right to {thing}", "bold underline")]
    for reach in authority.tasks:
        for right in reach.holds:
            lines.append(Text(one_line(f"task {reach.task} holds {right}")))
        if reach.calls is None:
            lines.append(Text(f"task {reach.task} " + ("can't get one" if reach.takes_part else "is trusted, and gives none away")))
        elif reach.calls:
            lines.append(Text(f"task {reach.task} can get one in {reach.calls} call{'s' if reach.calls > 1 else ''}"))
            for leg in reach.way:
                lines.append(_indented(leg.words + (f", by {' and '.join(leg.by)}" if leg.by else "")))
        if reach.calls is not None and reach.takes_part:
            lines.append(_indented(_prevention("this", reach.prevented_by)))
    if sum(1 for reach in authority.tasks if reach.calls) > 1:
        lines.append(Text(one_line(_prevention("every other task from getting one", authority.confined_by))))
    lines += [Text(one_line(f"outside all name spaces: {right}")) for right in authority.kept]
    return lines


def _prevention(what: str, rights: tuple[str, ...] | None) -> str:
    if rights is None:
        return f"removing rights can't prevent {what}"
    return f"to prevent {what}, remove {len(rights)} right{'s' if len(rights) != 1 else ''}: {'; '.join(rights)}"


def _end_lines(end: Revocation) -> list[Text]:
    lines = [Text(""), Text(f"What terminating task {end.task} revokes", "bold underline")]
    for title, rights in end.in_words().items():
        lines += [Text(one_line(f"{title}: {right}")) for right in rights]
    return lines


def _indented(words: str) -> Text:
    line = Text(one_line(words))
    line.pad_left(4)
    return line
