"""What every mixer has: options, nested batches, copies, states; and nothing of it waits."""

import copy
import dataclasses
import pickle
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

import vicinal
from vicinal import (
    Choice,
    CutMix,
    Mix,
    MixedTarget,
    Mixer,
    MixLoss,
    MixUp,
    Schedule,
    SmoothMix,
    halves,
)
from vicinal.mixing import apply as apply_module
from vicinal.mixing import compiled, methods
from vicinal.mixing.batch import leaves

OF_IMAGES = ["CutMix", "FMix", "GridMix", "MixUp", "ResizeMix", "SmoothMix"]
METHODS = {name: getattr(methods, name) for name in OF_IMAGES}
EVERY = {
    **METHODS,
    "MixUp of one weight": lambda **o: MixUp(1.0, folded=False, per="batch", **o),
    "CutMix at times": lambda **o: CutMix(p=0.5, **o),
    "Choice": lambda **o: Choice([MixUp(1.0), CutMix()], [0.4, 0.4], **o),
    "Schedule": lambda **o: Schedule(MixUp(), alpha=(0.5, 2.0), until=0.9, steps=9, **o),
}
every_mixer = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
every_method = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)

Pair = namedtuple("Pair", ["left", "right"])


@dataclasses.dataclass
class Views:
    """Nobody has registered it as a pytree."""

    left: torch.Tensor
    right: torch.Tensor


@dataclasses.dataclass
class KnownViews:
    left: torch.Tensor
    right: torch.Tensor


pytree.register_pytree_node(
    KnownViews,
    lambda views: ([views.left, views.right], None),
    lambda values, _: KnownViews(*values),
    flatten_with_keys_fn=lambda views: (
        [(pytree.GetAttrKey("left"), views.left), (pytree.GetAttrKey("right"), views.right)],
        None,
    ),
)


def images(count=6, seed=0, dtype=torch.float32):
    return torch.rand(count, 3, 8, 9, generator=torch.Generator().manual_seed(seed)).to(dtype)


def drawn(mixer, x=None):
    """All numbers of one draw, in one row."""
    mix = mixer.draw(images() if x is None else x)
    return torch.cat([t.double().flatten() for t in mix.tensors()])


def same(first, second):
    """Whether two mixed targets are equal."""
    return equal(*(pytree.tree_leaves(target) for target in (first, second)))


def equal(first, second):
    """Whether two lists of tensors are equal."""
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@every_mixer
def test_the_three_steps_are_the_call(make):
    x, y, mixer, again = images(), torch.arange(6), make(seed=0), make(seed=0)
    for _ in range(3):
        mix = mixer.draw(x, y)
        mixed, target = again(x, y)
        assert torch.equal(mix(x), mixed)
        assert same(mix.target(y), target)


@every_mixer
def test_your_tensors_stay_yours(make):
    x, y, other, other_y = images(), torch.arange(6), images(seed=1), torch.arange(6)
    batch, before = {"x": x, "y": [y]}, [t.clone() for t in (x, y, other, other_y)]
    mixer = make(seed=0, fields="x")
    mixer(batch, y)
    mixer(batch, y, other=({"x": other, "y": [other_y]}, other_y))
    assert equal((x, y, other, other_y), before)
    assert batch["x"] is x


@every_mixer
@pytest.mark.parametrize("second", [False, True])
def test_in_place_overwrites_the_batch_and_nothing_else(make, second):
    x, y = images(), torch.arange(6)
    other = (images(seed=1), y + 10) if second else None
    before = None if other is None else other[0].clone()
    expected, _ = make(seed=0)(x, y, other=other)
    mixed, target = make(seed=0)(x, y, other=other, inplace=True)
    assert mixed is x
    assert torch.equal(x, expected)
    assert torch.equal(target.own, torch.arange(6))
    assert other is None or torch.equal(other[0], before)


@pytest.mark.parametrize("make", [MixUp, CutMix])
def test_in_place_returns_torchvisions_images_themselves(make):
    from torchvision import tv_tensors

    x = tv_tensors.Image(images())
    assert make(seed=0)(x, torch.arange(6), inplace=True)[0] is x


