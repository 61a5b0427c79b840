"""Rescaling at prediction: the mean share of a mixer's law, and the formula."""

import pytest
import torch
from scipy import special
from torch import nn

from vicinal import (
    BalancedMixUp,
    Choice,
    CutMix,
    KernelMixUp,
    ManifoldMixUp,
    MixUp,
    Rescaling,
    Schedule,
    VicinalError,
    mean_share,
)
from vicinal.mixing import Blend
from vicinal.rescaling import Means


class TestMeanShare:
    @pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.4, 1.0, 3.0, 200.0])
    def test_is_the_papers(self, alpha):
        """uncertainty-baselines: the mean of Beta(α, α) truncated to [1/2, 1]."""
        expected = 1 - special.betainc(alpha + 1, alpha, 0.5)
        assert mean_share(MixUp(alpha)) == pytest.approx(expected, abs=1e-9)
        assert mean_share(MixUp(alpha, folded=False)) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize(
        "mixer",
        [
            MixUp(0.4, seed=0),
            MixUp(2.0, p=0.3, folded=False, seed=0),
            MixUp(0.7, per="batch", seed=0),
            Choice([MixUp(0.2), MixUp(3.0)], p=[0.5, 0.2], seed=0),
        ],
        ids=repr,
    )
    def test_is_the_mean_of_its_draws(self, mixer):
        """Within five standard errors; a batch shares one weight in the third."""
        batches, x = 2000, torch.zeros(40, 1)
        shares = torch.stack([mixer.draw(x).weight.double() for _ in range(batches)])
        shares = torch.maximum(shares, 1 - shares).mean(1)
        error = shares.std().item() / batches**0.5
        assert mean_share(mixer) == pytest.approx(shares.mean().item(), abs=5 * error)

    def test_of_a_mixer_of_ones_own_is_the_mean_of_draws(self):
        class Twice(MixUp):
            def pattern(self, count, size, generator):
                return Blend(torch.full((count,), 0.2).where(torch.arange(count) % 2 > 0, 0.6))

        assert mean_share(Twice()) == pytest.approx(0.7, abs=1e-6)

    @pytest.mark.parametrize(
        ("mixer", "reason"),
        [
            (CutMix(), "it does not blend whole samples"),
            (Choice([MixUp(), CutMix()]), "it does not blend whole samples"),
            (KernelMixUp(), "depends on the samples"),
            (BalancedMixUp(), "depends on the samples"),
            (Schedule(MixUp(), until=0.5), "changes in the course"),
            (ManifoldMixUp(nn.Sequential(nn.Linear(2, 2)), "0"), "inside of the network"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
    )
    def test_has_no_meaning_for_others(self, mixer, reason):
        with pytest.raises(ValueError, match=f"cannot be rescaled, because .*{reason}"):
            mean_share(mixer)


class TestRescaling:
    def test_of_classes_is_the_formula_on_logits(self):
        model, x = nn.Linear(3, 4), torch.randn(50, 3)
        y = torch.randint(4, (50,))
        rescaling = Rescaling.of(MixUp(1.0), [(x[:20], y[:20]), (x[20:], y[20:])], num_classes=4)
        theta, mean_x = 0.75, x.mean(0)
        mean_y = torch.nn.functional.one_hot(y, 4).float().mean(0)
        new = torch.randn(7, 3)
        expected = model(mean_x + theta * (new - mean_x)) / theta + (1 - 1 / theta) * mean_y
        assert torch.allclose(rescaling(model, new), expected, atol=1e-5)

    @pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 2)])
    def test_of_values_gives_back_a_linear_function(self, shape):
        """If the network is the function of mixed samples itself, rescaling undoes nothing else:
        a linear network through the means gives the values that it gives without."""
        x = torch.randn(50, 3)
        model = nn.Linear(3, shape[1] if len(shape) > 1 else 1)
        outputs = model(x).detach()
        y = outputs.reshape(shape)
        rescaling = Rescaling.of(MixUp(0.4), [(x, y)])
        assert torch.allclose(rescaling(model, x), outputs, atol=1e-5)

    def test_theta_1_changes_nothing(self):
        x, y = torch.randn(10, 3), torch.randn(10)
        rescaling = Rescaling.of(MixUp(0.0), [(x, y)])
        model = nn.Linear(3, 1)
        assert torch.allclose(rescaling(model, x), model(x))

    def test_inputs_keep_their_dtype_and_outputs_have_32_bits(self):
        x, y = torch.randn(10, 3), torch.arange(10) % 2
        rescaling = Rescaling.of(MixUp(), [(x, y)], num_classes=2)
        model = nn.Linear(3, 2).bfloat16()
        assert rescaling(model, x.bfloat16()).dtype == torch.float32

    def test_values_that_float32_cannot_hold_stay_in_float64(self):
        x = torch.randn(10, 3, dtype=torch.float64)
        y = 1e60 + 1e55 * x[:, :1]
        rescaling = Rescaling.of(MixUp(1.0), [(x, y)])
        model = nn.Linear(3, 1).double()
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[1e55, 0.0, 0.0]], dtype=torch.float64))
            model.bias.fill_(1e60)
        assert torch.allclose(rescaling(model, x), y, rtol=1e-12)

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (
                lambda: Rescaling(0.4, torch.ones(1), torch.ones(1)),
                ValueError,
                "1, not 0.4",
            ),
            (lambda: Means().both(), ValueError, "no training samples"),
            (lambda: Means().add(torch.rand(4), torch.arange(4)), ValueError, "give num_classes"),
            (
                lambda: Means(3).add(torch.arange(4), torch.arange(4)),
                TypeError,
                "one tensor of floats, not torch.int64",
            ),
            (lambda: Means(3).add({"x": 1}, torch.arange(4)), TypeError, "not a dict"),
            (
                lambda: Means(3).add(torch.rand(2, 1, 4, 4), torch.zeros(2, 4, 4).long()),
                TypeError,
                "class indices .B,. or floats",
            ),
        ],
    )
    def test_mistakes_are_named(self, make, error, message):
        with pytest.raises(error, match=message):
            make()

    def test_other_shapes_than_in_training_are_refused(self):
        means = Means(2)
        means.add(torch.rand(2, 3, 8, 8), torch.arange(2))
        with pytest.raises(ValueError, match="rescaling needs samples of one shape"):
            means.add(torch.rand(2, 3, 9, 9), torch.arange(2))
        rescaling = Rescaling(0.8, *means.both())
        with pytest.raises(VicinalError, match=r"have shape \(3, 9, 9\), but the training samples"):
            rescaling(nn.Identity(), torch.rand(2, 3, 9, 9))
        with pytest.raises(VicinalError, match=r"shape \(2,\), which these of shape \(7,\)"):
            rescaling(lambda x: x[:, :1, 0, :7].flatten(1), torch.rand(2, 3, 8, 8))
