"""Renders a page as one self-contained HTML file: no network, no framework, and it works without JavaScript.

All text goes through Jinja's escaping and ``visible``. The page's policy allows its style and script by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sendright.mach.extensions import extensions_in_words
from sendright.reports.escape import visible

HERE = Path(__file__).parent / "templates"


def document(template: str, styles: Sequence[str], script: str, /, **values: object) -> str:
    """``template`` rendered with ``values``, the style sheets ``styles`` and the ``script``: names of files in this
    folder."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_made_visible
    )
    style, code = "".join((HERE / name).read_text("utf-8") for name in styles), (HERE / script).read_text("utf-8")
    common = {
        "style": Markup(style),
        "style_hash": _hash(style),
        "script": Markup(code),
        "script_hash": _hash(code),
    }
    return environment.get_template(template).render(**common, extensions=extensions_in_words(), **values)


def _made_visible(value: object) -> object:
    """Replace invisible characters; Jinja calls this on each value before it escapes it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(text: str) -> Markup:
    """The Content-Security-Policy source that allows exactly ``text``."""
    return Markup("'sha256-{}'").format(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
