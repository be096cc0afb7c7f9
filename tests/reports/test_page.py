import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from support.report_runs import HOSTILE, crashed_check, failing_check, hostile_check, proof_result, replay_result

from sendright.mach.results.checks import CheckResult
from sendright.mach.state.trace import ViolationKind
from sendright.reports.findings import AnyResult
from sendright.reports.html import page
from sendright.reports.rerun import Rerun

RERUN = Rerun(commands=("sendright replay 'a file.json'",), scripts={"a file.json": json.dumps({"title": HOSTILE})})


class Reader(HTMLParser):
    """The elements of a page, its text, and whether every element that opens also closes."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("p", "li", "dt", "dd") or (self.open and self.open[-1] == tag):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(part for tag, part in self.texts if tag not in ("style", "script")).split())


RESULTS: dict[str, AnyResult] = {
    "check": failing_check(),
    "hostile": hostile_check(),
    "crash": crashed_check(),
    "replay": replay_result(),
    "proof": proof_result(),
}


@pytest.fixture(params=RESULTS)
def html(request: pytest.FixtureRequest) -> str:
    return page(RESULTS[request.param], RERUN)


def test_needs_nothing_from_outside(html: str) -> None:
    reader = Reader(html)
    assert not reader.open, "every element is closed"
    addresses = [
        value for _, attributes in reader.elements for name, value in attributes.items() if name in ("src", "href", "action", "data", "srcset")
    ]
    assert all(value and value.startswith(("#", "data:application/json;base64,")) for value in addresses)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in reader.elements}
    assert not re.search(r"url\(|@import", html)


def test_only_its_own_style_and_script_may_run(html: str) -> None:
    reader = Reader(html)
    policy = next(one["content"] for one in reader.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        assert len(reader.all(tag)) == 1
        digest = base64.b64encode(hashlib.sha256("".join(part for name, part in reader.texts if name == tag).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on") or name == "style"]


def test_links_lead_somewhere(html: str) -> None:
    reader = Reader(html)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [value for one in reader.all("a") if (value := one.get("href") or "").startswith("#")]
    assert {target[1:] for target in targets} <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in reader.elements if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


def test_hidden_characters_are_written_out() -> None:
    html = page(hostile_check(), RERUN)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", html)
    assert r"\x1b[31m\u202e" in html
    assert HOSTILE.encode() in base64.b64decode(re.findall(r"data:application/json;base64,([\w+/=]+)", html)[0]).replace(
        json.dumps(HOSTILE)[1:-1].encode(), HOSTILE.encode()
    )


def test_tells_what_broke_and_how_it_came_about() -> None:
    text = Reader(page(failing_check(), RERUN)).text
    for words in (
        "FAILED mach_port_insert_right left a state that is not as specified",
        "mach_port_insert_right, KERN_SUCCESS: a send right goes under a free name",
        "With MOVE_SEND the caller gives its user reference up",
        "It failed at call 6 of 6",
        "task 1, name 3: nothing → send right to port 8, 1 user reference",
        "task 0, name 8: receive right of port 8, not send and receive right to port 8, 1 user reference",
        "The call created task t1.",
        "to 6 calls, from 90",
        "sendright replay 'a file.json'",
        "1 case of the specification not reached",
        "a task ends 1017",
        "1 situation not reached",
    ):
        assert words in text, words


def test_draws_every_moment_and_marks_the_wrong_one() -> None:
    html = page(failing_check(), RERUN)
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) == 7
    assert [' wrong"' in picture for picture in pictures] == [False] * 6 + [True]
    assert all('role="img"' in picture and "<title>" in picture and "<desc>" in picture for picture in pictures)
    assert "HOST_SECURITY" in pictures[-1]
    assert 'class="row made"' in pictures[-1]
    assert html == page(failing_check(), RERUN), "the same result gives the same page"


@pytest.mark.parametrize("kind", ["crash", "hang"])
def test_a_call_without_an_answer_is_named(kind: ViolationKind) -> None:
    result = crashed_check(kind)
    text = Reader(page(result, RERUN)).text
    assert f"CRASHED The implementation {'crashed' if kind == 'crash' else 'hung'} during mach_port_allocate" in text
    assert "no answer" in text
    assert "ZeroDivisionError" in text


def test_a_kernel_that_does_not_boot_has_a_page_too() -> None:
    crashed = crashed_check()
    assert crashed.failure is not None
    empty = crashed.failure.__class__(
        implementation="x",
        profile="manual",
        urefs_max=9,
        queue_limit=1,
        initial=crashed.failure.initial.__class__({}, {}),
        steps=(),
        final=crashed.failure.initial.__class__({}, {}),
        violations=(crashed.failure.violations[0].__class__(step=0, kind="crash", clause="booting", words="booting raised OSError"),),
    )
    result = CheckResult(**{name: getattr(crashed, name) for name in crashed.__struct_fields__} | {"failure": empty})
    text = Reader(page(result, RERUN)).text
    assert "booting raised OSError" in text
    assert "No call was made." in text


def test_a_replay_lists_its_cases() -> None:
    text = Reader(page(replay_result(), RERUN)).text
    for words in (
        "good passed all as expected",
        "later not modelled an unknown call 2 mach_port_guard unknown call",
        "dead crashed a crash 1 task_create",
    ):
        assert words in text, words
    assert "FAILED 2 of 4 cases failed or crashed 1 case passed, 1 failed" in text
    assert "case bad: a moved right stays" in text
    assert "expected an answer, seen RuntimeError: no" in text


def test_a_proof_shows_its_table_and_counterexamples() -> None:
    html = page(proof_result(), RERUN)
    text = Reader(html).text
    for words in (
        "REFUTED 2 of 4 obligations are not proved",
        "task 0 holds <name 3> call: MOVE_SEND",
        "Reachable: not known",
        "no counterexample up to 2 tasks, 3 ports; no proof for all sizes",
        "✓ 0.50",
        "✗ 0.25",
        "? 0.25",
    ):
        assert words in text, words
