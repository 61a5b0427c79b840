"""Attention masks and lengths: what the larger of both samples' values counts for."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal import Choice, CutMix, Mix, MixUp, Schedule, halves
from vicinal.mixing import apply as apply_module
from vicinal.mixing.maximum import Maximum

from .implementations import using

MIXERS = {
    "MixUp": MixUp,
    "CutMix": CutMix,
    "Choice": lambda **o: Choice([MixUp(1.0), CutMix()], [0.4, 0.4], **o),
    "Schedule": lambda **o: Schedule(MixUp(), until=0.9, steps=9, **o),
}
every_mixer = pytest.mark.parametrize("make", MIXERS.values(), ids=MIXERS)
DTYPES = [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32]


def sentences(count=6, seed=0, dtype=torch.bool):
    """Padded series with a mask, and their lengths."""
    g = torch.Generator().manual_seed(seed)
    length = torch.randint(1, 9, (count,), generator=g)
    mask = torch.arange(8) < length[:, None]
    series = torch.rand(count, 8, 5, generator=g) * mask[..., None]
    return {"series": series, "mask": mask.to(dtype), "length": length}


def maximum_of(own, partners, weight):
    """By hand, sample by sample."""
    rows = zip(own.tolist(), partners.tolist(), weight.tolist(), strict=True)
    larger = [np.maximum(a, b) if w < 1 else a for a, b, w in rows]
    return torch.from_numpy(np.array(larger)).to(own.dtype).view(own.shape)


@every_mixer
@pytest.mark.parametrize("integers", ["raise", "leave", "paste"])
def test_masks_and_lengths_become_their_maximum_and_the_rest_is_mixed(make, integers):
    if integers == "paste" and make is not CutMix:
        return
    x, y = sentences(), torch.arange(6)
    mixer, alone = (make(seed=0, maximum=u, integers=integers) for u in (["mask", "length"], None))
    mixed, target = mixer(x, y)
    expected, wanted = alone(x["series"], y)
    assert torch.equal(mixed["series"], expected)
    assert torch.equal(target.weight, wanted.weight)
    assert bool((target.weight < 1).any())
    for name in ("mask", "length"):
        assert mixed[name].dtype == x[name].dtype
        assert torch.equal(mixed[name], maximum_of(x[name], x[name][target.partner], target.weight))
    # A series is zero wherever its mask is.
    assert bool((mixed["series"][~mixed["mask"]] == 0).all())
    assert torch.equal(mixed["mask"].sum(1), mixed["length"])


@settings(deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 3), max_size=3),
    count=st.integers(0, 6),
    inplace=st.booleans(),
    second=st.booleans(),
    implementation=st.sampled_from(["compiled", "row by row", "whole batch"]),
    seed=st.integers(0, 999),
)
def test_every_shape_and_dtype(dtype, shape, count, inplace, second, implementation, seed):
    g = torch.Generator().manual_seed(seed)
    x, other = (torch.randint(0, 4, (count, *shape), generator=g).to(dtype) for _ in range(2))
    weight = torch.randint(0, 3, (count,), generator=g) / 2
    partner = torch.randperm(count, generator=g)
    expected = maximum_of(x, other if second else x[partner], weight)
    mix, before = Mix(partner, weight), x.clone()
    with using(implementation):
        (found,) = mix(
            (x,), other=(other,) if second else None, inplace=inplace, fields=(), maximum=0
        )
    assert torch.equal(found, expected)
    assert (found is x) == inplace
    assert inplace or torch.equal(x, before)


def test_samples_of_which_nothing_shows_keep_theirs():
    x = sentences(500)
    mixed, target = MixUp(1.0, p=0.4, maximum=("mask", "length"), seed=0)(x, torch.arange(500))
    unmixed = target.weight == 1
    assert 200 < int(unmixed.sum()) < 400
    assert torch.equal(mixed["length"][unmixed], x["length"][unmixed])
    assert bool((mixed["length"] >= x["length"]).all())


@every_mixer
@pytest.mark.parametrize("inplace", [False, True])
def test_half_and_a_second_batch(make, inplace):
    x, y = sentences(), torch.arange(6)
    (x1, x2), (y1, y2) = halves(x), halves(y)
    options = {"maximum": ("mask", "length"), "seed": 0}
    expected, target = make(**options)(x1, y1, other=(x2, y2))
    assert torch.equal(expected["length"], maximum_of(x1["length"], x2["length"], target.weight))
    mixed, _ = make(half=True, **options)(x, y, inplace=inplace)
    assert all(torch.equal(mixed[name], expected[name]) for name in x)


@every_mixer
def test_in_place_overwrites_everything(make):
    x, y = sentences(), torch.arange(6)
    expected, _ = make(maximum=("mask", "length"), seed=0)(x, y)
    given = {name: t.clone() for name, t in x.items()}
    mixed, _ = make(maximum=("mask", "length"), seed=0)(given, y, inplace=True)
    for name, t in given.items():
        assert mixed[name] is t
        assert torch.equal(t, expected[name])


def test_targets_in_the_same_memory_are_copied():
    x = sentences()
    before = x["length"].clone()
    mixed, target = MixUp(1.0, maximum="length", fields="series", seed=0)(
        x, {"length": x["length"]}, inplace=True
    )
    assert torch.equal(target["length"].own, before)
    assert torch.equal(mixed["length"], torch.maximum(before, target["length"].partner))


def test_only_uniting():
    x, mix = sentences(), MixUp(seed=0).draw(torch.empty(6, 1))
    found = mix(x, fields=(), maximum="mask")
    assert torch.equal(found["mask"], maximum_of(x["mask"], x["mask"][mix.partner], mix.weight))
    assert found["series"] is x["series"]
    assert found["length"] is x["length"]


def test_maximum_takes_precedence_over_fields():
    x = sentences(dtype=torch.float32)
    mix = MixUp(seed=0).draw(x["series"])
    mixed = mix(x, fields=["series", "mask"], maximum="mask")
    assert torch.equal(mixed["mask"], mix(x, fields=(), maximum="mask")["mask"])
    assert mixed["length"] is x["length"]


def test_names_lie_anywhere_in_a_batch():
    @dataclasses.dataclass
    class Batch:
        series: torch.Tensor
        more: list

    x = sentences()
    nested = Batch(x["series"], [{"mask": x["mask"]}, "text", (x["length"],)])
    mix = MixUp(seed=0).draw(nested.series)
    expected = mix(x, maximum=("mask", "length"))
    mixed = mix(nested, maximum=("mask", 2))
    assert torch.equal(mixed.series, expected["series"])
    assert torch.equal(mixed.more[0]["mask"], expected["mask"])
    assert torch.equal(mixed.more[2][0], expected["length"])


def test_boxes_are_drawn_for_the_series_and_not_for_their_masks():
    x = {"mask": torch.ones(6, 1, 3, 3), "image": torch.rand(6, 2, 8, 9)}
    mix = CutMix(maximum="mask", seed=0).draw(x)
    assert mix.patterns[0].size == (8, 9)
    assert torch.equal(mix.weight, CutMix(seed=0).draw(x["image"]).weight)


def test_a_tensor_that_appears_twice_is_handled_once():
    x = sentences()
    once = MixUp(1.0, maximum="length", fields="series", seed=0)(x, torch.arange(6))[0]
    given = {"series": x["series"], "length": [x["length"], x["length"]]}
    for inplace in (False, True):
        mixed, _ = MixUp(1.0, maximum="length", fields="series", seed=0)(
            {**given, "series": x["series"].clone()}, torch.arange(6), inplace=inplace
        )
        assert mixed["length"][0] is mixed["length"][1]
        assert torch.equal(mixed["length"][0], once["length"])


def test_additive_masks_and_masks_that_are_none():
    """0 where there is something and -inf where there is nothing: the larger is right for them."""
    hidden = sentences()["mask"].float().log()
    x = {"series": sentences()["series"], "mask": hidden, "no": None}
    mix = MixUp(seed=0).draw(x["series"])
    mixed = mix(x, maximum=["mask", "no"])
    either = sentences()["mask"] | sentences()["mask"][mix.partner]
    assert torch.equal(mixed["mask"], either.float().log())
    assert mixed["no"] is None


def test_large_rows_are_walked_one_by_one(monkeypatch):
    x = torch.rand(4, apply_module.LARGE_ROW // 4)
    mix = Mix(torch.tensor([1, 2, 3, 0]), torch.tensor([0.5, 1.0, 0.0, 0.9]))
    expected = mix([x], fields=(), maximum=0)[0]
    assert torch.equal(expected, torch.where(mix.weight[:, None] < 1, x.maximum(x.roll(-1, 0)), x))
    monkeypatch.setattr(Maximum, "apply", None)
    assert torch.equal(mix([x], fields=(), maximum=0, inplace=True)[0], expected)


def test_gradients_reach_the_larger_one():
    mask = torch.tensor([[1.0, 3.0], [2.0, 1.0]], requires_grad=True)
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    mix([mask], fields=(), maximum=0)[0].sum().backward()
    assert torch.equal(mask.grad, torch.tensor([[0.0, 1.0], [2.0, 1.0]]))


@pytest.mark.parametrize("inplace", [False, True])
@torch._dynamo.config.patch(error_on_recompile=True)
def test_it_compiles_to_one_graph(inplace):
    torch._dynamo.reset()
    eager, mixer = (MixUp(maximum=("mask", "length"), seed=0) for _ in range(2))
    layer = nn.Linear(5, 2)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(x, y):
        x, y = mixer(x, y, inplace=inplace)
        return layer(x["series"]) * x["mask"][..., None], x["length"], y.weight

    for seed in range(2):
        x, y = sentences(seed=seed), torch.arange(6)
        expected, target = eager(x, y)
        output, length, weight = step(x, y)
        assert torch.allclose(output, layer(expected["series"]) * expected["mask"][..., None])
        assert torch.equal(length, expected["length"])
        assert torch.equal(weight, target.weight)


def test_meta_tensors_have_shapes_alone():
    mix = Mix(torch.arange(4), torch.ones(4))
    mask = torch.empty(4, 7, dtype=torch.bool, device="meta")
    found = mix([mask], fields=(), maximum=0)[0]
    assert (found.shape, found.dtype, found.device.type) == (mask.shape, mask.dtype, "meta")


class TestErrors:
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize(
        ("change", "options", "error", "message"),
        [
            (
                {},
                {"maximum": "masks"},
                ValueError,
                "there is no 'masks' in this batch to take the maximum of",
            ),
            (
                {},
                {"maximum": ("mask", 3)},
                ValueError,
                "there is no 3 in this batch to take the maximum of",
            ),
            ({}, {"fields": "serie", "maximum": "mask"}, ValueError, "nothing to mix .* 'serie'"),
            (
                {"length": [1, 2, 3, 4, 5, 6]},
                {"maximum": "length"},
                TypeError,
                r"batch\['length'\]\[0\]: int values have no maximum: give masks",
            ),
            ({"length": torch.zeros(6, dtype=torch.complex64)}, {}, TypeError, "complex values"),
            ({"length": torch.zeros(5)}, {}, ValueError, r"batch\['length'\]: the mix was drawn f"),
            ({"length": torch.tensor(3)}, {}, ValueError, r"batch\['length'\]: the mix was drawn"),
        ],
    )
    def test_nothing_is_touched(self, change, options, error, message, inplace):
        x = sentences() | change
        before = {name: t.clone() for name, t in sentences().items()}
        mixer = MixUp(**{"maximum": ["mask", "length"], "integers": "leave", **options})
        with pytest.raises(error, match=message):
            mixer(x, torch.arange(6), inplace=inplace)
        assert all(torch.equal(x[name], before[name]) for name in ("series", "mask"))

    def test_a_single_tensor_has_no_names(self):
        with pytest.raises(
            ValueError, match="there is no 'mask' in this batch to take the maximum of"
        ):
            MixUp(maximum="mask")(torch.rand(6, 3), torch.arange(6))

    @pytest.mark.parametrize("value", [(), [], 1.5, ["mask", None], True])
    def test_what_is_no_name(self, value):
        with pytest.raises(
            TypeError, match="maximum must be names or positions, at least one, not"
        ):
            MixUp(maximum=value)

    @pytest.mark.parametrize("maximum", ["mask", "series"])
    @pytest.mark.parametrize("missing", ["mask", "series"])
    def test_a_second_batch_without_a_tensor(self, maximum, missing):
        x = sentences(dtype=torch.float32)
        with pytest.raises(ValueError, match=rf"'{missing}'\]: the second batch holds a NoneType"):
            MixUp(maximum=maximum, integers="leave")(
                x, torch.arange(6), other=(x | {missing: None}, torch.arange(6))
            )

    def test_a_second_batch_of_another_shape(self):
        x, y = sentences(), torch.arange(6)
        with pytest.raises(ValueError, match=r"batch\['mask'\]: the second batch has shape"):
            MixUp(maximum=("mask", "length"))(x, y, other=(x | {"mask": x["mask"][:, :5]}, y))


def test_the_repr_shows_the_option():
    mixer = Choice([MixUp()], maximum=["mask", "length"], seed=0)
    assert "maximum=('mask', 'length')" in repr(mixer)
    assert "maximum" not in repr(MixUp())
