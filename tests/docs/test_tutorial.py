"""The tutorial, as a reader follows it: each listing is written, each command is run, and prints what the page says."""

import subprocess
from pathlib import Path

import pytest
from record_listings import INSTALLS, ready
from support.listings import agrees, blocks, listed, outputs
from support.places import ROOT

from sendright.cli.main import main

PAGES = ["tutorial.md", "how-to-read-a-counterexample.md"]
EXAMPLE = ROOT / "docs" / "examples" / "kernel" / "skeleton_kernel.py"


@pytest.mark.parametrize("page", PAGES)
def test_each_command_prints_what_the_page_says(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    pairs = list(listed(text, outputs(text, ready(tmp_path), INSTALLS)))
    assert pairs
    for block, output in pairs:
        assert agrees(block, output), f"listed:\n{block.text}\nprinted:\n{output}\n(python tests/record_listings.py docs/{page} records it)"


def test_the_installation_is_the_one_of_the_readme() -> None:
    [command] = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("python3 ") and "main.txt" in line]
    first = next(blocks((ROOT / "docs" / "tutorial.md").read_text("utf-8")))
    assert first.text.splitlines()[:3] == [part.strip() for part in command.split("&&")][:3]
    assert first.text.splitlines()[3] == ". .venv/bin/activate"


@pytest.mark.heavy
def test_the_tutorial_from_the_installation_on(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ROOT}", str(checkout)], check=True)
    for path in ("docs/examples/kernel/skeleton_kernel.py",):  # what isn't committed yet
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text((ROOT / path).read_text("utf-8"), "utf-8")
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    assert all(agrees(block, output) for block, output in listed(text, outputs(text, checkout)))


@pytest.mark.heavy
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_kernel_at_the_end_passes_as_many_runs_as_a_check_makes(seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = [block.text for block in blocks((ROOT / "docs" / "tutorial.md").read_text("utf-8")) if block.language == "python"][-1]
    (ready(tmp_path) / "mykernel.py").write_text(kernel, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check", "-q", "--seed", seed, "--sut", "mykernel:Kernel"]) == 0


def test_a_wrong_output_is_noticed(tmp_path: Path) -> None:
    page = "Write `one.py`:\n\n```python\nprint(1)\n```\n\n```sh\npython one.py\n```\n\n```text\n{}\n```\n"
    for text, good in (("1", True), ("2", False), ("1\n…", True), ("2\n…", False), ("1\n2\n…", False), ("…", False)):
        pairs = list(listed(page.format(text), outputs(page.format(text), tmp_path)))
        assert [agrees(block, output) for block, output in pairs] == [good], text


def test_the_skeleton_is_short_and_has_types() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 40
