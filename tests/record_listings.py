"""Record again what the commands of the pages print: ``python tests/record_listings.py docs/tutorial.md``.

Read the difference before you commit it: a page lists what its readers will see.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from support.listings import outputs, written_again
from support.places import ROOT

INSTALLS = ("python3 -m venv", "mkdir my-kernel")
"""The beginnings of blocks that set up what the tests have."""


def ready(directory: Path) -> Path:
    """``directory`` as it is after those blocks."""
    (directory / "skeleton_kernel.py").write_text((ROOT / "docs/examples/kernel/skeleton_kernel.py").read_text("utf-8"), "utf-8")
    return directory


def main(pages: list[str]) -> None:
    """Record the outputs of ``pages``."""
    for name in pages:
        page = Path(name)
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache  # what fails here was tried before in no other check
            text = page.read_text("utf-8")
            page.write_text(written_again(text, outputs(text, ready(Path(directory)), INSTALLS)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
