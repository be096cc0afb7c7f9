"""What mkdocs calls: the generated pages join those in the folder, and the navigation."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference import pages

SECTIONS = (
    "reference/rules.md",
    "reference/state.md",
    "reference/invariants.md",
    "reference/profiles.md",
    "reference/evidence.md",
    "reference/manual-page.md",
    "reference/api.md",
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The reference comes last in the navigation."""
    made = pages()
    config.extra["generated"] = made
    calls = [path for path in made if path.startswith("reference/calls/") and not path.endswith("index.md")]
    config.nav = [*(config.nav or []), {"Reference": [{"Calls": ["reference/calls/index.md", *calls]}, *SECTIONS]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The generated pages become files of the site."""
    for path, text in config.extra["generated"].items():
        files.append(File.generated(config, path, content=text))
    return files
