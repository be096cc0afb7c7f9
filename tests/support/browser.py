"""Pages opened in headless Chromium, without a network."""

import shutil
import subprocess
from pathlib import Path

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


def browse(directory: Path, html: str, *flags: str) -> tuple[str, str]:
    """Open a page; what the browser prints, and its log."""
    (directory / "report.html").write_text(html, "utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={directory / 'profile'}", *flags, (directory / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def complaints(log: str) -> list[str]:
    """What the page's own console said."""
    return [line for line in log.splitlines() if "CONSOLE" in line]
