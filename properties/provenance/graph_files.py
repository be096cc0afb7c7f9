"""The derivation graph as files: DOT for Graphviz, Mermaid for pages, GraphML for everything else."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping

import networkx as nx

from sendright.mach.state.view import ViewPart
from sendright.properties.provenance.derivation import Derivation
from sendright.properties.provenance.nodes import Boot, MessageNode, Node, PortNode, RightNode, TaskNode, TokenNode, not_shown

_SHAPES: Mapping[type, str] = {
    Boot: "doublecircle",
    TaskNode: "box3d",
    PortNode: "ellipse",
    RightNode: "box",
    TokenNode: "note",
    MessageNode: "folder",
}


def history_of(derivation: Derivation, nodes: Collection[Node]) -> nx.MultiDiGraph[Node]:
    """The part of the graph with ``nodes`` and their ancestors."""
    kept = set(nodes)
    for node in nodes:
        kept |= nx.ancestors(derivation.graph, node)
    part: nx.MultiDiGraph[Node] = derivation.graph.subgraph(kept).copy()
    return part


def dot(graph: nx.MultiDiGraph[Node], shows: Collection[ViewPart] | None = None) -> str:
    """The derivation graph, or a part of it, in Graphviz's language. Rights that no longer exist are grey, unexplained
    nodes red.

    ``shows``: the parts of its state that the implementation shows (``Trace.shows``); the label mentions the other
    parts.
    """
    lines = [
        "// written by sendright",
        "digraph derivation {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif", fontsize=10];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    names = _names(graph)
    for node, name in names.items():
        lines.append(f"  {name} [label={_quoted(_label(node, shows))}, shape={_SHAPES[type(node)]}{_colour(graph, node)}];")
    for source, target, edge in graph.edges(data=True):
        lines.append(f"  {names[source]} -> {names[target]} [label={_quoted(edge_in_words(edge))}];")
    return "\n".join([*lines, "}", ""])


_BRACKETS: Mapping[type, tuple[str, str]] = {
    Boot: ("(((", ")))"),
    TaskNode: ("[[", "]]"),
    PortNode: ("(", ")"),
    RightNode: ("[", "]"),
    TokenNode: ("{{", "}}"),
    MessageNode: ("[/", "/]"),
}


def mermaid(graph: nx.MultiDiGraph[Node], shows: Collection[ViewPart] | None = None) -> str:
    """The derivation graph, or a part of it, as a flowchart in Mermaid's language. Colours and ``shows`` as for
    ``dot``."""
    lines = ["%% written by sendright", "flowchart LR"]
    names = _names(graph)
    styles: dict[str, list[str]] = {}
    for node, name in names.items():
        opening, closing = _BRACKETS[type(node)]
        lines.append(f'  {name}{opening}"{_entities(_label(node, shows))}"{closing}')
        if _is_unexplained(graph, node):
            styles.setdefault("stroke:#b00020,color:#b00020,stroke-width:2px", []).append(name)
        elif "until" in graph.nodes[node]:
            styles.setdefault("stroke:#767676,color:#767676", []).append(name)
    for source, target, edge in graph.edges(data=True):
        lines.append(f'  {names[source]} -->|"{_entities(edge_in_words(edge))}"| {names[target]}')
    for number, (style, of) in enumerate(styles.items()):
        lines += [f"  classDef c{number} {style}", f"  class {','.join(of)} c{number}"]
    return "\n".join([*lines, ""])


def graphml(graph: nx.MultiDiGraph[Node], shows: Collection[ViewPart] | None = None) -> str:
    """The derivation graph, or a part of it, in GraphML.

    Nodes have ``kind``, ``label``, ``explained`` and, if they no longer exist, ``until`` (a step). Edges have ``how``,
    ``call`` and ``step`` (-1: the boot). ``shows`` as for ``dot``.
    """
    names = _names(graph)
    plain: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node, name in names.items():
        kind = type(node).__name__.removesuffix("Node").lower()
        plain.add_node(name, kind=kind, label=_printable(_label(node, shows)), explained=not _is_unexplained(graph, node))
        if "until" in graph.nodes[node]:
            plain.nodes[name]["until"] = graph.nodes[node]["until"]
    for source, target, edge in graph.edges(data=True):
        plain.add_edge(names[source], names[target], how=edge["how"], call=_printable(edge["call"]), step=edge["step"])
    file = io.BytesIO()
    nx.write_graphml(plain, file)
    declaration, newline, rest = file.getvalue().decode().partition("\n")
    return f"{declaration}{newline}<!-- written by sendright -->{newline}{rest}\n"


def _label(node: Node, shows: Collection[ViewPart] | None) -> str:
    hidden = not_shown(node, shows)
    return f"{node} ({hidden})" if hidden else str(node)


def edge_in_words(edge: Mapping[str, object]) -> str:
    """The label of an edge: "copied by call 3, mach_port_insert_right"; calls are counted from 1."""
    return f"{edge['how']} by call {int(str(edge['step'])) + 1}, {edge['call']}" if edge["call"] else str(edge["how"])


def _names(graph: nx.MultiDiGraph[Node]) -> dict[Node, str]:
    return {node: f"n{index}" for index, node in enumerate(graph)}


def _colour(graph: nx.MultiDiGraph[Node], node: Node) -> str:
    if _is_unexplained(graph, node):
        return ', color="#b00020", fontcolor="#b00020", penwidth=2'
    return ', color="#767676", fontcolor="#767676"' if "until" in graph.nodes[node] else ""


def _is_unexplained(graph: nx.MultiDiGraph[Node], node: Node) -> bool:
    return not isinstance(node, Boot) and graph.in_degree(node) == 0


def _quoted(text: str) -> str:
    return '"' + _printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(text: str) -> str:
    """``text`` in which every character that means something to Mermaid is an entity."""
    return "".join(letter if letter.isalnum() or letter in " .,_-" else f"#{ord(letter)};" for letter in _printable(text))


def _printable(text: str) -> str:
    """Replaces characters that the format can't contain; a trace is untrusted data."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
