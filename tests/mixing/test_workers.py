"""A mixer inside data loader workers."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate

from vicinal import Choice, CutMix, MixCollate, MixUp, Schedule, rng


class Collate:
    def __init__(self, seed):
        self.mixer = MixUp(seed=seed)

    def __call__(self, samples):
        x, y = default_collate(samples)
        return self.mixer(x, y)[1].weight


@pytest.mark.parametrize("seed", [0, None])
def test_every_worker_and_epoch_draws_differently(seed):
    data = TensorDataset(torch.randn(24, 2), torch.arange(24))
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(
        data, batch_size=6, num_workers=2, collate_fn=Collate(seed), generator=generator
    )
    weights = [tuple(w.tolist()) for _ in range(2) for w in loader]
    assert len(set(weights)) == len(weights) == 8


def test_a_worker_that_is_spawned_draws_for_its_rank(monkeypatch):
    """It is in no group, and gets its mixer pickled; one that is forked inherits the group."""
    monkeypatch.setattr(rng, "get_worker_info", lambda: SimpleNamespace(seed=3))
    seeds = set()
    for rank in (0, 1):
        mixer = MixUp(seed=0)
        monkeypatch.setattr(rng, "rank_and_world_size", lambda rank=rank: (rank, 2))
        forked, sent = mixer.random.generator().initial_seed(), pickle.dumps(mixer)
        monkeypatch.setattr(rng, "rank_and_world_size", lambda: (0, 1))
        assert pickle.loads(sent).random.generator().initial_seed() == forked
        seeds.add(forked)
    assert len(seeds) == 2


def test_a_rerun_draws_the_same():
    runs = []
    for _ in range(2):
        data = TensorDataset(torch.randn(12, 2), torch.arange(12))
        generator = torch.Generator().manual_seed(0)
        loader = DataLoader(
            data, batch_size=6, num_workers=2, collate_fn=Collate(0), generator=generator
        )
        runs.append([w.tolist() for w in loader])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seeded", ["torch", "the loader"])
def test_without_a_seed_workers_follow_what_seeds_them(seeded):
    """They differ by worker and epoch, and a rerun, also in the same process, draws the same."""

    def run(seed):
        torch.manual_seed(seed if seeded == "torch" else 5)
        generator = None if seeded == "torch" else torch.Generator().manual_seed(seed)
        data = TensorDataset(torch.ones(6, 2), torch.arange(6))
        loader = DataLoader(
            data, 3, num_workers=2, collate_fn=MixCollate(MixUp()), generator=generator
        )
        return [tuple(y.weight.tolist()) for _ in range(2) for _, y in loader]

    first = run(42)
    assert len(set(first)) == 4
    assert run(42) == first


def test_without_a_seed_a_spawned_worker_draws_as_a_forked_one():
    torch.manual_seed(42)
    mixers = [MixUp(), MixUp()]
    sent = pickle.dumps(mixers)
    seeds = [mixer.random.seed for mixer in mixers]
    torch.manual_seed(42)
    assert [mixer.random.seed for mixer in pickle.loads(sent)] == seeds


def test_a_schedule_in_the_loaders_own_process_counts_all_batches():
    data = TensorDataset(torch.randn(64, 3), torch.arange(64))
    mix = MixCollate(Schedule(MixUp(1.0, folded=False), until=0.5, steps=32, seed=0))
    loader = DataLoader(data, 4, collate_fn=mix)
    is_mixed = [bool((y.weight < 1).any()) for _ in range(2) for _, y in loader]
    assert is_mixed == [True] * 16 + [False] * 16


@pytest.mark.parametrize("mixer", [
    Schedule(MixUp(1.0), until=0.5, steps=32),
    Choice([MixUp(), Schedule(CutMix(), until=0.5, steps=32)]),
], ids=["alone", "in a choice"])  # fmt: skip
def test_a_schedule_in_a_worker_is_rejected(mixer):
    data = TensorDataset(torch.randn(64, 3, 4, 4), torch.arange(64))
    loader = DataLoader(data, 4, collate_fn=MixCollate(mixer), num_workers=1)
    with pytest.raises(ValueError, match="a schedule cannot draw in a data loader's worker"):
        next(iter(loader))
