"""The results of runs, to be compared."""

from safetensors.torch import load_file


def silent(*_):
    """A log that prints nothing."""


def left(folder):
    """The weights and metrics of a run, without its timings."""
    rows = [line.rsplit(",", 1)[0] for line in (folder / "metrics.csv").read_text().splitlines()]
    return load_file(folder / "model.safetensors"), rows


def assert_same(first, second):
    assert first[1] == second[1]
    assert first[0].keys() == second[0].keys()
    assert all(first[0][name].equal(second[0][name]) for name in first[0])
