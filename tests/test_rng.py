"""Seeds, states, ranks and workers."""

import numpy as np
import pytest
import torch

from vicinal import MixUp, rng
from vicinal.rng import RandomState, derive_seed, rank_and_world_size


def drawn(mixer, batches=3):
    mixes = [mixer.draw(torch.empty(9, 2)) for _ in range(batches)]
    return torch.stack([torch.cat([m.partner.double(), m.weight.double()]) for m in mixes])


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("p", [1.0, 0.5])
def test_one_seed_one_result(per, p):
    first, second = (MixUp(per=per, p=p, seed=7) for _ in range(2))
    assert torch.equal(drawn(first), drawn(second))
    assert not torch.equal(drawn(first), drawn(MixUp(per=per, p=p, seed=8)))


def test_without_a_seed_the_one_drawn_can_be_read():
    mixer = MixUp()
    again = MixUp(seed=mixer.random.seed)
    assert torch.equal(drawn(mixer), drawn(again))
    assert mixer.random.seed != MixUp().random.seed


def test_a_restored_state_continues_where_it_was():
    mixer = MixUp(seed=3)
    drawn(mixer)
    state = mixer.state_dict()
    expected = drawn(mixer)
    other = MixUp(seed=99)
    other.load_state_dict(state)
    assert torch.equal(drawn(other), expected)
    assert other.random.seed == 3
    assert state == {"seed": 3, "draws": 3}


def test_ranks_draw_differently(monkeypatch):
    results = []
    for rank in range(3):
        monkeypatch.setattr(rng, "rank_and_world_size", lambda rank=rank: (rank, 8))
        results.append(drawn(MixUp(seed=0)))
    monkeypatch.setattr(rng, "rank_and_world_size", lambda: (0, 1))
    results.append(drawn(MixUp(seed=1)))  # the next seed is not the next rank
    for i, one in enumerate(results):
        assert not any(torch.equal(one, other) for other in results[i + 1 :])


def test_no_global_generator_is_read_or_advanced():
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = drawn(MixUp(p=0.5, seed=0))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    torch.manual_seed(6)
    assert torch.equal(drawn(MixUp(p=0.5, seed=0)), first)


@pytest.mark.parametrize("seed", [1.5, "1", True])
def test_a_seed_that_is_no_integer_is_rejected(seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        MixUp(seed=seed)


def test_a_state_counts_its_draws():
    state = RandomState(7)
    assert [state.next() for _ in range(3)] == [0, 1, 2]
    assert state.state_dict() == {"seed": 7, "draws": 3}


def test_each_purpose_has_a_seed_of_its_own():
    seeds = {derive_seed(0), derive_seed(1), derive_seed(0, 1), derive_seed(0, "1")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derive_seed(3, "layer", 4) == derive_seed(3, "layer", 4)


def test_without_a_group_there_is_one_process():
    assert rank_and_world_size() == (0, 1)
