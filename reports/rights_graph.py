"""The rights graph of one moment as a picture: SVG, laid out the same way every time.

Boxes on the left are tasks, and the host with its special ports; a box has a row for each right. Circles are ports.
Boxes on the right are queued messages, and ports with notification requests. Arrows point in the direction of messages:
from a send right to its port, from a port to its receiver. Changes have a sign and a word as well as a colour.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree import ElementTree as ET

import msgspec

from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.snapshot import EMPTY, Difference, Entry, Slot, entry_in_words, message_in_words
from sendright.mach.state.view import ViewPart, hidden_in_words
from sendright.reports.escape import one_line
from sendright.reports.history import USER_PORT, Moment, kind_words, slot_words

ROW, HEAD, GAP, MARGIN = 24, 30, 18, 12
TASK_WIDTH, MESSAGE_WIDTH = 400, 300
PORT_X, RADIUS, PORT_STEP = 620, 23, 84
MESSAGE_X = 800

_SIGNS = {"made": "+", "gone": "−", "changed": "~", "same": ""}
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


class Row(msgspec.Struct, frozen=True):
    """A row of a box: a slot, or another property of the box that isn't as specified."""

    where: str
    label: str
    text: str
    state: str
    """``made``, ``gone``, ``changed`` or ``same``."""
    entry: Entry
    was: Entry
    wrong: bool
    unshown: str = ""
    """The parts that the implementation doesn't report, in words."""


class Box(msgspec.Struct, frozen=True):
    """A task, the host, a queued message, or a port with its requests."""

    title: str
    x: int
    y: int
    width: int
    rows: tuple[Row, ...]
    wrong: bool

    @property
    def height(self) -> int:
        return HEAD + ROW * max(len(self.rows), 1) + 6

    def row_y(self, index: int) -> int:
        return self.y + HEAD + ROW * index + ROW // 2


def picture(moment: Moment, title: str, wrong: Sequence[Difference] = (), shows: Collection[ViewPart] | None = None) -> str:
    """``moment`` as one ``<svg>`` element with the given ``title``.

    It marks the places that ``wrong`` names, and the parts of the state that the implementation doesn't report: those
    that aren't in ``shows`` (None: it reports all).
    """
    owned: dict[tuple[str, int], list[Row]] = {("task", task): [] for task in moment.tasks}
    for slot in sorted(moment.before.keys() | moment.after.keys()):
        owned.setdefault(_owner(slot), []).append(_row(slot, moment, wrong, shows))
    for (kind, owner), rows in owned.items():
        if kind == "task":
            rows += _rows_without_slot(f"task {owner}, ", rows, wrong)
    places = {difference.where for difference in wrong}
    contents = {
        kind: [(number, rows) for (one, number), rows in sorted(owned.items()) if one == kind] for kind in ("task", "host", "message", "port")
    }
    left = [(f"task t{task}{_process(moment, task)}{_waits(moment, task)}", rows, f"task {task}" in places) for task, rows in contents["task"]]
    left += [("the host", rows, False) for _, rows in contents["host"]]
    right = [
        (f"{message_in_words(serial)}{' waits for room' if serial in moment.unsent else ''}", rows, False) for serial, rows in contents["message"]
    ]
    right += [(f"port {port}: notification requests", rows, False) for port, rows in contents["port"]]
    tasks, messages = _boxes(left, MARGIN, TASK_WIDTH), _boxes(right, MESSAGE_X, MESSAGE_WIDTH)
    ports = _place_ports([*tasks, *messages])
    bottom = max([box.y + box.height for box in (*tasks, *messages)] + [y + RADIUS + 34 for y in ports.values()] + [60])
    width = MESSAGE_X + MESSAGE_WIDTH + MARGIN if messages else PORT_X + 110
    shape = {"viewBox": f"0 0 {width} {bottom + MARGIN}", "width": str(width)}
    svg = ET.Element("svg", {**shape, "class": "rights", "role": "img", "xmlns": "http://www.w3.org/2000/svg"})
    ET.SubElement(svg, "title").text = one_line(title)
    ET.SubElement(svg, "desc").text = description(moment, shows)
    edges, nodes = ET.SubElement(svg, "g"), ET.SubElement(svg, "g")
    for box in (*tasks, *messages):
        _draw_box(nodes, box)
        for index, row in enumerate(box.rows):
            _draw_edges(edges, box, index, row, ports)
    for port, y in ports.items():
        bad = any(f"{place}, ".startswith(f"port {port}, ") for place in places)
        _draw_port(nodes, port, y, moment, bad)
    return ET.tostring(svg, encoding="unicode")