@every_mixer
@pytest.mark.parametrize("layouts", ["nc", "cn", "cc"])
@pytest.mark.parametrize("inplace", [False, True])
def test_a_second_batch_may_lie_otherwise_in_memory(make, layouts, inplace):
    x, other, y = images(), images(seed=1), torch.arange(6)
    expected, _ = make(seed=0)(x, y, other=(other, y))
    formats = {"n": torch.contiguous_format, "c": torch.channels_last}
    x, other = (
        t.to(memory_format=formats[f], copy=True) for t, f in zip((x, other), layouts, strict=True)
    )
    mixed, _ = make(seed=0)(x, y, other=(other, y), inplace=inplace)
    assert torch.allclose(mixed, expected, atol=1e-6)
    assert mixed.is_contiguous(memory_format=formats[layouts[0]])


@every_mixer
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("implementation", ["compiled", "small rows", "large rows"])
def test_all_implementations_agree(monkeypatch, make, implementation, second):
    """As whole batches, which autograd wants, they give it, too."""
    x, other = images(), images(seed=1) if second else None
    mix = make(seed=0).draw(x)
    expected = mix(x.clone().requires_grad_(), other=other).detach()
    if implementation != "compiled":
        monkeypatch.setattr(compiled, "loops", lambda: None)
    monkeypatch.setattr(apply_module, "LARGE_ROW", 0 if implementation == "large rows" else 10**9)
    assert torch.allclose(mix(x, other=other), expected, atol=1e-6)
    assert torch.allclose(mix(x, other=other, inplace=True), expected, atol=1e-6)


@every_mixer
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_samples(make, count):
    x, y = images(count), torch.arange(count)
    mixed, target = make(seed=0)(x, y)
    assert mixed.shape == x.shape
    assert len(target) == count
    assert bool(((target.weight >= 0) & (target.weight <= 1)).all())
    if count == 1:
        assert torch.allclose(mixed, x) or make is EVERY["ResizeMix"]  # shrinks it onto itself


@every_mixer
def test_without_targets(make):
    expected, _ = make(seed=0)(images(), torch.arange(6))
    for inplace in (False, True):
        mixed, target = make(seed=0)(images(), None, inplace=inplace)
        assert torch.equal(mixed, expected)
        assert target is None
    assert make(seed=0, half=True)(images(), None)[1] is None


