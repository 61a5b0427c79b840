"""Processes that may be killed.

They are forked from one that has imported everything, and has not computed yet: so torch's threads
are started in each of them.
"""

import multiprocessing

FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(
    ["vicinal.runs", "vicinal.study.compare", "vicinal.plots", "timm", "sklearn.datasets"]
)
