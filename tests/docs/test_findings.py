"""The page of findings: each fault of a kernel is a whole report, and names what exists."""

import re

import pytest
from support.places import ROOT

PAGE = (ROOT / "docs" / "findings.md").read_text()
FIELDS = ["What", "Where", "How to see it", "Versions", "Consequence", "Script"]
KERNELS, OURS = re.split(r"^## Faults of sendright$", PAGE, flags=re.MULTILINE)


def sections(part: str) -> dict[str, str]:
    """The sections of the third level, by their titles."""
    found = re.split(r"^### (.*)$", part, flags=re.MULTILINE)[1:]
    return {title: re.split(r"^## ", text, flags=re.MULTILINE)[0] for title, text in zip(found[::2], found[1::2], strict=True)}


@pytest.mark.parametrize("title", sections(KERNELS))
def test_a_fault_of_a_kernel_is_a_report(title: str) -> None:
    text = sections(KERNELS)[title]
    assert [field for field in re.findall(r"^- \*\*(.*?)\.\*\*", text, re.MULTILINE) if field != "Besides"] == FIELDS
    assert re.search(r"\((?:.*, )?(?:live|ran|read)(?:[;:,].*)?\)", text), "how we know"
    where = re.search(r"^- \*\*Where\.\*\*(.*?)^- ", text, re.MULTILINE | re.DOTALL)
    assert where is not None
    assert re.search(r"`\w+`.*`[\w/]+\.(?:c|h|defs)`", where[1], re.DOTALL), "a function and its file"


@pytest.mark.parametrize("title", sections(OURS))
def test_a_fault_of_ours_says_what_we_learnt(title: str) -> None:
    assert "- **What we learnt.**" in sections(OURS)[title]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|docs|model|mach)/[\w./-]+)`", PAGE))))
def test_what_the_page_names_exists(path: str) -> None:
    assert (ROOT / path).exists()