class TestHalf:
    @settings(deadline=None, max_examples=60)
    @given(
        kind=st.sampled_from(sorted(EVERY)),
        count=st.integers(1, 9),
        inplace=st.booleans(),
        with_numba=st.booleans(),
        seed=st.integers(0, 99),
    )
    def test_the_second_half_is_mixed_into_the_first(self, kind, count, inplace, with_numba, seed):
        x, y = images(count, seed), torch.arange(count)
        (x1, x2), (y1, y2), before = halves(x), halves(y), x.clone()
        expected, labels = EVERY[kind](seed=seed)(x1.clone(), y1, other=(x2, y2))
        with pytest.MonkeyPatch.context() as patch:
            if not with_numba:
                patch.setattr(compiled, "loops", lambda: None)
            mixed, target = EVERY[kind](half=True, seed=seed)(x, y, inplace=inplace)
        assert len(mixed) == len(target) == (count + 1) // 2
        assert torch.allclose(mixed, expected, atol=1e-6)
        assert same(target, labels)
        assert torch.equal(x[(count + 1) // 2 :], before[(count + 1) // 2 :])
        if not inplace:
            assert torch.equal(x, before)
        elif count % 2 == 0:
            assert torch.equal(x[: count // 2], mixed)

    def test_of_an_odd_batch_the_middle_one_meets_both_neighbours(self):
        x = torch.tensor([[0.0], [10.0], [20.0]])
        mixed, target = MixUp(float("inf"), half=True)(x, torch.arange(3))
        assert mixed.flatten().tolist() == [5, 15]
        assert (target.own.tolist(), target.partner.tolist()) == ([0, 1], [1, 2])

    @pytest.mark.parametrize("count", [4, 5])
    def test_many_columns_in_place(self, monkeypatch, count):
        """Several blocks of memory, which must not be read after they were written."""
        monkeypatch.setattr(compiled, "loops", lambda: None)
        x = torch.rand(count * 50, 4000)
        expected, _ = MixUp(half=True, seed=0)(x, torch.arange(len(x)))
        mixed, _ = MixUp(half=True, seed=0)(x, torch.arange(len(x)), inplace=True)
        assert torch.allclose(mixed, expected)

    def test_of_nested_batches(self):
        x = {"image": images(), "name": list("abcdef"), "scale": torch.tensor(2.0)}
        mixer = CutMix(half=True, fields="image", seed=0)
        mixed, target = mixer(x, {"kind": torch.arange(6), "where": torch.rand(6, 4)})
        assert mixed["image"].shape == (3, 3, 8, 9)
        assert mixed["name"] == list("abc")
        assert mixed["scale"] is x["scale"]
        assert target["kind"].partner.tolist() == [3, 4, 5]
        assert target["where"].own.shape == (3, 4)

    def test_a_tensor_that_appears_twice_is_mixed_once(self):
        x = images()
        expected, _ = MixUp(half=True, seed=0)(x, torch.arange(6))
        mixed, _ = MixUp(half=True, seed=0)({"a": x, "b": [x]}, torch.arange(6), inplace=True)
        assert torch.equal(mixed["a"], expected)
        assert mixed["a"] is mixed["b"][0]

    def test_a_draw_is_for_half_of_the_samples(self):
        mix = MixUp(half=True, seed=0).draw(images(7))
        assert len(mix.weight) == len(mix.partner) == 4

    def test_a_second_batch_is_rejected(self):
        batch = images(), torch.arange(6)
        with pytest.raises(ValueError, match="half takes the partners from the batch: give no sec"):
            MixUp(half=True)(*batch, other=batch)

    def test_pairs_are_rejected(self):
        with pytest.raises(ValueError, match="half and partners='pairs' exclude each other"):
            MixUp(half=True, partners="pairs")


class TestPairs:
    @every_mixer
    @pytest.mark.parametrize("count", [0, 1, 2, 5, 8])
    def test_both_get_the_same_draw_and_a_lone_one_none(self, make, count):
        x = images(count)
        mix = make(partners="pairs", seed=count).draw(x)
        rows = torch.arange(count)
        assert torch.equal(mix.partner[mix.partner], rows)
        assert int((mix.partner == rows).sum()) == count % 2
        for t in (mix.weight, *(pattern.values for pattern in mix.patterns)):
            assert torch.equal(t[mix.partner], t)
        alone = mix.partner == rows
        assert torch.equal(mix.weight[alone], torch.ones(count % 2))
        assert torch.equal(mix(x)[alone], x[alone])

    @pytest.mark.parametrize("kind", [kind for kind in EVERY if kind != "ResizeMix"])
    def test_what_one_loses_the_other_gains(self, kind):
        """x_i + x_j is preserved, where samples are blended or cut at the same position."""
        x = images(7, dtype=torch.float64)
        mix = EVERY[kind](partners="pairs", seed=0).draw(x)
        mixed = mix(x)
        assert torch.allclose(mixed + mixed[mix.partner], x + x[mix.partner], rtol=1e-6)
        assert not torch.allclose(mixed, x)

    def test_a_second_batch_is_rejected(self):
        batch = images(), torch.arange(6)
        with pytest.raises(ValueError, match="partners='pairs' takes the partners from the batch"):
            MixUp(partners="pairs")(*batch, other=batch)


class TestFields:
    @pytest.mark.parametrize(
        ("batch", "fields", "get"),
        [
            (lambda a, b: {"left": a, "right": b}, "left", lambda x: (x["left"], x["right"])),
            (lambda a, b: {"left": a, "right": b}, ["left"], lambda x: (x["left"], x["right"])),
            (lambda a, b: (a, b), 0, lambda x: x),
            (lambda a, b: [a, b], (0,), lambda x: x),
            (lambda a, b: {0: a, 1: b}, 0, lambda x: (x[0], x[1])),
            (Pair, "left", lambda x: x),
            (Views, "left", lambda x: (x.left, x.right)),
            (KnownViews, "left", lambda x: (x.left, x.right)),
            (lambda a, b: [Views(a, b)], "left", lambda x: (x[0].left, x[0].right)),
            (
                lambda a, b: {"in": [Pair(a, 1)], "out": b},
                "in",
                lambda x: (x["in"][0][0], x["out"]),
            ),
            (lambda a, b: {"in": Pair({"k": a}, b)}, "k", lambda x: (x["in"][0]["k"], x["in"][1])),
        ],
    )
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize("make", [MixUp, CutMix])
    def test_only_what_is_named_is_mixed(self, batch, fields, get, make, inplace):
        a, b, y = images(), images(seed=1), torch.arange(6)
        expected, before = make(seed=0)(a, y)[0], b.clone()
        x = batch(a, b)
        mixed, _ = make(seed=0, fields=fields)(x, y, inplace=inplace)
        left, right = get(mixed)
        assert type(mixed) is type(x)
        assert torch.equal(left, expected)
        assert (left is a) == inplace
        assert right is b
        assert torch.equal(b, before)

    def test_a_mix_takes_one_name_or_several(self):
        mix = MixUp(seed=0).draw(images())
        x = {"image": images(), "im": images(), "a": images()}
        for fields in ("image", ("image",), {"image"}):
            mixed = mix(x, fields=fields)
            assert torch.equal(mixed["image"], mix(x["image"]))
            assert mixed["im"] is x["im"]
            assert mixed["a"] is x["a"]

    def test_what_is_not_named_may_be_anything(self):
        x = {"image": images(), "ids": torch.arange(3), "raw": np.zeros(6), "what": {1, 2}}
        mixed, _ = CutMix(fields="image", seed=0)(x, torch.arange(6))
        assert all(mixed[name] is x[name] for name in ("ids", "raw", "what"))

    @pytest.mark.parametrize(
        ("x", "fields", "message"),
        [
            ({"image": images()}, "picture", "nothing to mix in this batch under 'picture'"),
            (images(), ("a", 1), "nothing to mix in this batch under 'a', 1"),
            ([images()], 1, "nothing to mix in this batch under 1"),
            ({"a": images(), "b": "text"}, "b", "nothing to mix in this batch under 'b'"),
        ],
    )
    def test_a_name_that_is_not_there(self, x, fields, message):
        with pytest.raises(ValueError, match=message):
            MixUp(fields=fields)(x, torch.arange(6))


@every_mixer
@pytest.mark.parametrize("fields", [None, "image"])
def test_parts_of_a_batch_in_the_same_memory_are_mixed_once(make, fields):
    def batch():
        whole = images()
        return {"image": whole, "left": whole[..., :4], "right": whole[..., 4:]}

    apart = {name: part.clone() for name, part in batch().items()}
    expected, _ = make(seed=0, fields=fields)(apart, torch.arange(6))
    mixed, _ = make(seed=0, fields=fields)(batch(), torch.arange(6), inplace=True)
    for name, part in expected.items():
        torch.testing.assert_close(mixed[name], part)


class TestIntegers:
    def batch(self, dtype=torch.int64):
        return {"image": images(), "labels": (images(seed=1) * 9).to(dtype)}

    @pytest.mark.parametrize(
        "dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.bool]
    )
    def test_they_are_rejected_by_name(self, dtype):
        x = self.batch(dtype)
        before, kind = x["image"].clone(), str(dtype).removeprefix("torch.")
        with pytest.raises(TypeError, match=rf"batch\['labels'\]: {kind} values cannot be blended"):
            MixUp()(x, torch.arange(6), inplace=True)
        assert torch.equal(x["image"], before)

    @every_mixer
    def test_they_are_left_alone(self, make):
        x = self.batch()
        mixed, _ = make(integers="leave", seed=0)(x, torch.arange(6))
        assert mixed["labels"] is x["labels"]
        assert torch.equal(mixed["image"], make(seed=0)(x["image"], torch.arange(6))[0])

    @pytest.mark.parametrize("make", [CutMix, vicinal.FMix, vicinal.GridMix, vicinal.ResizeMix])
    @pytest.mark.parametrize("inplace", [False, True])
    def test_they_are_pasted(self, make, inplace):
        x = self.batch()
        expected = make(seed=0).draw(x["image"])(x["labels"].double())
        mixed, _ = make(integers="paste", seed=0)(x, torch.arange(6), inplace=inplace)
        assert torch.equal(mixed["labels"], expected.long())

    @pytest.mark.parametrize("make", [MixUp, SmoothMix])
    def test_they_cannot_be_pasted_by_what_blends(self, make):
        with pytest.raises(TypeError, match=r"\['labels'\]: int64 .* this mix blends its samples"):
            make(integers="paste")(self.batch(), torch.arange(6))

    def test_nothing_but_integers(self):
        with pytest.raises(ValueError, match=r"there is nothing to mix in this batch$"):
            MixUp(integers="leave")(torch.zeros(6, 3, dtype=torch.int64), torch.arange(6))

    @every_mixer
    def test_uint8_images_are_no_integers_here(self, make):
        x = (images() * 255).to(torch.uint8)
        mixed, _ = make(seed=0)(x, torch.arange(6))
        exact = make(seed=0).draw(x)(x.double())
        assert mixed.dtype == torch.uint8
        assert torch.allclose(mixed.double(), exact, rtol=0, atol=0.5001)


class TestLeaves:
    def test_all_of_a_nested_batch_are_mixed_alike(self):
        x = {"image": images(), "rest": [Pair(torch.rand(6, 2), torch.rand(6)), Views(images(), 1)]}
        mix = MixUp(seed=0).draw(x)
        mixed = mix(x)
        assert torch.equal(mixed["image"], mix(x["image"]))
        assert isinstance(mixed["rest"][0], Pair)
        assert torch.equal(mixed["rest"][0].right, mix(x["rest"][0].right))
        assert torch.equal(mixed["rest"][1].left, mix(x["rest"][1].left))

    def test_text_numbers_and_nothing_are_left_alone(self):
        x = {"image": images(), "text": list("abcdef"), "id": 3, "no": None, "raw": b"", "z": 1j}
        mixed, _ = MixUp(seed=0)(x, torch.arange(6))
        assert {k: v for k, v in mixed.items() if k != "image"} == {
            k: v for k, v in x.items() if k != "image"
        }

    @pytest.mark.parametrize("data", [np.zeros(6), {1, 2}, object(), torch.float32])
    def test_other_data_are_rejected(self, data):
        kind = type(data).__name__
        with pytest.raises(TypeError, match=rf"\['data'\]: a {kind} cannot be mixed: give tensors"):
            MixUp()({"image": images(), "data": data}, torch.arange(6))

    @pytest.mark.parametrize("x", [[1, 2], "text", None, {}, {"a": None}])
    def test_a_batch_without_tensors_is_rejected(self, x):
        with pytest.raises(TypeError, match="at least one tensor, not only"):
            MixUp()(x, torch.arange(2))

    def test_a_tensor_of_another_number_of_samples_names_itself(self):
        x = {"image": images(), "mask": images(5)}
        before = x["image"].clone()
        with pytest.raises(ValueError, match=r"batch\['mask'\]: .*drawn for 6 samples.*\(5, 3, 8"):
            MixUp()(x, torch.arange(6), inplace=True)
        assert torch.equal(x["image"], before)

    @pytest.mark.parametrize("x", [images(), {"image": images()}])
    def test_a_mixed_target_is_no_sample(self, x):
        target = MixedTarget(torch.rand(6, 2), torch.rand(6, 2), torch.ones(6))
        with pytest.raises(TypeError, match="this is a mixed target, not samples: mix the samples"):
            MixUp().draw(images())(target)
        with pytest.raises(TypeError, match=r"\[1\]: this is a mixed target, not samples"):
            MixUp()([x, target], torch.arange(6))

    def test_a_tensor_that_appears_twice_is_mixed_once(self):
        x = images()
        expected, _ = MixUp(seed=0)(x, torch.arange(6))
        mixed, _ = MixUp(seed=0)({"a": x, "b": [x]}, torch.arange(6), inplace=True)
        assert mixed["a"] is mixed["b"][0] is x
        assert torch.equal(x, expected)

    def test_a_tensor_that_appears_twice_has_both_its_partners(self):
        x, one, two = torch.zeros(2, 1), torch.ones(2, 1), torch.full((2, 1), 2.0)
        mix = Mix(torch.arange(2), torch.full((2,), 0.5))
        mixed = mix({"a": x, "b": x}, other={"a": one, "b": two})
        assert mixed["a"].tolist() == [[0.5], [0.5]]
        assert mixed["b"].tolist() == [[1.0], [1.0]]


class TestTargets:
    @every_mixer
    def test_nested_ones_become_pairs(self, make):
        y = {"kind": torch.arange(6), "where": [torch.rand(6, 4)], "name": "text"}
        target = make(seed=0)(images(), y)[1]
        assert torch.equal(target["kind"].weight, target["where"][0].weight)
        assert torch.equal(target["kind"].own, y["kind"])
        assert target["name"] == "text"

    def test_of_two_batches(self):
        x, y, other = images(), torch.arange(6), images(seed=1)
        target = MixUp(seed=0)(x, y, other=(other, y + 10))[1]
        assert torch.equal(target.partner, y + 10)

    def test_mixing_twice_is_rejected(self):
        x, y = MixUp()(images(), torch.arange(6))
        with pytest.raises(TypeError, match="the targets are mixed already: mix a batch once"):
            MixUp()(x, y)
        with pytest.raises(TypeError, match=r"at \['y'\]\[0\] is mixed already"):
            MixUp()(x, {"y": [y]})

    @pytest.mark.parametrize("y", [torch.arange(5), {"a": torch.arange(6), "b": torch.arange(5)}])
    def test_another_number_is_rejected_before_x_is_touched(self, y):
        x = images()
        before = x.clone()
        with pytest.raises(ValueError, match=r"6 samples, but (y has 5|the target has shape)"):
            MixUp()(x, y, inplace=True)
        assert torch.equal(x, before)

    @pytest.mark.parametrize(("half", "second"), [(False, False), (True, False), (False, True)])
    @pytest.mark.parametrize(
        ("batch", "targets"),
        [
            (lambda a, b: b, lambda b: b),
            (lambda a, b: b, lambda b: b[..., 1:]),
            (lambda a, b: [a, b], lambda b: b),
            (lambda a, b: {"a": a, "b": b}, lambda b: {"c": b[:]}),
            (lambda a, b: Pair(a, b), lambda b: [torch.zeros(6), Views(b, b[:, 0])]),
        ],
    )
    def test_a_tensor_that_is_also_the_target_is_copied(self, batch, targets, half, second):
        """Autoencoders; and rows of a table whose last column is the label."""
        a, b, other = images(), images(seed=1), images(seed=2)
        others = (batch(other, other), targets(other)) if second else None
        mixer, again = (CutMix(half=half, pixelwise=False, seed=0) for _ in range(2))
        expected, target = mixer(batch(a.clone(), b.clone()), targets(b.clone()), other=others)
        mixed, spared = again(batch(a, b), targets(b), other=others, inplace=True)
        for found, wanted in ((mixed, expected), (spared, target)):
            assert equal(tensors_of(found), tensors_of(wanted))

    def test_only_targets_that_would_be_overwritten_are_copied(self):
        x, y = {"a": images(), "b": images(seed=1)}, torch.arange(6)
        assert MixUp(fields="a")(x, x["b"], inplace=True)[1].own is x["b"]
        assert MixUp()(x, y, inplace=True)[1].own is y
        assert MixUp()(x, x["b"])[1].own is x["b"]


def tensors_of(batch):
    """All tensors in a nest, also those of its mixed targets."""
    found = [leaf for _, leaf in leaves(batch)]
    nested = [pytree.tree_leaves(leaf) for leaf in found]
    return [tensor for tensors in nested for tensor in tensors]


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"partners": "roll"}, ValueError, "partners must be one of 'cycle', .* not 'roll'"),
            ({"partners": None}, ValueError, "partners must be one of 'cycle', .* not None"),
            ({"half": "yes"}, TypeError, "half must be True or False, not 'yes'"),
            ({"half": 1}, TypeError, "half must be True or False, not 1"),
            ({"fields": 1.5}, TypeError, "fields must be names or positions, .* not 1.5"),
            ({"fields": True}, TypeError, "fields must be names or positions, .* not True"),
            ({"fields": ()}, TypeError, r"fields must be names or positions, .* not \(\)"),
            ({"fields": ["a", 0.5]}, TypeError, "fields must be names or positions"),
            ({"integers": "blend"}, ValueError, "integers must be one of 'raise', .* not 'blend'"),
            ({"integers": True}, ValueError, "integers must be one of 'raise', .* not True"),
            ({"seed": 1.5}, TypeError, "seed must be an integer or None, not 1.5"),
            ({"seed": "1"}, TypeError, "seed must be an integer or None, not '1'"),
            ({"partner": "cycle"}, TypeError, "no option 'partner'; did you mean 'partners'"),
        ],
    )
    @every_mixer
    def test_of_every_mixer(self, make, arguments, error, message):
        with pytest.raises(error, match=message):
            make(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"per": "image"}, ValueError, "per must be one of 'sample', 'batch', not 'image'"),
            ({"per": None}, ValueError, "per must be one of 'sample', 'batch', not None"),
            ({"p": 1.1}, ValueError, "p must be between 0 and 1, not 1.1"),
            ({"p": -0.1}, ValueError, "p must be between 0 and 1, not -0.1"),
            ({"p": float("nan")}, ValueError, "p must be between 0 and 1, not nan"),
            ({"p": "all"}, TypeError, "p must be a number, not 'all'"),
            ({"p": True}, TypeError, "p must be a number, not True"),
        ],
    )
    @every_method
    def test_of_every_method(self, make, arguments, error, message):
        with pytest.raises(error, match=message):
            make(**arguments)

    @pytest.mark.parametrize("folded", ["no", 1, None])
    def test_of_mixup(self, folded):
        with pytest.raises(TypeError, match="folded must be True or False"):
            MixUp(folded=folded)

    @pytest.mark.parametrize("other", [images(), [images()], images(2), (1, 2, 3), "ab"])
    def test_a_second_batch_is_a_pair(self, other):
        with pytest.raises(
            TypeError, match="other must be a pair, the second batch and its target"
        ):
            MixUp()(images(), torch.arange(6), other=other)

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            ((images(5), torch.arange(5)), r"partners' have \(5,\)"),
            ((images(5), torch.arange(6)), r"second batch has shape \(5, 3, 8, 9\)"),
            ((images().double(), torch.arange(6)), "second batch .* dtype torch.float64"),
            (({"a": images()}, torch.arange(6)), r"of \['a'\], the first of one tensor"),
            ((images(), [torch.arange(6)]), r"of \[0\], the first of one tensor"),
        ],
    )
    def test_a_second_batch_is_like_the_first(self, other, message):
        x = images()
        before = x.clone()
        with pytest.raises(ValueError, match=message):
            MixUp()(x, torch.arange(6), other=other, inplace=True)
        assert torch.equal(x, before)

    def test_a_mixer_cannot_be_made_without_a_method(self):
        with pytest.raises(TypeError, match="abstract"):
            Mixer()


