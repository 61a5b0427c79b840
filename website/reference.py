"""The directive ``names``: each public name on its lines with signature, docstring and example."""

import inspect
import re
from types import FunctionType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

import vicinal


def members(cls: type) -> list[str]:
    """What a class adds to its public bases: methods and properties with a docstring."""
    inherited = {base for base in cls.__mro__[1:] if base in PUBLIC}
    hidden = {name for base in inherited for name in dir(base)}
    own = [base for base in cls.__mro__ if base.__module__.startswith("vicinal.")]
    names = {name: None for base in own for name, value in vars(base).items() if _is_told(value)}
    return [n for n in names if not n.startswith("_") and (n in vars(cls) or n not in hidden)]


def _is_told(value: Any) -> bool:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return isinstance(value, property | FunctionType) and bool(value.__doc__)


PUBLIC = {value for name in vicinal.__all__ if inspect.isclass(value := getattr(vicinal, name))}


def entry(name: str) -> list[str]:
    """The directives that write a name's entry."""
    value = getattr(vicinal, name)
    if inspect.ismodule(value):
        return described(f"data:: {name}", f"The module ``{value.__name__}``.")
    if not getattr(value, "__module__", "vicinal").startswith("vicinal"):
        return described(f"data:: {name}", f"``{value.__module__}.{name}``.")
    if inspect.isclass(value):
        told = ", ".join(members(value))
        options = ["   :show-inheritance:", *([f"   :members: {told}"] if told else [])]
        return [f".. autoclass:: vicinal.{name}", *options, ""]
    if inspect.isfunction(value):
        return [f".. autofunction:: vicinal.{name}", ""]
    if callable(value):  # such as a metric: an object that is called
        call = inspect.signature(value.__call__)
        return described(f"function:: {name}{call}", inspect.getdoc(value) or "")
    return described(f"data:: {name}", "", f"   :value: {value!r}")


def described(directive: str, text: str, *options: str) -> list[str]:
    lines = [f"   {line}" for line in text.splitlines()]
    return [f".. py:{directive}", "   :module: vicinal", *options, "", *lines, ""]


class Names(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        text = "\n".join(line for name in self.content if name for line in entry(name.strip()))
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}\n```")


def find_public(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element
) -> nodes.Node | None:
    """What a docstring calls by its home, such as vicinal.models.heads.create_head."""
    name = node.get("reftarget", "").removeprefix("vicinal.").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in vicinal.__all__:
        return None
    found = env.get_domain("py")
    return found.resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"vicinal.{name}", node, text
    )


def name_defaults(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, gives: str
) -> tuple[str | None, str]:
    """Write a class or a function that is a default by its name: its repr is not Python."""
    short = signature and re.sub(r"<(?:class|function) '?(?:[\w.]*\.)?(\w+)'?>", r"\1", signature)
    return short, gives


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("names", Names)
    app.connect("autodoc-process-signature", name_defaults)
    app.connect("missing-reference", find_public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
