"""Mixing in place leaves nothing behind, and needs next to nothing beside the batch."""

import gc
import os
import tracemalloc

import psutil
import pytest
import torch

from vicinal import Choice, CutMix, MixUp

MEGABYTE = 2**20

# Of MixUp and CutMix, Choice has both.
kinds = pytest.mark.parametrize(
    "kind", ["MixUp", pytest.param("CutMix", marks=pytest.mark.slow), "Choice"]
)


def mixer_of(kind, **options):
    if kind == "Choice":
        return Choice([MixUp(), CutMix()], per="sample", seed=0, **options)
    return {"MixUp": MixUp, "CutMix": CutMix}[kind](seed=0, **options)


def mix_in_place(mixer, x, y, batches):
    for _ in range(batches):
        mixer(x, y, inplace=True)


def resident():
    """The resident memory of this process in bytes."""
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss


@pytest.mark.slow
def test_ten_thousand_batches_leave_no_memory_taken():
    mixer = mixer_of("Choice")  # of MixUp and CutMix
    x, y = torch.rand(8, 3, 8, 8), torch.arange(8)
    mix_in_place(mixer, x, y, 500)
    before = resident()
    mix_in_place(mixer, x, y, 10_000)
    # 200 bytes a batch would be 2 MB.
    assert resident() - before < 2 * MEGABYTE


@kinds
def test_batches_leave_no_objects_behind(kind):
    mixer, x, y = mixer_of(kind), torch.rand(8, 3, 8, 8), torch.arange(8)
    mix_in_place(mixer, x, y, 50)
    tracemalloc.start()
    try:
        mix_in_place(mixer, x, y, 100)  # of what was made before, nothing is traced
        gc.collect()
        objects, used = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
        mix_in_place(mixer, x, y, 512)
        gc.collect()
        objects_after, used_after = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # The smallest of Python's objects, one for each batch, would take 512 times 40 bytes.
    assert objects_after - objects < 50
    assert used_after - used < 512 * 40


def allocated_by(function):
    """All bytes that torch allocates meanwhile, including those that it frees again."""
    with torch.profiler.profile(profile_memory=True) as profile:
        function()
    return sum(max(event.self_cpu_memory_usage, 0) for event in profile.events())


@pytest.mark.parametrize("partners", ["cycle", "shuffle", "pairs", "reverse"])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("MixUp", torch.float32),
        ("MixUp", torch.float64),
        ("CutMix", torch.float32),
        ("CutMix", torch.float64),
        ("CutMix", torch.uint8),  # blended ones pass through float32
        ("Choice", torch.float32),
    ],
)
def test_large_images_are_mixed_in_place_with_one_more_in_memory(kind, dtype, partners):
    x = torch.ones(8, 3, 224, 224, dtype=dtype)
    mixer, y = mixer_of(kind, partners=partners), torch.arange(8)
    mixer(x, y, inplace=True)  # what is imported at first use is none of the mix
    used = allocated_by(lambda: mixer(x, y, inplace=True))
    assert 0 < used <= x[0].nbytes + 8192  # what is drawn


def test_the_memory_of_a_copy_is_noticed():
    x = torch.ones(8, 3, 224, 224)
    used = allocated_by(lambda: MixUp(seed=0)(x, torch.arange(8)))
    assert x.nbytes <= used