@every_mixer
def test_the_repr_makes_the_same_mixer(make):
    mixer = make(partners="shuffle", fields=["a", 0], integers="leave", seed=5)
    again = eval(repr(mixer), vars(vicinal) | {name: getattr(vicinal, name) for name in METHODS}
                 | {"Choice": Choice, "Schedule": Schedule})  # fmt: skip
    assert repr(again) == repr(mixer)
    x = {"a": images()}
    assert torch.equal(drawn(again, x), drawn(mixer, x))


def test_the_repr_is_short():
    assert repr(CutMix(seed=3)) == (
        "CutMix(alpha=1.0, partners='cycle', per='sample', p=1.0, seed=3)"
    )
    assert "folded=False" in repr(MixUp(folded=False))
    assert "half=True" in repr(MixUp(half=True))


def by_hand(mixer):
    """A mixer that is restored from the state of another one."""
    restored = pickle.loads(pickle.dumps(mixer))
    restored.load_state_dict({"seed": 1234, "draws": 0})
    restored.load_state_dict(copy.deepcopy(mixer.state_dict()))
    return restored


@every_mixer
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda mixer: pickle.loads(pickle.dumps(mixer)), by_hand]
)
def test_copies_continue_independently(make, copied, half):
    mixer = make(half=half)
    for _ in range(3):
        drawn(mixer)
    twin = copied(mixer)
    assert twin.state_dict() == mixer.state_dict() == {"seed": mixer.random.seed, "draws": 3}
    expected = [drawn(mixer) for _ in range(3)]
    assert twin.random.draws == 3
    found = [drawn(twin) for _ in range(3)]
    assert equal(found, expected)
    assert not torch.equal(found[0], found[1])


