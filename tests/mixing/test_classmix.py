"""ClassMix: which classes are pasted, in loops, and that all halves of them are equally likely."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import Choice, ClassMix, CutMix, MixUp, Schedule, halves
from vicinal.mixing.paste import Masks

IGNORED = 255


def masks_of(count, size=(6, 7), classes=(0, 3, 7, 254), seed=0, ignored=0.1):
    """Random masks of some classes, with pixels of no class among them."""
    g = torch.Generator().manual_seed(seed)
    masks = torch.tensor(classes)[torch.randint(0, len(classes), (count, *size), generator=g)]
    return masks.where(torch.rand(count, *size, generator=g) >= ignored, IGNORED)


def images_of(masks):
    return torch.arange(masks.numel()).view(len(masks), 1, *masks.shape[1:]).float()


def pasted(keep, mask):
    """The classes of a partner's mask that are pasted: all pixels of theirs, and no others."""
    classes = {c for c in mask.unique().tolist() if 0 <= c != IGNORED}
    shown = {c for c in classes if not keep[mask == c].all()}
    for c in mask.unique().tolist():
        assert bool((keep[mask == c] == (c not in shown)).all())
    return classes, shown


@settings(deadline=None)
@given(
    classes=st.lists(st.integers(0, 254), min_size=1, max_size=12, unique=True),
    count=st.integers(0, 6),
    size=st.tuples(*[st.integers(1, 8)] * 2),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    per=st.sampled_from(["sample", "batch"]),
    p=st.sampled_from([0.0, 0.5, 1.0]),
    dtype=st.sampled_from([torch.uint8, torch.int16, torch.int64]),
    seed=st.integers(0, 2**40),
)
def test_half_of_the_partners_classes_are_pasted(
    classes, count, size, partners, per, p, dtype, seed
):
    masks = masks_of(count, size, classes, seed % 1000)
    given = masks.to(dtype)
    x = images_of(masks)
    mix = ClassMix(partners=partners, per=per, p=p, seed=seed).draw(x, given)
    (pattern,) = mix.patterns
    assert type(pattern) is Masks
    for i, j in enumerate(mix.partner.tolist()):
        classes, shown = pasted(pattern.keep[i], masks[j])
        assert len(shown) in {len(classes) // 2, 0}
        if p == 1 and not (partners == "pairs" and i == j):  # the one that is left over
            assert len(shown) == len(classes) // 2
        if p == 0:
            assert not shown
    assert torch.allclose(mix.weight, pattern.keep.float().mean((1, 2)))
    assert mix.weight.dtype == torch.float32
    assert torch.equal(mix(x), torch.where(pattern.keep[:, None], x, x[mix.partner]))
    target = mix.target(given)
    assert target.dtype == dtype
    assert torch.equal(target, torch.where(pattern.keep, given, given[mix.partner]))


@pytest.mark.parametrize("count", [2, 4, 5])
def test_all_halves_are_equally_likely(count):
    """A chi-squared test; false alarm: 1e-6."""
    classes = list(range(100, 100 + count))
    mask = torch.tensor(classes).view(1, 1, count).expand(6000, 1, count)
    mix = ClassMix(seed=0).draw(images_of(mask), mask)
    chosen = [tuple(row.nonzero().flatten().tolist()) for row in ~mix.patterns[0].keep[:, 0]]
    subsets = list(combinations(range(count), count // 2))
    assert set(chosen) <= set(subsets)
    assert stats.chisquare([chosen.count(subset) for subset in subsets]).pvalue > 1e-6


def test_classes_are_drawn_for_each_sample_or_for_the_batch():
    mask = torch.arange(8).view(1, 1, 8).expand(50, 1, 8)
    for per, kinds in (("batch", 1), ("sample", 2)):
        keep = ClassMix(per=per, seed=0).draw(images_of(mask), mask).patterns[0].keep
        assert (len(keep.unique(dim=0)) > 1) == (kinds > 1)


@pytest.mark.parametrize("ignored", [IGNORED, 0, 9, -1, -100])
def test_pixels_of_no_class_are_never_pasted_nor_counted(ignored):
    """Of two classes and the ignored one, one class is pasted; of the ignored one alone, none."""
    mask = torch.tensor([[[4, 5, ignored], [4, 5, ignored]]]).expand(20, 2, 3).clone()
    mask[0] = ignored
    mix = ClassMix(ignore_index=ignored, seed=0).draw(images_of(mask), mask)
    keep = mix.patterns[0].keep
    alone = (mix.partner == 0).nonzero()
    assert bool(keep[..., 2].all())
    assert bool(keep[alone].all())
    shown = (~keep[..., :2]).all(1).sum(1)
    assert shown.tolist() == [0 if j == 0 else 1 for j in mix.partner.tolist()]


def test_without_an_ignored_number_255_is_a_class_like_any():
    mask = torch.tensor([[[255, 1]]]).expand(200, 1, 2)
    keep = ClassMix(ignore_index=-1, seed=0).draw(images_of(mask), mask).patterns[0].keep
    assert bool((keep.sum((1, 2)) == 1).all())
    assert 0.3 < float(keep[:, 0, 0].float().mean()) < 0.7


@pytest.mark.parametrize("too_large", [256, 257, 70_000])
def test_classes_above_255_fail(too_large):
    mask = torch.full((2, 2, 2), too_large)
    with pytest.raises(RuntimeError, match="out of bounds"):
        ClassMix().draw(images_of(mask), mask)


def test_the_second_half_is_pasted_on_the_first():
    for count in (8, 7):
        masks = masks_of(count)
        x = images_of(masks)
        mix = ClassMix(half=True, seed=0).draw(x, masks)
        second = halves(masks)[1]
        for keep, mask in zip(mix.patterns[0].keep, second, strict=True):
            classes, shown = pasted(keep, mask)
            assert len(shown) == len(classes) // 2
        mixed, target = ClassMix(half=True, seed=0)(x, masks)
        first = halves(masks)[0]
        assert torch.equal(target, torch.where(mix.patterns[0].keep, first, second))
        assert torch.equal(mixed[:, 0], mix(halves(x)[0], other=halves(x)[1])[:, 0])


def test_classes_of_a_second_batch_are_pasted():
    """As those of labelled images on images of another kind, whose masks are predicted."""
    own, others = masks_of(6, classes=(1, 2)), masks_of(6, classes=(10, 11, 12, 13), seed=1)
    _, target = ClassMix(seed=0)(images_of(own), own, other=(images_of(others), others))
    for mask, row, other in zip(target, own, others, strict=True):
        shown = set(mask.unique().tolist()) & {10, 11, 12, 13}
        assert len(shown) == 2
        where = torch.isin(mask, torch.tensor(sorted(shown)))
        assert torch.equal(mask[where], other[where])
        assert torch.equal(mask[~where], row[~where])


def test_masks_among_other_targets():
    masks = masks_of(6)
    x = {"photo": images_of(masks), "name": list("abcdef")}
    y = {"kind": torch.arange(6), "depth": torch.rand(6, 1, 6, 7), "mask": masks}
    mix = ClassMix(fields="photo", seed=0).draw(x, y)
    alone = ClassMix(seed=0).draw(images_of(masks), masks)
    assert torch.equal(mix.patterns[0].keep, alone.patterns[0].keep)
    target = mix.target(y)
    assert torch.equal(target["kind"].weight, alone.weight)
    assert torch.equal(target["depth"], mix(y["depth"]))


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (None, "none"),
        (torch.arange(4), r"\(4,\) of torch.int64"),
        (torch.zeros(4, 3, 3, dtype=torch.long), r"\(4, 3, 3\) of torch.int64"),
        (torch.zeros(4, 6, 7), r"\(4, 6, 7\) of torch.float32"),
        ({"a": torch.arange(4), "b": torch.rand(4)}, r"\(4,\) of torch.int64, \(4,\) of torch.f"),
    ],
)
@pytest.mark.parametrize("make", [ClassMix, lambda: Choice([MixUp(), ClassMix()])])
def test_targets_without_masks_are_named(make, y, found):
    mixer = make()
    with pytest.raises(ValueError, match=rf"give \(B, 6, 7\) integers, not {found}"):
        mixer.draw(torch.rand(4, 3, 6, 7), y)
    assert mixer.random.draws == 0


def test_it_is_chosen_and_scheduled_like_any_other():
    masks = masks_of(400)
    x = images_of(masks)
    mix = Choice([ClassMix(), CutMix(minmax=(0.4, 0.6))], [0.5, 0.3], seed=0).draw(x, masks)
    by_class, by_box = (pattern.weight < 1 for pattern in mix.patterns)
    assert not (by_class & by_box).any()
    # Binomial(400, p), but for a probability below 1e-6.
    assert 150 < int(by_class.sum()) < 250
    assert 74 < int(by_box.sum()) < 166
    assert torch.equal(mix.weight, mix.patterns[0].weight * mix.patterns[1].weight)
    schedule = Schedule(ClassMix(), until=0.5, steps=4, seed=0)
    mixed = [bool((schedule.draw(x, masks).weight < 1).any()) for _ in range(4)]
    assert mixed == [True, True, False, False]


def test_a_seed_and_a_state_give_the_same_again():
    masks = masks_of(6)
    first = ClassMix(seed=3)
    first.draw(images_of(masks), masks)
    state = first.state_dict()
    expected = first.draw(images_of(masks), masks).patterns[0].keep
    second = ClassMix()
    second.load_state_dict(state)
    assert torch.equal(second.draw(images_of(masks), masks).patterns[0].keep, expected)


def test_pairs_are_mixed_both_ways():
    masks = masks_of(6)
    mix = ClassMix(partners="pairs", seed=0).draw(images_of(masks), masks)
    assert torch.equal(mix.partner[mix.partner], torch.arange(6))
    for i, j in enumerate(mix.partner.tolist()):
        classes, shown = pasted(mix.patterns[0].keep[i], masks[j])
        assert len(shown) == len(classes) // 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ignore_index": 0.5}, TypeError, "ignore_index must be a whole number, not 0.5"),
        ({"ignore_index": True}, TypeError, "ignore_index must be a whole number, not True"),
        ({"ignore_index": 256}, ValueError, "ignore_index must be below 256, not 256"),
        ({"alpha": 1.0}, TypeError, "alpha"),
    ],
)
def test_bad_settings_are_one_sentence(options, error, message):
    with pytest.raises(error, match=message):
        ClassMix(**options)


def test_the_repr_shows_what_is_set():
    assert repr(ClassMix(ignore_index=0, seed=1)).startswith("ClassMix(ignore_index=0, ")
