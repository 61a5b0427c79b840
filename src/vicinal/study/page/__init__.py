"""The pages that are shown in a browser: one file each, which loads nothing from elsewhere."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> str:
    """A template of this folder with its values; all text is escaped, but for Markup."""
    own = {"style": _own("style.css"), "board_js": _own("board.js"), "images": []}
    return _environment().get_template(template).render(**{**own, **values})


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
def _own(name: str) -> Markup:
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))