def _process(moment: Moment, task: int) -> str:
    return f": {moment.processes[task]}" if task in moment.processes else ""


def _waits(moment: Moment, task: int) -> str:
    return f" waits in {moment.waiting[task]}" if task in moment.waiting else ""


def description(moment: Moment, shows: Collection[ViewPart] | None = None) -> str:
    """The picture in words, for screen readers."""

    def mark(slot: Slot, before: Entry, after: Entry) -> str:
        hidden = hidden_in_words(slot, before, after, shows)
        return f" ({hidden})" if hidden else ""

    lines = [f"{slot}: {entry_in_words(entry)}{mark(slot, moment.before.get(slot, EMPTY), entry)}" for slot, entry in sorted(moment.after.items())]
    gone = (change for change in moment.changes.values() if change.after == EMPTY)
    lines += [f"{one.slot}: {entry_in_words(one.before)}, gone with this call{mark(one.slot, one.before, EMPTY)}" for one in gone]
    lines += [f"task {task} is {process}" for task, process in sorted(moment.processes.items())]
    lines += [f"task {task} waits in {call}" for task, call in sorted(moment.waiting.items())]
    return "; ".join(lines) or "no rights"


def _owner(slot: Slot) -> tuple[str, int]:
    """The box that has the row of ``slot``."""
    if slot.task is not None:
        return "task", slot.task
    return slot.where if slot.where in ("host", "message") else "port", slot.owner


def _row(slot: Slot, moment: Moment, wrong: Sequence[Difference], shows: Collection[ViewPart] | None) -> Row:
    was, entry = moment.before.get(slot, EMPTY), moment.after.get(slot, EMPTY)
    state = "same" if was == entry else "made" if was == EMPTY else "gone" if entry == EMPTY else "changed"
    text = f"{kind_words(was)} → {kind_words(entry)}" if state == "changed" else kind_words(was if state == "gone" else entry)
    bad = any(difference.of(slot) for difference in wrong)
    return Row(str(slot), slot_words(slot), text, state, entry, was, bad, hidden_in_words(slot, was, entry, shows))


def _rows_without_slot(prefix: str, rows: list[Row], wrong: Sequence[Difference]) -> list[Row]:
    """Rows for differences of a task that have no row yet: a missing right, a token."""
    known = {row.where for row in rows}
    absent = [difference for difference in wrong if difference.where.startswith(prefix) and difference.where not in known]
    return [Row(one.where, one.where.removeprefix(prefix), one.seen, "same", EMPTY, EMPTY, True) for one in absent]


def _boxes(contents: list[tuple[str, list[Row], bool]], x: int, width: int) -> list[Box]:
    boxes: list[Box] = []
    y = MARGIN
    for title, rows, wrong in contents:
        boxes.append(Box(title, x, y, width, tuple(rows), wrong))
        y += boxes[-1].height + GAP
    return boxes