def test_a_state_is_two_integers_and_no_view_of_the_mixer():
    mixer = MixUp(seed=3)
    state = mixer.state_dict()
    drawn(mixer)
    assert state == {"seed": 3, "draws": 0}
    assert all(type(value) is int for value in state.values())


class TestDrawing:
    @every_mixer
    def test_one_seed_gives_the_same_mixes(self, make):
        first, second, other = make(seed=7), make(seed=7), make(seed=8)
        for _ in range(3):
            found = drawn(first)
            assert torch.equal(found, drawn(second))
            assert not torch.equal(found, drawn(other))

    @every_mixer
    def test_torchs_own_generator_is_neither_read_nor_moved(self, make):
        mixers = [make(seed=0, half=half) for half in (False, True)]
        states = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            states.append([drawn(copy.deepcopy(mixer)) for mixer in mixers])
            assert torch.equal(torch.get_rng_state(), before)
        assert equal(*states)

    @every_mixer
    @pytest.mark.parametrize("partners", ["cycle", "shuffle", "pairs", "reverse"])
    def test_a_default_device_or_dtype_does_not_matter(self, make, partners):
        x, y = images(), torch.arange(6)
        expected = make(partners=partners, seed=0)(x, y)
        for device, dtype in [("meta", torch.float32), ("cpu", torch.float64)]:
            torch.set_default_dtype(dtype)
            try:
                with torch.device(device):
                    mixed, target = make(partners=partners, seed=0)(x, y)
            finally:
                torch.set_default_dtype(torch.float32)
            assert mixed.dtype == torch.float32
            assert target.weight.dtype == torch.float32
            assert torch.equal(mixed, expected[0])
            assert same(target, expected[1])

    def test_a_default_device_that_is_set_for_good(self):
        expected = drawn(CutMix(seed=0))
        x = images()
        torch.set_default_device("meta")
        try:
            found = drawn(CutMix(seed=0), x)
        finally:
            torch.set_default_device(None)
        assert torch.equal(found, expected)

    @every_mixer
    def test_inference_mode_and_no_grad_do_not_matter(self, make):
        x, y = images(), torch.arange(6)
        mixer, again = make(seed=0), make(seed=0)
        for mode in (torch.inference_mode(), torch.no_grad(), torch.enable_grad()):
            with mode:
                mixed = mixer(x, y)[0].clone()
            assert torch.allclose(again(x, y)[0], mixed)


