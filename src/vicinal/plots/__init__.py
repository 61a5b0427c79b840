"""Plots of data, of mixes and of training, as matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` and changes no global state: no window opens,
no figure has to be closed, and ``figure.savefig("plot.png")`` writes it. In a notebook it is drawn
where a cell ends with it; :func:`shown` has it drawn also where it does not.
"""

from vicinal.notebook import shown
from vicinal.plots.confusion import confusion
from vicinal.plots.curves import curves
from vicinal.plots.density import beta_density
from vicinal.plots.pictures import images, mixed_batch, mixing
from vicinal.plots.rates import range_test
from vicinal.plots.steps import loss_curves, schedules

__all__ = [
    "beta_density",
    "confusion",
    "curves",
    "images",
    "loss_curves",
    "mixed_batch",
    "mixing",
    "range_test",
    "schedules",
    "shown",
]
