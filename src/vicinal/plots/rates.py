"""The learning rate range test: loss over learning rate."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from vicinal.plots.layout import COLOURS, GREY, LARGE, SMALL, finish_lines, new_figure, text_width


def range_test(rates: Sequence[float], losses: Sequence[float], suggestion: float) -> Figure:
    """Draw the losses of a learning rate range test, and the rate that it suggests.

    The y-axis ends half the loss's decrease above its highest value before the minimum, so that
    the divergence at the end does not flatten the valley.

    Args:
        rates: positive and ascending; their axis is logarithmic.
        losses: the (smoothed) loss at each of them.
        suggestion: one of the rates.

    Raises:
        ValueError: there are not as many losses as rates, or the suggestion is none of the rates.

    >>> figure = range_test([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0], 1e-2)
    >>> [text.get_text() for text in figure.axes[0].get_legend().texts]
    ['suggestion 0.01']
    """
    if len(rates) != len(losses):
        raise ValueError(
            f"there are {len(rates)} rates, but {len(losses)} losses: give one loss for each rate"
        )
    if suggestion not in rates:
        raise ValueError(f"the suggestion {suggestion} is not among the rates: give one of them")
    label = f"suggestion {suggestion:.2g}"
    figure = new_figure(4.2 + text_width(label), 3.2)
    axes = figure.subplots()
    axes.set_title("loss", fontsize=LARGE, loc="left")
    axes.axvline(suggestion, color=GREY, linewidth=1)
    axes.plot(rates, losses, color=COLOURS[0])
    height = losses[list(rates).index(suggestion)]
    axes.plot([suggestion], [height], "o", color=COLOURS[1], markersize=6, label=label)
    decrease = max(losses[: losses.index(min(losses)) + 1]) - min(losses)
    if decrease:
        axes.set_ylim(min(losses) - 0.1 * decrease, min(losses) + 1.5 * decrease)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", fontsize=SMALL)
    finish_lines(axes)
    return figure
