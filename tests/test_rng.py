"""Seeds, states, ranks and workers."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from vicinal import Choice, CutMix, MixUp, Schedule, rng
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


class TestWithoutASeed:
    """A mixer follows torch's generator on the CPU, as it is at the mixer's first use."""

    @pytest.mark.parametrize(
        "make",
        [
            MixUp,
            lambda: CutMix(minmax=(0.2, 0.8)),
            lambda: Choice([MixUp(), MixUp(1.0)]),
            lambda: Schedule(MixUp(), steps=9),
        ],
    )
    def test_torchs_seed_decides(self, make):
        def run(seed):
            torch.manual_seed(seed)
            mixer = make()
            return [mixer.draw(torch.empty(9, 3, 8, 8)).partner.tolist() for _ in range(3)]

        assert run(42) == run(42) != run(43)

    def test_it_is_the_seed_at_the_first_use(self):
        mixer, results = MixUp(), []
        torch.manual_seed(42)
        results.append(drawn(mixer))
        torch.manual_seed(1)  # has no effect any more
        again = drawn(mixer)
        torch.manual_seed(42)
        mixer = MixUp()
        assert torch.equal(drawn(mixer), results[0])
        assert torch.equal(drawn(mixer), again)

    def test_the_generator_does_not_move(self):
        torch.manual_seed(42)
        before = torch.get_rng_state()
        drawn(MixUp())
        assert torch.equal(torch.get_rng_state(), before)

    def test_mixers_that_exist_together_differ(self):
        def run():
            torch.manual_seed(42)
            mixers = [MixUp() for _ in range(4)]
            return [mixer.random.seed for mixer in mixers], mixers

        first, alive = run()
        assert len(set(first)) == len(alive)
        assert run()[0] == first  # though the mixers of the first run are still alive
        assert run()[0] == first

    def test_one_that_was_made_but_never_used_does_not_count(self):
        torch.manual_seed(42)
        seed = MixUp().random.seed
        torch.manual_seed(42)
        unused = MixUp()
        assert MixUp().random.seed == seed
        assert not unused.random.has_seed

    def test_a_second_training_in_one_process_differs(self):
        torch.manual_seed(42)
        seeds = []
        for _ in range(3):
            torch.nn.Linear(2, 2)  # new weights are drawn
            seeds.append(MixUp().random.seed)
        assert len(set(seeds)) == 3

    @pytest.mark.slow
    def test_every_process_differs_unless_it_is_seeded(self):
        code = "from vicinal.rng import RandomState; print(RandomState().seed)"
        seeded = f"import torch; torch.manual_seed(42); {code}"
        codes = [code, code, seeded, seeded]
        started = [
            subprocess.Popen([sys.executable, "-c", each], stdout=subprocess.PIPE) for each in codes
        ]
        first, second, third, fourth = (process.communicate()[0] for process in started)
        assert first != second
        assert third == fourth != first

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copying_is_no_use(self, copied):
        mixer = MixUp()
        repr(mixer)
        twin = copied(mixer)
        assert not mixer.random.has_seed
        torch.manual_seed(42)
        assert mixer.random.seed != twin.random.seed
        assert copied(mixer).random.seed == mixer.random.seed

    def test_a_state_that_was_loaded_decides(self):
        mixer, other = MixUp(), MixUp()
        torch.manual_seed(42)
        drawn(mixer)
        torch.manual_seed(1)
        other.load_state_dict(mixer.state_dict())
        assert torch.equal(drawn(other), drawn(mixer))

    def test_a_state_that_was_saved_before_the_first_draw_decides(self):
        torch.manual_seed(42)
        mixer, other = MixUp(), MixUp()
        state = mixer.state_dict()
        torch.manual_seed(1)
        other.load_state_dict(state)
        assert torch.equal(drawn(other), drawn(mixer))

    def test_ranks_of_one_seed_differ(self, monkeypatch):
        results = []
        for rank in range(2):
            torch.manual_seed(42)
            monkeypatch.setattr(rng, "rank_and_world_size", lambda rank=rank: (rank, 2))
            results.append(drawn(MixUp()))
        assert not torch.equal(*results)

    def test_in_a_compiled_function(self):
        def run(call):
            torch.manual_seed(42)
            mixer = MixUp()

            def weights(x, y):
                return mixer(x, y)[1].weight

            call = torch.compile(weights, fullgraph=True, backend="eager") if call else weights
            return [call(torch.ones(9, 2), torch.arange(9)).tolist() for _ in range(2)]

        assert run(True) == run(False)

    def test_inside_of_transforms_and_inference_mode(self):
        def summed(x):
            return mixer(x, None)[0].sum()

        torch.manual_seed(42)
        mixer = MixUp()
        torch.func.grad(summed)(torch.ones(4, 2))
        seed = mixer.random.seed
        torch.manual_seed(42)
        with torch.inference_mode():
            assert MixUp().random.seed == seed

    def test_the_repr_does_not_take_the_seed(self):
        torch.manual_seed(42)
        mixer = MixUp()
        assert "seed" not in repr(mixer)
        assert f"seed={mixer.random.seed})" in repr(mixer)

    def test_a_new_mixer_for_each_batch_is_remarked(self):
        def draw(times):
            for _ in range(times):
                MixUp().draw(torch.empty(4, 2))

        torch.manual_seed(42)
        with pytest.warns(UserWarning, match="make one before the loop") as warned:
            draw(120)
        assert len(warned) == 1


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
