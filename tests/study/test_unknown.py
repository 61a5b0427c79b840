"""Confidence inside and outside of the data: against scikit-learn, DeLong, and by simulation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from vicinal import DataLoaders, Learner
from vicinal.study.evaluation import Evaluation
from vicinal.study.intervals import interval
from vicinal.study.measuring import compute_measures
from vicinal.study.unknown import auroc, confidences, false_positives
from vicinal.study.unknown_samples import MOST, NoiseImages, outputs_on


def scores(seed, inside, outside, levels=0):
    """Confidences; with levels, few different ones."""
    generator = torch.Generator().manual_seed(seed)
    both = [
        torch.rand(count, generator=generator, dtype=torch.float64) ** power
        for count, power in ((inside, 0.5), (outside, 1.0))
    ]
    return [(each * levels).round() / levels for each in both] if levels else both


cases = st.tuples(
    st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 60), st.sampled_from([0, 3, 20])
)


@given(cases)
def test_both_are_those_of_scikit_learn(case):
    inside, outside = scores(*case)
    known = [1] * len(inside) + [0] * len(outside)
    together = torch.cat([inside, outside]).numpy()
    found = auroc(inside, outside)
    assert found.shape == together.shape
    assert found.mean().item() == pytest.approx(roc_auc_score(known, together))
    false, true, _ = roc_curve(known, together, drop_intermediate=False)
    expected = false[np.argmax(true >= 0.95 - 1e-12)]
    assert false_positives(inside, outside).mean().item() == pytest.approx(expected)


def delong(inside, outside):
    """Areas of several scores and their covariance, as in the paper, pair by pair."""
    pairs = [
        (i[:, None] > o).double() + (i[:, None] == o).double() / 2
        for i, o in zip(inside, outside, strict=True)
    ]
    rows, columns = (torch.stack([each.mean(axis) for each in pairs]) for axis in (1, 0))
    covariance = rows.cov() / rows.shape[1] + columns.cov() / columns.shape[1]
    return rows.mean(1), covariance


@given(cases)
def test_the_variance_is_that_of_delong(case):
    """Of an area, and of the difference of two that were measured on the same samples."""
    seed, *shape = case
    first, second = scores(seed, *shape), scores(seed + 1, *shape)
    areas, covariance = delong(*zip(first, second, strict=True))
    values = torch.stack([auroc(*first), auroc(*second)])
    torch.testing.assert_close(values.mean(1), areas)
    torch.testing.assert_close(values.cov() / values.shape[1], covariance)


@pytest.mark.parametrize("measure", [auroc, false_positives])
class TestEdges:
    @pytest.mark.parametrize(
        ("inside", "outside", "expected"),
        [
            ([0.9, 0.8], [0.3, 0.2], (1.0, 0.0)),
            ([0.3, 0.2], [0.9, 0.8], (0.0, 1.0)),
            ([0.5, 0.5], [0.5, 0.5], (0.5, 1.0)),
        ],
    )
    def test_parted_and_equal_confidences(self, measure, inside, outside, expected):
        found = measure(*(torch.tensor(each).double() for each in (inside, outside)))
        assert found.isfinite().all()
        assert found.mean().item() == pytest.approx(expected[measure is false_positives])


def test_no_number_is_full_confidence():
    outputs = torch.tensor([[0.2, 0.8], [float("nan"), float("nan")]])
    assert confidences(outputs).tolist() == pytest.approx([0.8, 1.0])


@pytest.mark.parametrize("measure", [auroc, false_positives])
def test_the_standard_error_is_that_of_fresh_samples(measure):
    """Also where there are more samples of one kind, and of a difference.

    The standard deviation of 200 means is itself known to 5 %, so that a ratio below 0.8 or above
    1.2 comes by chance once in 16,000 times.
    """
    inside, outside = 600, 200
    found = []
    for seed in range(200):
        first = scores(2 * seed, inside, outside)
        second = [
            each.lerp(other, 0.3)
            for each, other in zip(first, scores(2 * seed + 1, inside, outside), strict=True)
        ]
        found.append(torch.stack([measure(*first), measure(*first) - measure(*second)]))
    values = torch.stack(found)
    errors = values.std(2).mean(0) / (inside + outside) ** 0.5
    ratio = errors / values.mean(2).std(0)
    assert ((ratio > 0.8) & (ratio < 1.2)).all()


def test_the_interval_over_seeds_and_both_samples_holds():
    """Four networks an arm, the same samples for all, and arms that do not differ.

    Of 120 intervals 5 % may miss 0; more than 15 would by chance once in 3,000 times.
    """
    missed = 0
    for trial in range(120):
        draw = np.random.default_rng(trial).standard_normal
        inside, outside = 0.8 + draw(150), draw(80)

        def measured(draw=draw, inside=inside, outside=outside):
            both = inside + 0.3 * draw() + 0.3 * draw(150), outside + 0.3 * draw(80)
            return auroc(*map(torch.from_numpy, both)).numpy()

        differences = np.stack([measured() - measured() for _ in range(4)])
        missed += interval(differences).significant
    assert missed <= 15


class TestSamples:
    @pytest.fixture
    def learn(self):
        torch.manual_seed(0)
        x = torch.randint(60, 160, (40, 3, 6, 6), dtype=torch.uint8)
        x[:, 1] //= 2
        y = torch.arange(40) % 2
        dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
        return Learner(dls, torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2)))

    def test_noise_has_the_mean_and_deviation_of_the_images(self, learn):
        noise = NoiseImages.like(learn)
        assert len(noise) == len(learn.dls.valid.dataset)
        pixels = learn.dls.valid.dataset.x / 255
        images = torch.stack(list(noise))
        assert images.shape == pixels.shape
        for moment in (torch.mean, torch.std):
            expected, found = (
                moment(each.transpose(0, 1).flatten(1), 1) for each in (pixels, images)
            )
            torch.testing.assert_close(found, expected, atol=0.02, rtol=0)

    def test_noise_is_the_same_for_every_network_and_each_image_another(self, learn):
        first, second = torch.stack(list(NoiseImages.like(learn))), NoiseImages.like(learn)
        assert first[3].equal(second[3])
        assert not first[3].equal(second[4])

    def test_a_comparison_of_images_measures_noise_and_other_data(self, learn):
        others = torch.randint(256, (25, 3, 6, 6), dtype=torch.uint8)
        outputs, targets = learn.get_preds()
        made = Evaluation(outputs, targets, learn=learn, ood=outputs_on(learn, others))
        found = compute_measures(made)
        assert found["auroc_noise"].shape == (80,)
        assert found["auroc_ood"].shape == found["fpr_ood"].shape == (65,)
        with torch.no_grad():
            expected = learn.model(learn.dls.normalize.valid(others)).softmax(1)
        torch.testing.assert_close(made.ood, expected)
        assert all(values.isfinite().all() for values in found.values())

    def test_the_number_of_noise_images_is_limited(self, learn):
        dataset = learn.dls.valid.dataset
        dataset.x, dataset.y = (
            each.repeat(60, *[1] * (each.ndim - 1)) for each in (dataset.x, dataset.y)
        )
        assert len(NoiseImages.like(learn)) == MOST
