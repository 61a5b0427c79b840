"""Colours, sizes and the layout of text that all plots share."""

import io
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path

from vicinal.notebook import was_shown

# Colour-blind safe colours of Okabe and Ito and of Tol that are dark enough for text. The first two
# stand for a sample and its partner in every plot. Everything else has the colours of the user's
# matplotlib style.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#997700")
OWN, PARTNER, DENSITY = COLOURS[:3]
GREY = "#888888"

SMALL, LARGE = 8.0, 10.0  # font sizes, in points

# Inches.
POINT = 1 / 72
LINE = 1.3 * SMALL * POINT  # the height of a line of small text
TILE = 1.5  # the width of a picture of a sample
PAD = 0.1  # the space on each side of everything


class Plot(Figure):
    """A figure that a notebook draws where a cell ends with it, without a backend or a magic."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        was_shown(self)
        return {}  # the picture comes from a formatter of the user's, or from the next method

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi="figure", bbox_inches="tight")
        return picture.getvalue()


def new_figure(
    width: float,
    height: float,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
) -> Plot:
    """An empty figure whose layout makes room for the labels of whatever is added to it.

    Args:
        width, height: in inches.
        figsize: (width, height) that the user requests instead.
        dpi: pixels an inch; None takes that of the user's matplotlib style.
    """
    layout = ConstrainedLayoutEngine(w_pad=PAD, h_pad=PAD, wspace=0, hspace=0, compress=True)
    return Plot(figsize=figsize or (width, height), dpi=dpi, layout=layout)


def finish_lines(axes: Axes) -> None:
    """Add a grid, and to the right a legend in the lines' colours; call it after plotting."""
    axes.tick_params(labelsize=SMALL)
    axes.yaxis.offsetText.set_fontsize(SMALL)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        fontsize=SMALL,
        labelcolor="linecolor",
    )


def text_width(text: str) -> float:
    """The width of a line of small text, in inches."""
    font = FontProperties(size=SMALL)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] * POINT


def text_height(texts: list[str]) -> float:
    """The height of the text with the most lines, in inches."""
    return max(text.count("\n") + 1 for text in texts) * LINE


def fit(text: str) -> str:
    """Fit the text under a picture: each line is wrapped, and truncated after three.

    >>> print(fit("a black Chesapeake Bay retriever"))
    a black Chesapeake Bay
    retriever
    """
    return "\n".join(map(_wrap, text.splitlines()))


def _wrap(line: str) -> str:
    for letters in range(50, 0, -1):
        pieces = textwrap.wrap(line, letters)
        if len(pieces) > 3:
            pieces = [*pieces[:2], pieces[2][:-1] + "…"]
        if max(map(text_width, pieces), default=0) <= TILE:
            break
    return "\n".join(pieces)