def _place_ports(boxes: list[Box]) -> dict[int, int]:
    """The y coordinate of each port: near the middle of its rows, but not too close to the port above."""
    heights: dict[int, list[int]] = {}
    for box in boxes:
        for index, row in enumerate(box.rows):
            for port in {row.entry.port, row.was.port} - {None}:
                if port is not None:
                    heights.setdefault(port, []).append(box.row_y(index))
    placed: dict[int, int] = {}
    y = MARGIN
    for port in sorted(heights, key=lambda port: (sum(heights[port]) / len(heights[port]), port)):
        y = max(y + (PORT_STEP if placed else RADIUS), sum(heights[port]) // len(heights[port]) - PORT_STEP // 2)
        placed[port] = y
    return placed


def _draw_box(parent: ET.Element, box: Box) -> None:
    group = ET.SubElement(parent, "g", {"class": "box wrong" if box.wrong else "box"})
    ET.SubElement(group, "rect", {"x": str(box.x), "y": str(box.y), "width": str(box.width), "height": str(box.height), "rx": "6"})
    _text(group, box.x + 10, box.y + 20, box.title + ("  ✗ not as specified" if box.wrong else ""), "head")
    if not box.rows:
        _text(group, box.x + 26, box.row_y(0) + 4, "no rights", "quiet")
    for index, row in enumerate(box.rows):
        _draw_row(group, box, row, box.row_y(index))


def _draw_row(parent: ET.Element, box: Box, row: Row, y: int) -> None:
    group = ET.SubElement(parent, "g", {"class": f"row {row.state}" + (" wrong" if row.wrong else "") + (" unshown" if row.unshown else "")})
    if row.unshown:
        ET.SubElement(group, "title").text = row.unshown
    if row.state != "same" or row.wrong:
        ET.SubElement(group, "rect", {"x": str(box.x + 4), "y": str(y - 11), "width": str(box.width - 8), "height": "22", "rx": "4"})
    _text(group, box.x + 11, y + 4, _SIGNS[row.state], "sign")
    _text(group, box.x + 26, y + 4, row.label + ("  ✗" if row.wrong else "") + ("  ?" if row.unshown else ""), "label")
    _text(group, box.x + box.width - 12, y + 4, row.text, "kind", anchor="end")


def _draw_edges(parent: ET.Element, box: Box, index: int, row: Row, ports: dict[int, int]) -> None:
    on_left = box.x < PORT_X
    start, end = (box.x + box.width, PORT_X - RADIUS) if on_left else (box.x, PORT_X + RADIUS)
    ends = [(row.entry, row.state)] if row.entry.port is not None else []
    if row.was.port is not None and row.was.port != row.entry.port:
        ends.append((row.was, "gone"))
    for entry, state in ends:
        if entry.port is None:
            continue
        y, port_y = box.row_y(index), ports[entry.port]
        classes = f"edge {entry.kind.name.lower()} {state}" + (" wrong" if row.wrong else "")
        middle = (start + end) // 2
        group = ET.SubElement(parent, "g", {"class": classes})
        ET.SubElement(group, "title").text = f"{row.where}: {entry_in_words(entry)}"
        ET.SubElement(group, "path", {"d": f"M{start} {y} C{middle} {y} {middle} {port_y} {end} {port_y}", "class": "line"})
        towards = 1 if on_left else -1
        if entry.kind is not SlotKind.RECEIVE:
            _head(group, end, port_y, towards)
        if entry.kind in _RECEIVES:
            _head(group, start, y, -towards)


def _head(parent: ET.Element, x: int, y: int, towards: int) -> None:
    back = x - 9 * towards
    ET.SubElement(parent, "path", {"d": f"M{x} {y} L{back} {y - 4} L{back} {y + 4} Z", "class": "arrow"})


def _draw_port(parent: ET.Element, port: int, y: int, moment: Moment, bad: bool) -> None:
    object_ = moment.ports.get(port, USER_PORT)
    kernel = object_ != USER_PORT
    received = kernel or any(entry.port == port and entry.kind in _RECEIVES for entry in moment.after.values())
    group = ET.SubElement(parent, "g", {"class": "port" + (" kernel" if kernel else "") + (" wrong" if bad else "")})
    ET.SubElement(group, "circle", {"cx": str(PORT_X), "cy": str(y), "r": str(RADIUS)})
    _text(group, PORT_X, y + 5, str(port), "number", anchor="middle")
    _text(group, PORT_X, y + RADIUS + 14, object_ + ("  ✗" if bad else ""), "head", anchor="middle")
    _text(group, PORT_X, y + RADIUS + 27, "received by the kernel" if kernel else "" if received else "has no receiver", "quiet", anchor="middle")


def _text(parent: ET.Element, x: int, y: int, words: str, class_: str, anchor: str = "start") -> None:
    if words:
        ET.SubElement(parent, "text", {"x": str(x), "y": str(y), "class": class_, "text-anchor": anchor}).text = one_line(words)
