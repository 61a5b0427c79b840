"""Batches of random images, and generators to change them by."""

import torch


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def floats(count=2, height=16, width=None):
    return torch.rand(count, 3, height, width or height, generator=generator())


def bytes_(count=2, height=16, width=None):
    shape = (count, 3, height, width or height)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator())
