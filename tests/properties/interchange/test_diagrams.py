"""Diagrams and graphs of runs: each is parsed back, and no hostile text gets out of its place."""

import io
import re
from collections.abc import Callable

import msgspec
import networkx as nx
import pytest
from support.exported import failing, growing

from sendright.mach.state.trace import Trace
from sendright.properties.provenance import graph_files
from sendright.properties.provenance.derivation import derive
from sendright.reports.mermaid import MOST_STEPS, sequence

HOSTILE = 'end;\n"<b>#x; --> %%{init: {}}%% `a` | ] }} \\" // wrap: {evil} \x1b[31m \u202e participant K\r\nK->>K: no'
ENTITY = re.compile(r"#(\d+);")
SEQUENCE = (
    re.compile(r"    participant (?P<actor>T\d+|K) as (?P<text>.*)"),
    re.compile(r"    (?P<source>T\d+)->>K: (?P<text>.*)"),
    re.compile(r"    K-->>(?P<target>T\d+): (?P<text>.*)"),
    re.compile(r"    note over (?P<over>K): (?P<text>.*)"),
)


def plain(text: str) -> str:
    """What a reader sees of a text in Mermaid. Fails for a letter that means something."""
    assert not re.search(r'[;<>"&{}|\[\]`%#\\]', ENTITY.sub("", text)), text
    assert text.isprintable()
    return ENTITY.sub(lambda entity: chr(int(entity[1])), text)


def parsed(diagram: str) -> list[dict[str, str]]:
    first, second, *lines = diagram.splitlines()
    assert (first, second) == ("%% written by sendright", "sequenceDiagram")
    found = [next((match for form in SEQUENCE if (match := form.fullmatch(line))), None) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if match is None]
    return [match.groupdict() | {"text": plain(match["text"])} for match in found if match]


def hostile(trace: Trace) -> Trace:
    wrong = tuple(msgspec.structs.replace(each, words=HOSTILE) for each in trace.violations)
    outputs = {**trace.steps[-1].outputs, HOSTILE: HOSTILE}
    steps = (*trace.steps[:-1], msgspec.structs.replace(trace.steps[-1], outputs=outputs))
    return msgspec.structs.replace(trace, implementation=HOSTILE, violations=wrong, steps=steps)


def test_a_sequence_diagram_has_each_call_and_answer() -> None:
    trace = growing("manual")
    parts = parsed(sequence(trace))
    assert [part["actor"] for part in parts if "actor" in part] == ["T0", "T1", "K"]
    calls = [part for part in parts if "source" in part]
    assert [(part["source"], part["text"].split("(")[0]) for part in calls] == [
        (f"T{step.task}", f"{step.index + 1}. {step.call}") for step in trace.steps
    ]
    answers = [part["text"] for part in parts if "target" in part]
    assert answers[1] == "KERN_SUCCESS, child_task = 7; makes task 1"
    assert len(answers) == len(trace.steps)


def test_a_violation_is_a_note_and_hostile_words_stay_in_it() -> None:
    parts = parsed(sequence(hostile(failing())))
    (note,) = [part for part in parts if "over" in part]
    assert note["text"].startswith('VIOLATION: end; "<b>#x; --> %%{init')
    assert "\\x1b" in note["text"]
    assert len([part for part in parts if "source" in part]) == 2


def test_a_long_run_is_cut_with_a_note() -> None:
    trace = failing()
    steps = tuple(msgspec.structs.replace(trace.steps[0], index=index) for index in range(MOST_STEPS + 7))
    parts = parsed(sequence(msgspec.structs.replace(trace, steps=steps)))
    assert parts[-1]["text"] == "7 further calls are left out"
    assert len([part for part in parts if "source" in part]) == MOST_STEPS


Triple = tuple[str, str, str]
NODE = re.compile(r'  (n\d+)(?:\(\(\(|\[\[|\(|\{\{|\[/|\[)"(.*)"(?:\)\)\)|\]\]|\)|\}\}|/\]|\])')
EDGE = re.compile(r'  (n\d+) -->\|"(.*)"\| (n\d+)')


def of_mermaid(text: str) -> set[Triple]:
    names, edges = {}, []
    first, second, *lines = text.splitlines()
    assert (first, second) == ("%% written by sendright", "flowchart LR")
    for line in lines:
        node, edge = NODE.fullmatch(line), EDGE.fullmatch(line)
        if node:
            names[node[1]] = plain(node[2])
        elif edge:
            edges.append((edge[1], plain(edge[2]), edge[3]))
        else:
            assert re.fullmatch(r"  (classDef c\d [\w:#,-]+|class (n\d+,?)+ c\d)", line), line
    return {(names[source], how, names[target]) for source, how, target in edges}


def of_dot(text: str) -> set[Triple]:
    quoted = r'"((?:[^"\\]|\\.)*)"'
    names, edges = {}, []
    for line in text.splitlines():
        node = re.fullmatch(rf"  (n\d+) \[label={quoted}, shape=\w+(, \w+=(\"[#\w]+\"|\d))*\];", line)
        edge = re.fullmatch(rf"  (n\d+) -> (n\d+) \[label={quoted}\];", line)
        if node:
            names[node[1]] = re.sub(r"\\(.)", r"\1", node[2])
        elif edge:
            edges.append((edge[1], re.sub(r"\\(.)", r"\1", edge[3]), edge[2]))
        else:
            assert line in ("// written by sendright", "digraph derivation {", "}") or line.startswith(("  rankdir=", "  node [", "  edge [")), line
    return {(names[source], how, names[target]) for source, how, target in edges}


def of_graphml(text: str) -> set[Triple]:
    graph = nx.read_graphml(io.BytesIO(text.encode()), force_multigraph=True)
    labels = {node: data["label"] for node, data in graph.nodes(data=True)}
    return {(labels[source], graph_files.edge_in_words(data), labels[target]) for source, target, data in graph.edges(data=True)}


@pytest.mark.parametrize(
    ("write", "read"),
    [(graph_files.mermaid, of_mermaid), (graph_files.dot, of_dot), (graph_files.graphml, of_graphml)],
    ids=["mermaid", "dot", "graphml"],
)
@pytest.mark.parametrize("trace", [growing("manual"), growing("gnumach"), failing()], ids=["manual", "gnumach", "failing"])
def test_each_form_has_the_whole_graph(write: Callable[..., str], read: Callable[[str], set[Triple]], trace: Trace) -> None:
    derivation = derive(trace)
    wanted = {(str(source), graph_files.edge_in_words(edge), str(target)) for source, target, edge in derivation.graph.edges(data=True)}
    assert len(wanted) > 15
    assert read(write(derivation.graph)) == wanted
