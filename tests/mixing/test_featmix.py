"""FeatMix: ColumnMix' columns, and the published weights."""

import numpy as np
import pytest
import torch

from vicinal import Choice, ColumnMix, FeatMix, Mix, MixUp
from vicinal.mixing import Batch, Columns

IMPORTANCE = [3.0, 0.0, 1.0, 1.0, 2.0]


def table(count):
    generator = torch.Generator().manual_seed(0)
    return {
        "numbers": torch.randn(count, 3, generator=generator),
        "categories": torch.randint(9, (count, 2), generator=generator),
    }


def test_weights_are_the_published_ones():
    """As PyTorch Frame's ExcelFormer shares the labels for these columns."""
    keep = torch.tensor([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 0, 1], [1, 1, 1, 1, 1]]).bool()
    partner = torch.tensor([2, 0, 1, 3])
    drawn = Mix(partner, torch.ones(4), (Columns(keep),))
    x = torch.arange(20.0).view(4, 5)
    mix = FeatMix(IMPORTANCE).complete(drawn, Batch(x, torch.arange(4)))
    dense = mix.target(torch.arange(4)).dense(4)
    published = torch.tensor(
        [[0, 0, 1, 0], [0.7143, 0.2857, 0, 0], [0, 0.7143, 0.2857, 0], [0, 0, 0, 1]]
    )
    assert torch.allclose(dense, published, atol=1e-4)
    rows = [[2] * 5, [0, 1, 1, 1, 0], [1, 2, 1, 1, 2], [3] * 5]
    assert (mix(x) // 5).tolist() == rows


def test_columns_are_those_of_columnmix():
    x, y = table(20), torch.arange(20)
    ours, other = FeatMix(IMPORTANCE, seed=0)(x, y)[0], ColumnMix(0.5, seed=0)(x, y)[0]
    assert all(torch.equal(ours[name], other[name]) for name in x)
    first, second = FeatMix(IMPORTANCE, seed=0).draw(x, y), ColumnMix(0.5, seed=0).draw(x, y)
    assert torch.equal(first.patterns[0].keep, second.patterns[0].keep)
    shares = torch.tensor(IMPORTANCE) / 7
    assert torch.allclose(first.weight, first.patterns[0].keep.float() @ shares)
    assert first(x, integers="paste")["categories"].dtype == torch.int64


def test_without_any_importance_columns_count_equally():
    x = table(20)
    for importance in ([0.0] * 5, [2.0] * 5):
        mix = FeatMix(importance, seed=0).draw(x)
        assert torch.allclose(mix.weight, ColumnMix(0.5, seed=0).draw(x).weight)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_numbers_may_come_in_any_kind_of_list(kind):
    assert FeatMix(kind(IMPORTANCE)).importance == tuple(IMPORTANCE)


def test_rows_that_are_not_mixed_keep_exactly_all():
    x, y = table(200), torch.arange(200)
    importance = [0.1, 0.3, 0.7, 0.9, 0.2]
    assert bool((FeatMix(importance, p=0.0).draw(x).weight == 1).all())
    blend = MixUp(integers="paste")
    mix = Choice([FeatMix(importance), blend], [0.5, 0.0], integers="paste", seed=0).draw(x, y)
    unmixed = mix.patterns[0].keep.all(1)
    assert 50 < int(unmixed.sum()) < 150
    assert bool((mix.weight[unmixed] == 1).all())


@pytest.mark.parametrize(
    ("importance", "error", "message"),
    [
        (3.0, TypeError, "importance must be one number for each column, not 3.0"),
        ([], TypeError, "importance must be one number for each column"),
        ([1.0, -1.0], ValueError, "importance must be 0 or more, not -1.0"),
        ([1.0, float("nan")], ValueError, "importance must be 0 or more, not nan"),
        ([1.0, float("inf")], ValueError, "importance must be finite"),
        (["a"], TypeError, "importance must be a number, not 'a'"),
    ],
)
def test_bad_numbers_are_one_sentence(importance, error, message):
    with pytest.raises(error, match=message):
        FeatMix(importance)


def test_a_wrong_number_of_columns_is_named():
    with pytest.raises(ValueError, match="importance holds 2 numbers, but the batch 5 columns"):
        FeatMix([1, 2]).draw(table(3))
    with pytest.raises(TypeError, match="keep"):
        FeatMix(IMPORTANCE, keep=0.5)
    assert "importance=(1.0, 2.0), " in repr(FeatMix([1, 2]))
