"""What mkdocs calls: the generated pages join those in the folder, and the navigation."""

from __future__ import annotations

import logging

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pygments.formatters import HtmlFormatter
from reference import pages

LOG = logging.getLogger("mkdocs.hooks.sendright")
EVERY = 20
"""After how many pages the build says how far it is."""
LIGHT, DARK = "default", "github-dark"
"""The styles of highlighted code."""

PLUGGING_IN = ("reference/boot.md", "reference/results.md")
SECTIONS = (
    "reference/rules.md",
    "reference/state.md",
    "reference/invariants.md",
    "reference/profiles.md",
    "reference/evidence.md",
    "reference/manual-page.md",
    "reference/api.md",
    "reference/json.md",
    "reference/exit-statuses.md",
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The reference comes last in the navigation."""
    made = pages(_progress)
    made["code.css"] = _code_css()
    config.extra["generated"] = made
    calls = [path for path in made if path.startswith("reference/calls/") and not path.endswith("index.md")]
    commands = [path for path in made if path.startswith("reference/commands/") and not path.endswith("index.md")]
    parts = [{"Commands": ["reference/commands/index.md", *commands]}, {"Calls": ["reference/calls/index.md", *calls]}]
    config.nav = [*(config.nav or []), {"Reference": [*parts, *PLUGGING_IN, *SECTIONS]}]
    return config


def _progress(done: int, of: int) -> None:
    if done % EVERY == 0 or done == of:
        LOG.info("reference: %d of %d calls", done, of)


def _code_css() -> str:
    """The colours of code, in light and in the dark."""
    light, dark = (str(HtmlFormatter(style=style).get_style_defs(".codehilite")) for style in (LIGHT, DARK))
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The generated pages become files of the site."""
    for path, text in config.extra["generated"].items():
        files.append(File.generated(config, path, content=text))
    return files
