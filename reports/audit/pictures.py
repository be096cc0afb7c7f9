"""An audit's pictures as SVG: a derivation path, the rights that tasks have to tasks, and a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from sendright.mach.results.audits import AuditFinding, Bucket, Identity, Link, ReportedRight, ReportedTask, Severity, World
from sendright.reports.audit.words import moment, token_words
from sendright.reports.escape import one_line

WIDTH, BOX, GAP, MARGIN = 760, 46, 34, 10
ROW, NODE = 40, 250
BAR = 60


def path_picture(path: Sequence[Link]) -> str:
    """A derivation path, from top to bottom. A wrong link has a sign as well as a colour."""
    height = MARGIN * 2 + len(path) * BOX + (len(path) - 1) * GAP
    svg = _svg(WIDTH, height, "derivation", "Derivation: " + " → ".join(str(link.task) for link in path))
    y = MARGIN
    for number, link in enumerate(path):
        if number:
            group = ET.SubElement(svg, "g", {"class": "edge wrong" if link.wrong else "edge"})
            ET.SubElement(group, "path", {"d": f"M40 {y - GAP} L40 {y - 7}", "class": "line"})
            ET.SubElement(group, "path", {"d": f"M40 {y} L35 {y - 9} L45 {y - 9} Z", "class": "arrow"})
            evidence = f"  [{link.evidence}]" if link.evidence is not None else ""
            _text(group, 54, y - GAP // 2 + 4, _cut(f"{'✗ ' if link.wrong else ''}{link.how}{evidence}", 110), "how")
        group = ET.SubElement(svg, "g", {"class": "task wrong" if link.wrong else "task"})
        ET.SubElement(group, "rect", {"x": str(MARGIN), "y": str(y), "width": str(WIDTH - 2 * MARGIN), "height": str(BOX), "rx": "6"})
        _text(group, MARGIN + 12, y + 19, _cut(f"{link.task}  {link.program}", 92), "head")
        _text(group, MARGIN + 12, y + 37, token_words(link.token), "quiet")
        y += BOX + GAP
    return ET.tostring(svg, encoding="unicode")


def rights_picture(rights: Sequence[ReportedRight], tasks: dict[Identity, ReportedTask]) -> str:
    """Which tasks (left) got a right to which tasks (right)."""
    holders = list(dict.fromkeys(right.holder for right in rights))
    targets = list(dict.fromkeys(right.target for right in rights))
    height = MARGIN * 2 + ROW * max(len(holders), len(targets), 1)
    svg = _svg(WIDTH, height, "rights-of", f"{len(rights)} rights to tasks")
    left = {task: MARGIN + ROW * number for number, task in enumerate(holders)}
    right_at = {task: MARGIN + ROW * number for number, task in enumerate(targets)}
    for right in rights:
        y, end = left[right.holder] + ROW // 2 - 4, right_at[right.target] + ROW // 2 - 4
        x, far = MARGIN + NODE, WIDTH - MARGIN - NODE
        group = ET.SubElement(svg, "g", {"class": f"edge {right.right}" + (" wrong" if right.crosses else "")})
        ET.SubElement(group, "title").text = one_line(f"{right.holder} → {right.target}: {right.right}, {right.how}, {right.evidence}")
        ET.SubElement(group, "path", {"d": f"M{x} {y} C{(x + far) // 2} {y} {(x + far) // 2} {end} {far - 9} {end}", "class": "line"})
        ET.SubElement(group, "path", {"d": f"M{far} {end} L{far - 9} {end - 4} L{far - 9} {end + 4} Z", "class": "arrow"})
    for places, x in ((left, MARGIN), (right_at, WIDTH - MARGIN - NODE)):
        for task, y in places.items():
            _node(svg, x, y, task, tasks.get(task))
    return ET.tostring(svg, encoding="unicode")


def _node(parent: ET.Element, x: int, y: int, task: Identity, shown: ReportedTask | None) -> None:
    group = ET.SubElement(parent, "g", {"class": "task"})
    ET.SubElement(group, "rect", {"x": str(x), "y": str(y), "width": str(NODE), "height": str(ROW - 8), "rx": "5"})
    program = "" if shown is None else shown.program.rpartition("/")[2]
    euid = "" if shown is None or shown.token.euid is None else f"euid {shown.token.euid}"
    _text(group, x + 8, y + 14, _cut(f"{task}", 38), "head")
    _text(group, x + 8, y + 27, _cut(", ".join(word for word in (program, euid) if word), 40), "quiet")


def timeline_picture(world: World, findings: Sequence[AuditFinding]) -> str:
    """A timeline: the number of records, where records are missing, and the times of findings."""
    buckets = world.timeline
    svg = _svg(WIDTH, BAR + 46, "timeline", f"{world.host}: records from {moment(world.first)} to {moment(world.last)}")
    step = (WIDTH - 2 * MARGIN) / max(1, len(buckets))
    most = max((bucket.facts for bucket in buckets), default=1) or 1
    for number, bucket in enumerate(buckets):
        x = MARGIN + number * step
        tall = max(1, round(BAR * bucket.facts / most)) if bucket.facts else 0
        group = ET.SubElement(svg, "g", {"class": "bar"})
        ET.SubElement(group, "title").text = f"{moment(bucket.begins)}: {bucket.facts:,} records, {bucket.rights:,} rights to tasks" + (
            f", {bucket.gaps:,} gaps" if bucket.gaps else ""
        )
        ET.SubElement(group, "rect", {"x": f"{x:.1f}", "y": str(18 + BAR - tall), "width": f"{max(1.0, step - 1):.1f}", "height": str(tall)})
        if bucket.gaps:
            ET.SubElement(group, "rect", {"x": f"{x:.1f}", "y": str(20 + BAR), "width": f"{max(1.0, step - 1):.1f}", "height": "4", "class": "gap"})
    for place, severity, count in _marks(buckets, findings):
        group = ET.SubElement(svg, "g", {"class": f"mark {severity.word}"})
        ET.SubElement(group, "title").text = f"{count} finding{'s' if count != 1 else ''}, the worst: {severity.word}"
        x = MARGIN + (place + 0.5) * step
        ET.SubElement(group, "path", {"d": f"M{x:.1f} 16 L{x - 5:.1f} 6 L{x + 5:.1f} 6 Z"})
    _text(svg, MARGIN, BAR + 40, moment(world.first), "quiet")
    _text(svg, WIDTH - MARGIN, BAR + 40, moment(world.last), "quiet", "end")
    return ET.tostring(svg, encoding="unicode")


def _marks(buckets: Sequence[Bucket], findings: Sequence[AuditFinding]) -> list[tuple[int, Severity, int]]:
    """The places on the timeline with findings: (bucket, worst severity, number of findings)."""
    begins = [bucket.begins for bucket in buckets]
    worst: dict[int, list[Severity]] = {}
    for finding in findings:
        if finding.time is not None and begins and finding.time >= begins[0]:
            place = max(number for number, begin in enumerate(begins) if begin <= finding.time)
            worst.setdefault(place, []).append(finding.severity)
    return [(place, max(severities), len(severities)) for place, severities in sorted(worst.items())]


def _svg(width: int, height: int, kind: str, title: str) -> ET.Element:
    svg = ET.Element(
        "svg", {"viewBox": f"0 0 {width} {height}", "width": str(width), "class": kind, "role": "img", "xmlns": "http://www.w3.org/2000/svg"}
    )
    ET.SubElement(svg, "title").text = one_line(title)
    return svg


def _cut(words: str, most: int) -> str:
    words = one_line(words)
    return words if len(words) <= most else words[: most - 1] + "…"


def _text(parent: ET.Element, x: int, y: int, words: str, kind: str, anchor: str = "start") -> None:
    if words:
        ET.SubElement(parent, "text", {"x": str(x), "y": str(y), "class": kind, "text-anchor": anchor}).text = one_line(words)
