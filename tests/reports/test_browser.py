"""Pages as a real browser sees them: headless Chromium, without a network."""

import re
import struct
from pathlib import Path

import pytest
from support.browser import CHROMIUM, browse, complaints
from support.report_runs import failing_check, hostile_check, proof_result, replay_result

from sendright.reports.findings import AnyResult
from sendright.reports.html import page
from sendright.reports.rerun import Rerun

RERUN = Rerun(commands=("sendright replay script.json",), scripts={"script.json": "{}"})

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium isn't installed")]


def test_one_picture_at_a_time_and_the_wrong_call_first(tmp_path: Path) -> None:
    document, log = browse(tmp_path, page(failing_check(), RERUN), "--dump-dom")
    assert not complaints(log), "neither the policy nor the script has anything to complain of"
    pictures = re.findall(r'<details id="f0-\d+"[^>]*>', document)
    assert len(pictures) == 7
    assert ["hidden" in picture for picture in pictures] == [True] * 6 + [False]
    assert "picture 7 of 7" in document


def test_without_script_every_picture_can_be_opened(tmp_path: Path) -> None:
    html = re.sub("<script>.*</script>", "", page(failing_check(), RERUN), flags=re.DOTALL)
    document, _ = browse(tmp_path, html, "--dump-dom")
    pictures = re.findall(r'<details id="f0-\d+"[^>]*>', document)
    assert ["open" in picture for picture in pictures] == [False] * 6 + [True]
    assert not any("hidden" in picture for picture in pictures)


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    document, log = browse(tmp_path, page(hostile_check(), RERUN), "--dump-dom")
    assert not complaints(log)
    assert "<img" not in document
    assert len(re.findall("<script", document)) == 1
    assert "&lt;script&gt;alert(1)" in document


@pytest.mark.parametrize("result", [failing_check(), replay_result(), proof_result()], ids=["check", "replay", "prove"])
@pytest.mark.parametrize("flags", [(), ("--blink-settings=preferredColorScheme=0",)], ids=["light", "dark"])
def test_the_page_can_be_seen(tmp_path: Path, result: AnyResult, flags: tuple[str, ...]) -> None:
    shot = tmp_path / "shot.png"
    _, log = browse(tmp_path, page(result, RERUN), *flags, "--window-size=1280,1600", f"--screenshot={shot}")
    assert not complaints(log)
    png = shot.read_bytes()
    assert struct.unpack(">II", png[16:24]) == (1280, 1600)
    assert len(png) > 40_000, "an empty page is far smaller"
