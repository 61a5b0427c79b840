"""The density of the weights, as numbers and as a plot."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats

from vicinal import plots
from vicinal.plots.density import draw_density


class TestBetaDensity:
    # Near the ends, in the middle, and near it, where a large alpha has all of its mass.
    weight = torch.cat(
        [torch.tensor([1e-12, 1e-3]), 0.5 + torch.linspace(-1e-3, 1e-3, 7).double(),
         torch.linspace(0.01, 0.99, 99).double(), torch.tensor([0.999])]
    )  # fmt: skip

    @pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.4, 1, 1.5, 8.0, 1e3, 1e6])
    def test_equals_scipy(self, alpha):
        expected = torch.from_numpy(stats.beta.pdf(self.weight, alpha, alpha))
        density = plots.beta_density(self.weight, alpha, False)
        torch.testing.assert_close(density, expected, rtol=1e-7, atol=1e-12)
        folded = plots.beta_density(self.weight, alpha, True)
        twice = torch.where(self.weight >= 0.5, 2 * expected, 0)
        torch.testing.assert_close(folded, twice, rtol=1e-7, atol=1e-12)

    @pytest.mark.parametrize("folded", [True, False])
    @pytest.mark.parametrize("alpha", [1.0, 2.5, 1e4])
    def test_the_density_integrates_to_1(self, alpha, folded):
        weight = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
        assert plots.beta_density(weight, alpha, folded).mean() == pytest.approx(1, abs=1e-6)

    def test_matches_folded_draws(self):
        draws = stats.beta.rvs(0.7, 0.7, size=200_000, random_state=0)
        heights, edges = np.histogram(np.maximum(draws, 1 - draws), 10, (0.5, 0.9), density=False)
        centres = torch.from_numpy((edges[1:] + edges[:-1]) / 2)
        expected = plots.beta_density(centres, 0.7, True) * 0.04 * 200_000
        np.testing.assert_allclose(heights, expected, rtol=0.05)

    @pytest.mark.parametrize(
        ("alpha", "folded", "ends"),
        [(0.4, False, [math.inf, math.inf]), (0.4, True, [0, math.inf]), (1, False, [1, 1]),
         (1, True, [0, 2]), (2, False, [0, 0]), (0, True, [0, math.inf]),
         (0, False, [0, math.inf])],
    )  # fmt: skip
    def test_at_the_ends(self, alpha, folded, ends):
        density = plots.beta_density(torch.tensor([0.0, 1.0]), alpha, folded)
        assert density.tolist() == pytest.approx(ends)

    @pytest.mark.parametrize("alpha", [0, 0.4, 1, 2])
    def test_outside_it_is_0(self, alpha):
        density = plots.beta_density(torch.tensor([[-0.1, 1.1]]), alpha, False)
        assert density.tolist() == [[0, 0]]
        assert density.dtype == torch.float64

    @pytest.mark.parametrize("alpha", [-0.1, math.inf, math.nan])
    def test_errors(self, alpha):
        with pytest.raises(ValueError, match=f"at least 0, not {alpha}"):
            plots.beta_density(torch.tensor([0.5]), alpha, True)


def drawn(alpha, folded=True):
    axes = Figure().add_subplot()
    draw_density(axes, alpha, folded, [0.5, 0.75])
    return axes, {line.get_label(): line for line in axes.lines}


class TestDrawing:
    def test_folded_density_and_the_unfolded_one(self):
        axes, lines = drawn(0.4)
        assert set(lines) == {"Beta(0.4, 0.4), folded", "unfolded", "these samples"}
        assert {text.get_text() for text in axes.get_legend().texts} == set(lines)
        assert list(lines["these samples"].get_xdata()) == [0.5, 0.75]
        folded, unfolded = lines["Beta(0.4, 0.4), folded"], lines["unfolded"]
        for line, is_folded in ((folded, True), (unfolded, False)):
            x, density = map(torch.as_tensor, line.get_data())
            torch.testing.assert_close(density, plots.beta_density(x, 0.4, is_folded))
        assert folded.get_xdata().min() == 0.5
        assert unfolded.get_xdata().min() == 0.001

    def test_without_folding_there_is_one_density(self):
        _, lines = drawn(2.0, folded=False)
        assert set(lines) == {"Beta(2, 2)", "these samples"}
        assert lines["Beta(2, 2)"].get_xdata().min() == 0.001

    def test_alpha_0_is_a_spike_at_1(self):
        _, lines = drawn(0)
        assert list(lines["alpha 0: nothing is mixed"].get_xdata()) == [1, 1]

    @pytest.mark.parametrize("folded", [True, False])
    @pytest.mark.parametrize("alpha", [1e-6, 0.4, 0.9, 1.0, 100.0, 1e4])
    def test_it_fills_its_panel(self, alpha, folded):
        axes, lines = drawn(alpha, folded)
        name = next(name for name in lines if name.startswith("Beta"))
        x, density = lines[name].get_data()
        height = axes.get_ylim()[1]
        assert np.isfinite(density).all()
        assert 0.9 * height < density[(x > 0.02) & (x < 0.98)].max() < height
