"""Moving what was drawn to where it is needed."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from vicinal import (
    BetweenClass,
    ClassMix,
    ColumnMix,
    CutMix,
    FMix,
    KMixUp,
    MixUp,
    ResizeMix,
    SmoothMix,
    ZetaMixUp,
    as_tensors,
)
from vicinal.mixing.move import move


class Moves(TorchFunctionMode):
    """Sees where tensors are moved to, and whether anybody waits until they are there."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "to" and "non_blocking" in kwargs:
            self.seen.append((torch.device(args[1]).type, kwargs["non_blocking"]))
        return func(*args, **kwargs)


@pytest.mark.parametrize(("device", "waits"), [("cpu", True), ("meta", False)])
def test_the_cpu_waits_only_for_copies_to_its_memory(device, waits):
    with Moves() as moves:
        assert move(torch.ones(2), torch.device(device)).device.type == device
    assert moves.seen == [(device, not waits)]


IMAGES, MASKS = (6, 3, 8, 8), (6, 8, 8)


@pytest.mark.parametrize(
    ("mixer", "shape", "target"),
    [
        (MixUp(seed=0, maximum="length"), (6, 4), (6,)),
        (MixUp(seed=0), IMAGES, MASKS),
        (CutMix(seed=0), IMAGES, MASKS),
        (ResizeMix(seed=0), IMAGES, MASKS),
        (FMix(seed=0), IMAGES, MASKS),
        (SmoothMix(seed=0), IMAGES, MASKS),
        (ClassMix(seed=0), IMAGES, MASKS),
        (ColumnMix(seed=0), (6, 4), (6,)),
        (BetweenClass(8000, seed=0), (6, 800), (6,)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
def test_nothing_is_read_before_it_is_in_cpu_memory(mixer, shape, target):
    x, y = torch.rand(shape, requires_grad=True), torch.arange(6)
    x = {"x": x, "length": torch.arange(6)} if mixer.maximum else x
    y = y.view(-1, *[1] * (len(target) - 1)).expand(target).contiguous()
    with Moves() as moves:
        as_tensors(mixer(x, y)[1])
    assert ("cpu", True) not in moves.seen
    assert moves.seen


@pytest.mark.parametrize("mixer", [ZetaMixUp(), KMixUp(2), MixUp(partners="near")])
def test_methods_that_multiply_matrices_mix_batches_without_memory(mixer):
    x = torch.empty(4, 3, 20, 20, device="meta")
    mixed, target = mixer(x, torch.empty(4, 2, device="meta"))
    assert (mixed.shape, mixed.device.type, target.partner.device.type) == (x.shape, "meta", "meta")
