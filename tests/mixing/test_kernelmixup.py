"""KernelMixUp: weights from Beta(τ, τ), whose τ follows from the distance of the partners.

Each statistical test raises a false alarm with a probability of 1e-6 at most; seeds are fixed.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from vicinal import Choice, CutMix, KernelMixUp, ManifoldMixUp
from vicinal.mixing.methods.kernelmixup import beta_of

FALSE_ALARM = 1e-6


def by_hand(mixer, x, y, distances_of):
    """The weights, from the formulas in the paper and the numbers that were drawn."""
    mix = mixer.draw(x, y)
    mixer.random.count -= 1
    twin = type(mixer)(mixer.tau_max, mixer.tau_std, distance=lambda _: torch.zeros(len(y)))
    twin.load_state_dict(mixer.state_dict())
    seen = {}
    twin.complete = lambda mix, batch: seen.setdefault("mix", mix)
    twin.draw(x, y)
    (drawn,) = seen["mix"].patterns
    d = distances_of(mix.partner).double()
    tau = mixer.tau_max * torch.exp(-(d / d.mean() - 1) / (2 * mixer.tau_std**2))
    cosine, exponential = drawn.cosine.double(), drawn.exponential.double()
    spread = 1 / torch.expm1(exponential / tau)
    return mix, 0.5 + cosine / (2 * torch.sqrt(cosine**2 + spread))


class TestWeights:
    def test_of_classes_follow_the_distance_of_the_inputs(self):
        x, y = torch.randn(9, 3, 4, 4), torch.arange(9) % 3
        mix, expected = by_hand(
            KernelMixUp(0.5, 0.4, seed=0),
            x,
            y,
            lambda partner: ((x - x[partner]) ** 2).sum((1, 2, 3)),
        )
        assert torch.allclose(mix.weight.double(), expected, atol=1e-5)
        assert torch.equal(mix.patterns[0].lam, mix.weight)

    def test_of_values_follow_the_distance_of_the_targets(self):
        x, y = torch.randn(9, 5), torch.randn(9, 2)
        mix, expected = by_hand(
            KernelMixUp(2.0, 0.5, seed=1), x, y, lambda p: ((y - y[p]) ** 2).sum(1)
        )
        assert torch.allclose(mix.weight.double(), expected, atol=1e-5)

    def test_follow_features_that_a_function_computes_without_a_graph(self):
        network = torch.nn.Linear(5, 2)
        x, y = torch.randn(9, 5), torch.randn(9)
        mixer = KernelMixUp(seed=2, distance=lambda x: network(x))
        mix, expected = by_hand(
            mixer, x, y, lambda p: ((network(x) - network(x)[p]) ** 2).sum(1).detach()
        )
        assert torch.allclose(mix.weight.double(), expected, atol=1e-5)
        assert not mix.weight.requires_grad

    @pytest.mark.parametrize("tau", [0.3, 1.0, 7.0, 2e3])
    def test_are_from_beta_of_tau_and_tau(self, tau):
        uniform = torch.rand(2, 20_000, generator=torch.Generator().manual_seed(3)).double()
        weights = beta_of(
            torch.full((20_000,), tau), (2 * math.pi * uniform[0]).cos(), -(-uniform[1]).log1p()
        )
        assert stats.kstest(weights, stats.beta(tau, tau).cdf).pvalue > FALSE_ALARM

    def test_at_equal_distances_are_from_beta_of_tau_max(self):
        """As d is 1 for all of them, whatever tau_std is."""
        y = torch.zeros(2000).index_fill(0, torch.arange(0, 2000, 2), 4.0)
        mixer = KernelMixUp(0.7, 0.1, partners="reverse", seed=4)
        weights = np.concatenate([mixer.draw(y, y).weight.numpy() for _ in range(10)])
        assert stats.kstest(weights, stats.beta(0.7, 0.7).cdf).pvalue > FALSE_ALARM

    def test_several_inputs_add_up_and_categories_count_as_one_hot_vectors(self):
        numbers = torch.randn(8, 3)
        categories = torch.randint(3, (8, 2))
        one_hot = torch.nn.functional.one_hot(categories, 3).flatten(1).float()
        x, y = {"numbers": numbers, "categories": categories}, torch.arange(8) % 2
        mix = KernelMixUp(seed=5).draw(x, y)
        expected = KernelMixUp(seed=5).draw(torch.cat((numbers, one_hot), 1), y)
        assert torch.allclose(mix.weight, expected.weight, atol=1e-5)
        only = KernelMixUp(seed=5, fields="numbers").draw(x, y)
        assert torch.allclose(only.weight, KernelMixUp(seed=5).draw(numbers, y).weight)

    def test_bytes_are_compared_as_numbers(self):
        """250 and 3 are 247 apart, and not 9, as bytes that overflow would be."""
        images = torch.randint(256, (8, 3, 4, 4), dtype=torch.uint8)
        y = torch.arange(8)
        mix, expected = (
            KernelMixUp(seed=6).draw(images, y),
            KernelMixUp(seed=6).draw(images.float(), y),
        )
        assert torch.equal(mix.weight, expected.weight)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_distances_do_not_overflow_in_half_precision(self, dtype):
        x = (1000 * torch.randn(8, 50)).to(dtype)
        y = torch.arange(8)
        mix = KernelMixUp(seed=7).draw(x, y)
        assert torch.equal(mix.weight, KernelMixUp(seed=7).draw(x.float(), y).weight)


class TestUnusual:
    def test_samples_that_are_equal_are_mixed_at_tau_max(self):
        weight = KernelMixUp(seed=0).draw(torch.ones(6, 2), torch.arange(6)).weight
        assert weight.isfinite().all()
        assert len(weight.unique()) == 6

    def test_one_missing_value_does_not_decide_about_the_others(self):
        y = torch.randn(50)
        expected = KernelMixUp(seed=1).draw(y, y)
        y = y.index_fill(0, torch.tensor([3]), math.nan)
        mix = KernelMixUp(seed=1).draw(y, y)
        touched = (torch.arange(50) == 3) | (mix.partner == 3)
        assert set(mix.weight[touched].tolist()) <= {0.0, 1.0}
        assert torch.allclose(mix.weight[~touched], expected.weight[~touched], atol=0.2)
        assert not torch.isin(mix.weight[~touched], torch.tensor([0.0, 1.0])).all()

    @pytest.mark.parametrize("tau_max", [0.0, 1e-9])
    def test_a_tau_near_0_mixes_nothing(self, tau_max):
        weight = KernelMixUp(tau_max, seed=2).draw(torch.randn(64, 2), torch.arange(64)).weight
        assert set(weight.tolist()) <= {0.0, 1.0}

    def test_works_in_halves_choices_and_layers(self):
        x, y = torch.rand(8, 3, 8, 8), torch.arange(8) % 2
        half = KernelMixUp(half=True, seed=3)
        assert half(x, y)[0].shape == (4, 3, 8, 8)
        both = Choice([KernelMixUp(), CutMix()], seed=3)
        mix = both.draw(x, y)
        assert torch.allclose(both(x, y)[1].weight.mean(), mix.weight.mean(), atol=0.5)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
        with ManifoldMixUp(model, "0", mixer=KernelMixUp(), seed=3) as mixup:
            assert mixup(x, y)[1].weight.shape == (8,)

    def test_samples_of_other_mixers_stay_as_they_are(self):
        mixer = KernelMixUp(p=0.5, seed=4)
        weight = mixer.draw(torch.randn(400, 2), torch.arange(400)).weight
        assert 120 < int((weight == 1).sum()) < 330

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: KernelMixUp(-1), ValueError, "tau_max must be 0 or more, not -1"),
            (lambda: KernelMixUp(math.inf), ValueError, "tau_max must be finite"),
            (lambda: KernelMixUp(tau_std=0), ValueError, "tau_std above 0, not 0"),
            (lambda: KernelMixUp(distance="labels"), ValueError, "'targets' or a function"),
            (
                lambda: KernelMixUp(distance="targets")(torch.rand(4, 2), torch.arange(4)),
                TypeError,
                "needs one tensor of floats as targets, not torch.int64: for classes take",
            ),
            (lambda: KernelMixUp(alpha=0.4), TypeError, "alpha"),
            (
                lambda: KernelMixUp(fields="a")({"x": torch.rand(4, 2)}, torch.arange(4)),
                ValueError,
                "'a'",
            ),
        ],
    )
    def test_mistakes_are_named(self, make, error, message):
        with pytest.raises(error, match=message):
            make()

    def test_the_repr_is_code(self):
        text = repr(KernelMixUp(0.5, distance="inputs", seed=1))
        assert text.startswith("KernelMixUp(tau_max=0.5, tau_std=0.25, distance='inputs'")
