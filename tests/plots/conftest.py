"""The check that a plot is readable."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg


def texts_of(axes):
    yield from (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
    yield axes.yaxis.offsetText
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        # A colour bar has its labels on the right.
        yield from (label for t in ticks for label in (t.label1, t.label2) if label.get_visible())
    if axes.get_legend():
        yield from axes.get_legend().texts


@pytest.fixture
def assert_readable():
    """No text leaves the figure, none overlaps another or a picture."""

    def check(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        boxes = []
        for axes in figure.axes:
            boxes += [(t.get_text(), t.get_window_extent()) for t in texts_of(axes) if t.get_text()]
            if axes.images:
                boxes.append(("picture", axes.get_window_extent()))
        assert boxes
        for text, box in boxes:
            assert figure.bbox.containsx(box.x0), text
            assert figure.bbox.containsx(box.x1), text
            assert figure.bbox.containsy(box.y0), text
            assert figure.bbox.containsy(box.y1), text
        for (one, box), (other, other_box) in combinations(boxes, 2):
            assert not box.overlaps(other_box), f"{one!r} overlaps {other!r}"

    return check
