"""Spectrograms as pictures."""

import torch
from torch import Tensor


def as_pictures(*levels: Tensor) -> list[Tensor]:
    """Spectrograms in colours of one scale, low frequencies at the bottom.

    Args:
        levels: (N, 1, mels, frames) floats each.

    Returns:
        Of each, (N, 3, mels, frames) floats in [0, 1].

    >>> as_pictures(torch.rand(2, 1, 8, 5))[0].shape
    torch.Size([2, 3, 8, 5])
    """
    import matplotlib

    # The lowest levels are of silence, whose depth is arbitrary.
    values = torch.cat([each.flatten() for each in levels])
    values = values[:: max(1, len(values) // 2**20)]
    low, high = values.quantile(0.05), values.max()
    colours = matplotlib.colormaps["magma"]
    shown = []
    for each in levels:
        scaled = ((each - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        painted = torch.from_numpy(colours(scaled[:, 0].flip(-2).numpy())[..., :3]).float()
        shown.append(painted.permute(0, 3, 1, 2))
    return shown
