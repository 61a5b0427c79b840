"""Choice: which method a sample gets, and that it gets no other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import Choice, CutMix, Mix, MixUp, Schedule
from vicinal.mixing import compiled

SIZE = (7, 9)


def cutmix(**options):
    """It always cuts something."""
    return CutMix(minmax=(0.3, 0.6), **options)


def mixup(**options):
    """It always blends something."""
    return MixUp(float("inf"), **options)


def images(count, seed=0):
    return torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


def chosen(mix):
    """(B, mixers) bool: which patterns leave a sample as it is, and which do not."""
    return torch.stack([pattern.weight < 1 for pattern in mix.patterns], 1)


@settings(deadline=None)
@given(
    p=st.lists(st.floats(0.0, 0.33), min_size=1, max_size=3),
    per=st.sampled_from(["sample", "batch"]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    count=st.integers(0, 9),
    seed=st.integers(0, 999),
)
def test_a_sample_gets_one_method_and_its_weight(p, per, partners, count, seed):
    mixers = [mixup(), cutmix(), mixup()][: len(p)]
    x = images(count, seed)
    mix = Choice(mixers, p, per=per, partners=partners, seed=seed).draw(x)
    weights = torch.stack([pattern.weight for pattern in mix.patterns])
    assert bool(((weights < 1).sum(0) <= 1).all())
    assert torch.allclose(mix.weight, weights.amin(0), rtol=0, atol=2e-7)
    assert mix.weight.dtype == torch.float32
    if per == "batch":
        assert len(chosen(mix).unique(dim=0)) <= 1 or partners == "pairs"
    # Each sample looks as if its method alone were there.
    mixed = mix(x)
    for pattern in mix.patterns:
        alone = Mix(mix.partner, pattern.weight, (pattern,))(x)
        for i in (pattern.weight < 1).nonzero().flatten():
            assert torch.allclose(mixed[i], alone[i], atol=1e-6)
    unmixed = ~chosen(mix).any(1)
    assert torch.equal(mixed[unmixed], x[unmixed])


@pytest.mark.parametrize("p", [None, [0.5, 0.5], [0.1, 0.9], [0.3, 0.2], [0.0, 1.0], [0.0, 0.0]])
@pytest.mark.parametrize("per", ["sample", "batch"])
def test_methods_have_the_given_frequencies(p, per):
    """Shares leave these ranges, 5 deviations, with a probability below 1e-6."""
    mixer = Choice([mixup(), cutmix()], p, per=per, seed=0)
    batches, samples = (1000, 1) if per == "batch" else (1, 20_000)
    x = torch.empty(1, 1, 1).expand(samples, *SIZE)
    met = torch.cat([chosen(mixer.draw(x)) for _ in range(batches)]).double()
    for found, wanted in zip(met.mean(0), p or [0.5, 0.5], strict=True):
        assert abs(found - wanted) <= 5 * (wanted * (1 - wanted) / len(met)) ** 0.5
    assert not met.all(1).any()


def test_one_for_the_whole_batch_or_one_for_each_sample():
    for per, kinds in (("batch", 1), ("sample", 2)):
        mixer = Choice([mixup(), cutmix()], per=per, seed=0)
        assert {len(chosen(mixer.draw(images(64))).unique(dim=0)) for _ in range(20)} == {kinds}


def test_what_is_missing_to_one_is_not_mixed():
    x, y = images(500), torch.arange(500)
    mixed, target = Choice([mixup()], [0.4], seed=0)(x, y)
    unmixed = target.weight == 1
    assert 240 < int(unmixed.sum()) < 360  # Binomial(500, 0.6), but for a probability below 1e-6
    assert torch.equal(mixed[unmixed], x[unmixed])


def test_as_timm_is_used():
    mixer = Choice([MixUp(0.8), CutMix(1.0)], p=[0.5, 0.5], per="batch", partners="reverse", seed=0)
    x, y = images(8), torch.arange(8)
    kinds = set()
    for _ in range(30):
        mix = mixer.draw(x, y)
        mixed, target = mix(x), mix.target(y)
        assert torch.equal(target.partner, y.flip(0))
        copied = bool(((mixed == x) | (mixed == x.flip(0))).all())
        w = target.weight.view(-1, 1, 1, 1)
        blended = torch.allclose(mixed, w * x + (1 - w) * x.flip(0), atol=1e-6)
        assert copied or blended
        kinds.add(copied)
    assert kinds == {True, False}


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch", "autograd"])
def test_all_implementations_agree(monkeypatch, implementation, inplace):
    size = (220, 210) if implementation == "row by row" else SIZE
    if implementation != "compiled":
        monkeypatch.setattr(compiled, "loops", lambda: None)
    x = torch.rand(9, 3, *size)
    mix = Choice([mixup(), cutmix()], [0.4, 0.4], seed=0).draw(x)
    assert chosen(mix).any(0).all()
    expected = x.clone()
    for pattern in mix.patterns:  # from the definition
        expected = pattern.apply(expected, x[mix.partner])
    x.requires_grad_(implementation == "autograd")
    mixed = mix(x * 1, inplace=inplace)
    assert torch.allclose(mixed, expected, atol=1e-6)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch", "autograd"])
def test_what_is_not_finite_stays_where_it_shows(monkeypatch, value, implementation):
    size = (220, 210) if implementation == "row by row" else SIZE
    if implementation != "compiled":
        monkeypatch.setattr(compiled, "loops", lambda: None)
    x = torch.zeros(8, 3, *size)
    x[::2] = value
    mix = Choice([mixup(), cutmix()], [0.3, 0.3], partners="reverse", seed=3).draw(x)
    assert chosen(mix)[1::2].any(0).all()
    x.requires_grad_(implementation == "autograd")
    finite = mix(x)[1::2].isfinite().double().mean((1, 2, 3))
    blended, cut = chosen(mix)[1::2].T
    expected = mix.weight[1::2].double().where(cut, 1).masked_fill(blended, 0)
    assert torch.allclose(finite, expected)


def test_its_partners_are_its_own():
    inner = [mixup(), cutmix()]
    mix = Choice(inner, partners="pairs", seed=0).draw(images(6))
    assert torch.equal(mix.partner[mix.partner], torch.arange(6))
    assert torch.equal(mix.weight[mix.partner], mix.weight)


def test_inner_mixers_keep_their_own_strength():
    mixer = Choice([MixUp(float("inf"), p=0.5), MixUp(0.0)], seed=0)
    weight = mixer.draw(torch.empty(10_000, 1)).weight
    # Binomial(10,000, 1/4) leaves this range with a probability below 1e-6.
    assert 0.228 < float((weight == 0.5).double().mean()) < 0.272
    assert weight.unique().tolist() == [0.5, 1.0]


def test_inner_mixers_draw_nothing_of_their_own():
    inner = [mixup(), cutmix()]
    first, second = (Choice(inner, seed=0) for _ in range(2))
    for _ in range(3):
        assert torch.equal(first.draw(images(9)).weight, second.draw(images(9)).weight)
    assert [mixer.random.draws for mixer in inner] == [0, 0]


def test_a_choice_of_choices():
    """Half MixUp, a quarter each of the inner two, both CutMix."""
    mixer = Choice([mixup(), Choice([cutmix(), cutmix()])], seed=0)
    assert [kind.__name__ for kind in mixer.drawn_types] == ["Blend", "Boxes", "Boxes"]
    x = torch.empty(1, 1, 1).expand(10_000, *SIZE)
    met = chosen(mixer.draw(x)).double()
    assert torch.equal(met.sum(1), torch.ones(10_000))
    assert torch.allclose(met.mean(0), torch.tensor([0.5, 0.25, 0.25]).double(), atol=0.026)


def test_a_choice_of_schedules():
    """The first stops after 3 of 10 batches, the second continues."""
    mixer = Choice([Schedule(mixup(), until=0.3, steps=10), cutmix()], seed=0)
    met = [chosen(mixer.draw(images(64))).any(0).tolist() for _ in range(10)]
    assert met == [[True, True]] * 3 + [[False, True]] * 7


def test_the_repr_shows_the_inner_mixers():
    schedule = Schedule(mixup(), steps=3)
    inner = Choice([schedule])
    mixer = Choice([inner, cutmix()])
    assert mixer.nested()[:3] == [mixer, inner, schedule]
    assert [type(m) for m in mixer.nested()] == [Choice, Choice, Schedule, MixUp, CutMix]


def test_without_images_only_blending_can_be_chosen():
    x, y = torch.rand(6, 4), torch.arange(6)
    assert Choice([MixUp(), MixUp(8.0)])(x, y)[0].shape == x.shape
    with pytest.raises(ValueError, match="there are no images"):
        Choice([MixUp(), CutMix()])(x, y)


def test_integers_can_be_pasted_only_if_nothing_blends_them():
    x, y = torch.zeros(6, 3, *SIZE, dtype=torch.int64), torch.arange(6)
    assert Choice([CutMix(), CutMix()], integers="paste")(x, y)[0].dtype == torch.int64
    with pytest.raises(TypeError, match="int64 values cannot be blended, and this mix blends"):
        Choice([MixUp(), CutMix()], integers="paste")(x, y)


def test_a_choice_of_one_is_that_one():
    x, y = torch.rand(6, 4), torch.arange(6)
    mix = Choice([MixUp(0.3)], seed=0).draw(x, y)
    assert torch.equal(mix(x), Mix(mix.partner, mix.patterns[0].weight)(x))
    assert torch.equal(mix.weight, mix.patterns[0].weight)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), TypeError, r"mixers must be a list of at least one, not \[\]"),
        ((MixUp(seed=0),), TypeError, r"mixers must be a list of at least one, not MixUp\("),
        (
            ([MixUp],),
            TypeError,
            r"mixers such as MixUp\(\), not with <class .*call it, MixUp\(\)",
        ),
        (([MixUp(), 3],), TypeError, r"draws with mixers such as MixUp\(\), not with 3"),
        (([MixUp()], 0.5), TypeError, "p must be a list of probabilities, not 0.5"),
        (([MixUp()], [0.5, 0.5]), ValueError, "p holds 2 probabilities for 1 mixers"),
        (([MixUp()], ["a"]), TypeError, "p must be a number, not 'a'"),
        (([MixUp()], [-0.1]), ValueError, "p must be between 0 and 1, not -0.1"),
        (([MixUp(), MixUp()], [0.6, 0.6]), ValueError, r"\[0.6, 0.6\] add up to 1.2, more than 1"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        Choice(*arguments)


def test_bad_options_are_one_sentence():
    with pytest.raises(ValueError, match="per must be one of 'sample', 'batch', not 'image'"):
        Choice([MixUp()], per="image")
    with pytest.raises(TypeError, match="alpha"):
        Choice([MixUp()], alpha=0.4)


def test_probabilities_may_add_up_to_one_but_for_rounding():
    Choice([MixUp()] * 3, [0.4, 0.3, 0.3 + 1e-10])
