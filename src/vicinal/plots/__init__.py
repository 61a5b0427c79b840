"""Plots of data, of mixes and of training, as matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` and changes no global state: no window opens,
no figure has to be closed, and ``figure.savefig("plot.png")`` writes it.
"""

from vicinal.plots.confusion import confusion
from vicinal.plots.curves import curves
from vicinal.plots.density import beta_density
from vicinal.plots.pictures import images, mixed_batch, mixing
from vicinal.plots.rates import range_test

__all__ = ["beta_density", "confusion", "curves", "images", "mixed_batch", "mixing", "range_test"]
