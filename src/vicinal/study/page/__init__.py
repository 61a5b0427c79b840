"""The pages for a browser: self-contained HTML files, which load nothing from elsewhere."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vicinal.methods import METHODS

# What a label of the board's menu says beside the name.
HINTS = {"cutmix": ": drag the box"}
#: The methods that board.js can draw, with their labels.
BOARD_METHODS = {
    method.name: method.name + HINTS.get(method.name, "")
    for method in METHODS.values()
    if method.on_board
}


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; all text is escaped, except Markup."""
    shared = {
        "style": _read("style.css"),
        "board_js": _read("board.js"),
        "board_methods": BOARD_METHODS,
        "images": [],
    }
    return _environment().get_template(template).render(**{**shared, **values})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vicinal.study", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parts"] = _parts
    return environment


def _parts(mix: str) -> Markup:
    """The name of an arm, which breaks where a setting begins rather than within a number."""
    return Markup(re.sub(r"(?<=\+)|(?<=:)(?=[a-z])", "<wbr>", str(escape(mix))))


@cache
def _read(name: str) -> Markup:
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))
