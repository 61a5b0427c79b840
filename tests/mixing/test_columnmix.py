"""ColumnMix: one mask over the columns of all tensors, against loops by hand; its statistics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import Choice, ColumnMix, CutMix, Mix, MixUp, Schedule
from vicinal.mixing.columns import Columns

from .implementations import using


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def table(count, numbers=3, categories=2, seed=0):
    g = generator(seed)
    return {
        "numbers": torch.randn(count, numbers, generator=g),
        "categories": torch.randint(1000, (count, categories), generator=g),
    }


def side_by_side(x):
    """The rows of a table as lists, numbers first."""
    return [n + c for n, c in zip(x["numbers"].tolist(), x["categories"].tolist(), strict=True)]


def by_hand(x, partner, masks):
    rows = side_by_side(x)
    return [
        [own if keeps else shown for own, shown, keeps in zip(row, rows[p], keep, strict=True)]
        for row, p, keep in zip(rows, partner.tolist(), masks.tolist(), strict=True)
    ]


@settings(deadline=None)
@given(
    alpha=st.floats(0, 100),
    keep=st.none() | st.floats(0, 1),
    count=st.integers(0, 8),
    numbers=st.integers(0, 5),
    categories=st.integers(1, 5),
    per=st.sampled_from(["sample", "batch"]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    p=st.floats(0, 1),
    inplace=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_every_setting_equals_loops_by_hand(
    alpha, keep, count, numbers, categories, per, partners, p, inplace, seed
):
    x, y = table(count, numbers, categories), torch.arange(count)
    options = {"keep": keep, "per": per, "partners": partners, "p": p, "seed": seed}
    mix = ColumnMix(alpha, **options).draw(x, y)
    (pattern,) = mix.patterns
    assert type(pattern) is Columns
    assert (pattern.keep.shape, pattern.keep.dtype) == ((count, numbers + categories), torch.bool)
    if per == "batch" and partners != "pairs":  # the one that is left over stays as it is
        assert len(pattern.keep.unique(dim=0)) <= 1
    expected = by_hand(x, mix.partner, pattern.keep)
    mixed, target = ColumnMix(alpha, **options)(x, y, inplace=inplace)
    assert side_by_side(mixed) == expected
    assert (mixed["numbers"] is x["numbers"]) == inplace
    assert mixed["categories"].dtype == torch.int64
    assert target.weight.dtype == torch.float32
    shares = [sum(keep) / len(keep) for keep in pattern.keep.tolist()]
    assert torch.allclose(target.weight, torch.tensor(shares), atol=1e-6)
    assert torch.equal(target.partner, y[mix.partner])


@pytest.mark.parametrize("implementation", ["compiled", "plain", "row by row"])
@pytest.mark.parametrize("inplace", [False, True])
def test_all_implementations_and_layouts_agree(implementation, inplace):
    whole = torch.randn(6, 9, generator=generator())
    mix = ColumnMix(seed=0).draw(whole)
    expected = torch.where(mix.patterns[0].keep, whole, whole[mix.partner])
    by_columns = whole.T.contiguous().T
    with using(implementation):
        for x in (whole.clone(), by_columns.clone(), torch.cat([whole, whole], 1)[:, :9]):
            strides = x.stride()
            mixed = mix(x, inplace=inplace)
            assert torch.equal(mixed, expected)
            if x.numel() == x.untyped_storage().size() / 4:  # a part of a larger one has no layout
                assert mixed.stride() == strides


def test_partners_may_come_from_a_second_batch():
    x, other, y = table(5), table(5, seed=1), torch.arange(5)
    mix = ColumnMix(seed=0).draw(x)
    mixed, target = ColumnMix(seed=0)(x, y, other=(other, y + 5))
    rows = zip(side_by_side(x), side_by_side(other), mix.patterns[0].keep.tolist(), strict=True)
    assert side_by_side(mixed) == [
        [a if keeps else b for a, b, keeps in zip(own, shown, keep, strict=True)]
        for own, shown, keep in rows
    ]
    assert torch.equal(target.partner, y + 5)


@pytest.mark.parametrize("count", [6, 7])
def test_the_second_half_is_mixed_into_the_first(count):
    x, y = table(count), torch.arange(count)
    mixed, target = ColumnMix(keep=0, half=True, seed=0)(x, y)
    half = (count + 1) // 2
    assert side_by_side(mixed) == side_by_side(x)[count // 2 :]
    assert len(target) == half
    assert torch.equal(target.weight, torch.zeros(half))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_the_number_of_own_columns_is_beta_binomial(alpha):
    count = 20_000
    keep = ColumnMix(alpha).pattern(count, (1, 9), generator()).keep.sum(1)
    expected = count * stats.betabinom(9, alpha, alpha).pmf(np.arange(10))
    # False alarm: 1e-6.
    assert stats.chisquare(np.bincount(keep, minlength=10), expected).pvalue > 1e-6


def test_columns_are_drawn_independently():
    keep = ColumnMix(keep=0.9).pattern(20_000, (1, 3), generator()).keep
    found = np.bincount(keep.long() @ torch.tensor([1, 2, 4]), minlength=8)
    expected = [0.1 ** (3 - n.bit_count()) * 0.9 ** n.bit_count() for n in range(8)]
    # False alarm: 1e-6.
    assert stats.chisquare(found, 20_000 * np.array(expected)).pvalue > 1e-6


def test_a_restored_state_continues():
    x, y = table(8), torch.arange(8)
    whole, first, second = ColumnMix(seed=0), ColumnMix(seed=0), ColumnMix(seed=1)
    expected = [whole(x, y)[0] for _ in range(4)]
    found = [first(x, y)[0] for _ in range(2)]
    second.load_state_dict(first.state_dict())
    found += [second(x, y)[0] for _ in range(2)]
    assert list(map(side_by_side, found)) == list(map(side_by_side, expected))


def test_fields_choose_the_columns():
    x = table(8) | {"pixels": torch.rand(8, 3, 4, 4)}
    mixed, target = ColumnMix(keep=0, fields=["numbers"], seed=0)(x, torch.arange(8))
    assert torch.equal(mixed["numbers"], x["numbers"][target.partner])
    assert mixed["categories"] is x["categories"]
    assert mixed["pixels"] is x["pixels"]


def test_integers_that_are_left_count_for_nothing():
    x, y = table(8), torch.arange(8)
    mixer = ColumnMix(keep=0, integers="leave", seed=0)
    assert mixer.draw(x).patterns[0].keep.shape == (8, 3)
    mixed, _ = mixer(x, y)
    assert mixed["categories"] is x["categories"]


def test_other_mixers_choose_and_schedule_it():
    x, y = table(50), torch.arange(50)
    choice = Choice([ColumnMix(keep=0), ColumnMix(keep=1)], integers="paste", seed=0)
    mixed, target = choice(x, y)
    assert set(target.weight.tolist()) == {0.0, 1.0}
    stays = target.weight == 1
    assert torch.equal(mixed["categories"][stays], x["categories"][stays])
    assert torch.equal(mixed["categories"][~stays], x["categories"][target.partner[~stays]])
    schedule = Schedule(ColumnMix(keep=0), until=0.5, steps=4, integers="paste", seed=0)
    assert [float(schedule(x, y)[1].weight.mean()) for _ in range(4)] == [0, 0, 1, 1]


def test_it_is_mixed_with_mixup_where_there_are_numbers_alone():
    x, y = torch.rand(200, 4), torch.arange(200)
    mixer = Choice([MixUp(1.0), ColumnMix()], seed=0)
    mix = mixer.draw(x)
    blend, columns = mix.patterns
    weight, keep = blend.weight[:, None], columns.keep
    expected = torch.where(keep, x, x[mix.partner]).lerp(x[mix.partner], 1 - weight)
    assert torch.allclose(mixer.__class__([MixUp(1.0), ColumnMix()], seed=0)(x, y)[0], expected)
    assert bool(((weight[:, 0] == 1) | keep.all(1)).all())


def test_a_tensor_of_another_width_is_rejected():
    mix = ColumnMix(seed=0).draw(torch.rand(4, 3))
    for x in (torch.rand(4, 2), torch.rand(4, 1), {"a": torch.rand(4, 3), "b": torch.rand(4, 1)}):
        with pytest.raises(ValueError, match="drawn for 3 columns, but this batch has"):
            mix(x, inplace=True)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.rand(4, 3, 8, 8), r"shape \(4, 3, 8, 8\) has no columns"),
        ({"a": torch.rand(4, 3), "b": torch.rand(4)}, r"shape \(4,\) has no columns"),
        ({"a": torch.rand(4, 0)}, "there are no columns"),
    ],
)
def test_what_has_no_columns_is_rejected(x, message):
    with pytest.raises(ValueError, match=message):
        ColumnMix()(x, torch.arange(4))


def test_a_mix_of_columns_cannot_be_applied_to_images():
    with pytest.raises(ValueError, match="has no columns"):
        ColumnMix(seed=0).draw(torch.rand(4, 3))(torch.rand(4, 3, 1))


def test_a_tensor_that_appears_twice_is_rejected():
    x = torch.rand(4, 3)
    with pytest.raises(ValueError, match="appears twice"):
        ColumnMix()({"a": x, "b": x}, torch.arange(4))


def test_boxes_and_columns_exclude_each_other():
    with pytest.raises(ValueError, match="no images"):
        Choice([CutMix(), ColumnMix()])(torch.rand(4, 3), torch.arange(4))


def test_a_mix_rejects_integers_by_default():
    mix = ColumnMix(seed=0).draw(table(4))
    with pytest.raises(TypeError, match="integers='paste'"):
        mix(table(4))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be 0 or more, not -1"),
        ({"keep": 1.5}, ValueError, "keep must be between 0 and 1, not 1.5"),
        ({"keep": "half"}, TypeError, "keep must be a number, not 'half'"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        ColumnMix(**arguments)


def test_a_pattern_is_split_among_the_tensors_of_a_batch():
    keep = torch.tensor([[True, False, False], [False, True, True]])
    mix = Mix(torch.tensor([1, 0]), torch.tensor([1 / 3, 2 / 3]), (Columns(keep),))
    x = {"a": torch.tensor([[1.0], [2.0]]), "b": torch.tensor([[10, 11], [20, 21]])}
    mixed = mix(x, integers="paste")
    assert mixed["a"].tolist() == [[1.0], [1.0]]
    assert mixed["b"].tolist() == [[20, 21], [20, 21]]
    assert torch.allclose(mix.patterns[0].weight, mix.weight)


def test_drawing_reads_no_data():
    x = {"numbers": torch.empty(4, 3, device="meta")}
    mix = ColumnMix(seed=0).draw(x)
    assert mix.patterns[0].values.is_meta
    assert mix(x)["numbers"].shape == (4, 3)


@pytest.mark.parametrize("inplace", [False, True])
def test_it_compiles_to_the_same_numbers(inplace):
    torch._dynamo.reset()
    compiled, eager = ColumnMix(seed=0), ColumnMix(seed=0)

    def step(x, y):
        return compiled(x, y, inplace=inplace)

    call = torch.compile(step, fullgraph=True, backend="aot_eager")
    for seed in range(3):
        y = torch.arange(6)
        (mixed, target), (expected, other) = (
            call(table(6, seed=seed), y),
            eager(table(6, seed=seed), y),
        )
        assert side_by_side(mixed) == side_by_side(expected)
        assert torch.equal(target.weight, other.weight)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_computes_the_same():
    x, y = table(32), torch.arange(32)
    moved = {name: t.cuda() for name, t in x.items()}
    mixed, target = ColumnMix(seed=0)(moved, y.cuda())
    expected, other = ColumnMix(seed=0)(x, y)
    assert side_by_side(mixed) == side_by_side(expected)
    assert torch.equal(target.weight.cpu(), other.weight)