class NoWaiting(TorchDispatchMode):
    """Fails where the CPU would wait for a device, for values or for their number."""

    WAITS = (
        torch.ops.aten._local_scalar_dense,
        torch.ops.aten.equal,
        torch.ops.aten.nonzero,
        torch.ops.aten.masked_select,
        torch.ops.aten._unique2,
        torch.ops.aten.unique_dim,
        torch.ops.aten.bincount,
    )

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_device = [t for t in given if t.device.type != "cpu"]
        packet = function.overloadpacket
        by_mask = packet in (torch.ops.aten.index, torch.ops.aten.index_put) and any(
            t.dtype in (torch.bool, torch.uint8) for t in on_device[1:]
        )
        if on_device and (packet in self.WAITS or by_mask):
            raise AssertionError(f"{function} waits for the device")
        result = function(*args, **(kwargs or {}))
        found = [t for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor)]
        if on_device and any(t.device.type == "cpu" for t in found):
            raise AssertionError(f"{function} copies {on_device} to the CPU")
        return result


class TestNoWaiting:
    """A whole step on a device without numbers: who asks for one fails."""

    @every_mixer
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize(
        "options", [{}, {"half": True}, {"partners": "pairs"}, {"partners": "shuffle"}]
    )
    def test_a_step(self, make, inplace, options):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 9, 5)).to("meta")
        loss_func, mixer = MixLoss(nn.CrossEntropyLoss()), make(**options)
        x, y = images().to("meta"), torch.arange(6, device="meta")
        with NoWaiting():
            mixed, target = mixer(x, y, inplace=inplace)
            loss = loss_func(model(mixed), target)
            loss.backward()
        assert {t.device.type for t in (mixed, target.own, target.partner, target.weight)} == {
            "meta"
        }
        assert loss.shape == ()
        assert model[1].weight.grad is not None

    @every_mixer
    def test_two_batches_uint8_and_nests(self, make):
        x = {"image": (images() * 255).to(torch.uint8).to("meta"), "text": list("abcdef")}
        y = {"kind": torch.arange(6, device="meta")}
        with NoWaiting():
            mixed, target = make(fields="image")(x, y, other=(x, y))
            mixer = make(fields="image")
            mixer.draw(x, y).normalized(x["image"], [0.5] * 3, [0.5] * 3)
        assert mixed["image"].dtype == torch.uint8
        assert target["kind"].weight.device.type == "meta"

    @every_mixer
    def test_gradients_of_hidden_activations(self, make):
        hidden = images().to("meta").requires_grad_()
        with NoWaiting():
            make().draw(hidden)(hidden).sum().backward()
        assert hidden.grad.shape == hidden.shape

    @every_mixer
    def test_drawing_touches_no_data(self, make):
        """What is drawn for a batch without numbers is what is drawn for one with them."""

        class Touched(NoWaiting):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                assert not any(t is x for t in pytree.tree_leaves((args, kwargs)))
                return function(*args, **(kwargs or {}))

        mixer, x = make(seed=0), images()
        with Touched():
            mix = mixer.draw(x)
        mixes = [mix, make(seed=0).draw(torch.empty(1).expand(x.shape))]
        assert torch.equal(*(torch.cat([t.double().flatten() for t in m.tensors()]) for m in mixes))

    @pytest.mark.parametrize(
        "asks",
        [
            lambda t: t.sum().item(),
            lambda t: bool(t.any()),
            lambda t: t.nonzero(),
            lambda t: t[t > 0],
            lambda t: t.cpu(),
        ],
    )
    def test_reading_a_value_fails(self, asks):
        with pytest.raises((AssertionError, NotImplementedError, RuntimeError)), NoWaiting():
            asks(torch.ones(3, device="meta"))
