"""What linearised values must be: checks that hold for every measure that is no mean."""

import torch


def check_derivatives(measure, probabilities, targets, times=2000):
    """The value of a sample is the measure plus the derivative by its share of all samples.

    Among ``times`` copies of all samples, one more of a sample moves the measure by its influence
    over their number, up to the square of that.
    """
    values = measure(probabilities, targets)
    mean = values.mean()
    for index in range(0, len(targets), 7):
        rows = torch.cat([torch.arange(len(targets)).repeat(times), torch.tensor([index])])
        moved = measure(probabilities[rows], targets[rows]).mean() - mean
        influence = (moved * len(rows)).item()
        assert abs(influence - (values[index] - mean).item()) < 0.01 * (1 + abs(influence))
