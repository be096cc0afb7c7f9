"""What every page has in common: one self-contained HTML file, no network, no framework, useful without JavaScript.

All text goes through Jinja's escaping and ``visible``; style and script are allowed by their hashes alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sendright.reports.visible import visible

HERE = Path(__file__).parent


def document(template: str, styles: Sequence[str], script: str, /, **values: object) -> str:
    """The page that ``template`` makes of ``values``, with style sheets and a script in it. All three are files beside this one."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    style, code = "".join((HERE / name).read_text("utf-8") for name in styles), (HERE / script).read_text("utf-8")
    common = {"style": Markup(style), "style_hash": _hash(style), "script": Markup(code), "script_hash": _hash(code)}
    return environment.get_template(template).render(**common, **values)


def _shown(value: object) -> object:
    """Jinja's last step before escaping: hidden characters become visible."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(text: str) -> Markup:
    """The Content-Security-Policy source that allows exactly ``text``."""
    return Markup("'sha256-{}'").format(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
