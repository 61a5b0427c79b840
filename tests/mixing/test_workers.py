"""A mixer inside data loader workers."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate

from vicinal import MixUp


class Collate:
    def __init__(self, seed):
        self.mixer = MixUp(seed=seed)

    def __call__(self, samples):
        x, y = default_collate(samples)
        return self.mixer(x, y)[1].weight


@pytest.mark.parametrize("seed", [0, None])
def test_every_worker_and_epoch_draws_anew(seed):
    data = TensorDataset(torch.randn(24, 2), torch.arange(24))
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(
        data, batch_size=6, num_workers=2, collate_fn=Collate(seed), generator=generator
    )
    weights = [tuple(w.tolist()) for _ in range(2) for w in loader]
    assert len(set(weights)) == len(weights) == 8


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
