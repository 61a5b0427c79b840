"""What a notebook's cell shows: areas that change, figures, and short descriptions of objects.

Nothing here imports IPython: where a cell runs, it has been imported.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

Shown = TypeVar("Shown")

# What is shown when the cell ends, unless it is shown before.
_waiting: list[Any] = []


def in_notebook() -> bool:
    """Whether a cell of a notebook is being run: the process is the kernel of one.

    >>> in_notebook()
    False
    """
    return getattr(_shell(), "kernel", None) is not None


def shown(thing: Shown) -> Shown:
    """Show something when the cell ends, so that it need not stand in the cell's last line.

    Elsewhere than in a notebook, nothing happens.

    Args:
        thing: it calls :func:`was_shown` when it is displayed, so that nothing is shown twice.
    """
    if in_notebook():
        events = _shell().events
        if _show_waiting not in events.callbacks["post_execute"]:
            events.register("post_execute", _show_waiting)
        _waiting.append(thing)
    return thing


def was_shown(thing: Any) -> None:
    """Take note that something is displayed: the end of the cell does not show it again."""
    _waiting[:] = [other for other in _waiting if other is not thing]


def _show_waiting() -> None:
    from IPython.display import display

    things, _waiting[:] = list(_waiting), []
    for thing in things:
        display(thing)


class Area:
    """A part of the cell's output whose content can be replaced."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, html: str, text: str = "") -> None:
        """Replace the content.

        Args:
            html: what notebooks show.
            text: the same for programs that show text alone.
        """
        from IPython.display import display

        content = {"text/html": html, "text/plain": text}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)

    def clear(self) -> None:
        """Leave nothing of it."""
        if self.handle is not None:
            self.show("")


def html_facts(title: str, facts: Mapping[str, Any]) -> str:
    """What is to be known of an object: a title, and a row for each fact.

    >>> html_facts("Learner", {"model": "resnet18"})
    '<table>...<b>Learner</b></caption><tr><th ...>model</th><td ...>resnet18</td></tr></table>'
    """
    left = 'style="text-align: left"'
    rows = (
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    caption = f'<caption style="text-align: left"><b>{escape(title)}</b></caption>'
    return f"<table>{caption}{''.join(rows)}</table>"


def html_table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts with a head.

    >>> html_table(["epoch", "loss"], [["1", "0.5"]])
    '<table><thead><tr><th>epoch</th>...</thead><tbody><tr><td>1</td><td>0.5</td></tr>...'
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_bar(done: float, total: float | None, text: str) -> str:
    """A progress bar with a text beside it; without a total, one that only moves.

    >>> html_bar(3, 10, "epoch 1/2")
    '<div><progress value="3" max="10"></progress> epoch 1/2</div>'
    """
    extent = f' value="{done:g}" max="{total:g}"' if total else ""
    return f"<div><progress{extent}></progress> {escape(text)}</div>"


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()
