"""The pages for a browser: self-contained HTML files, which load nothing from elsewhere."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

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
    return Environment(
        loader=PackageLoader("vicinal.study", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _read(name: str) -> Markup:
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))
