"""The peers as oracles: from what they drew we make what they made, images and targets.

An installed peer draws as it always does. We record its draws, build a mix of the same partners,
weights and boxes, and apply it by every implementation. Where a test says "our draws", it is the
other way round: the peer gets what a mixer of ours drew.

Pasted pixels are copies, and must be equal to the last bit. Blended ones, in [0, 1], are within
1e-6 in float32 and 1e-12 in float64; timm rounds the weights of single samples to float32, which
allows 1e-7. Blended uint8 are equal but where the exact value lies halfway between two numbers.
Targets are float32, and within 1e-6.
"""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import timm.data.mixup as timm_mixup
import torch
import torch.nn.functional as F
from timm.loss import SoftTargetCrossEntropy
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from vicinal import Choice, CrossEntropyLossFlat, CutMix, Mix, MixLoss, MixUp
from vicinal.mixing.apply import LARGE_ROW
from vicinal.mixing.blend import Blend
from vicinal.mixing.paste import Boxes, Masks, ResizedBoxes

CLASSES = 5
BLENDED = {torch.float32: 1e-6, torch.float64: 1e-12}
SINGLE_WEIGHTS = 1e-7
TARGETS = 1e-6
LARGE = (224, 208)

# With these, timm's choice for a batch is to blend, to paste, and to leave it as it is.
seeds = pytest.mark.parametrize("seed", [0, 2, 4])
sizes = pytest.mark.parametrize("size", [(32, 32), (24, 41), LARGE], ids=["small", "wide", "large"])
floats = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
dtypes = pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])


def batch(seed, size, dtype=torch.float32, count=5):
    """Images and labels; the global generators, which the peers draw from, are seeded, too."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    x = torch.rand(count, 3, *size, dtype=torch.float64)
    x = (256 * x).to(dtype) if dtype == torch.uint8 else x.to(dtype)
    assert (x[0].nbytes >= LARGE_ROW) == (size == LARGE)
    return x, torch.randint(CLASSES, (count,))


def one_hot(y, dtype=torch.float32):
    return F.one_hot(y, CLASSES).to(dtype)


def recorded(monkeypatch, owner, name):
    """Record what a function returns from now on, call by call."""
    function, results = getattr(owner, name), []

    def spy(*args, **kwargs):
        result = function(*args, **kwargs)
        results.append(copy.deepcopy(result))
        return result

    monkeypatch.setattr(owner, name, spy)
    return results


def pasted(partner, corners, size):
    """Our mix by one box for all rows, or by one for each: top, bottom, left, right."""
    boxes = Boxes(torch.as_tensor(corners).expand(len(partner), 4), size)
    return Mix(partner, boxes.weight, (boxes,))


def by_every_implementation(mix, x, other=None):
    """Our results, each with the name of its implementation."""
    if other is None:
        yield "new tensor", mix(x)
        yield "in place", mix(x.clone(), inplace=True)
        if x.ndim == 4:
            yield "channels last", mix(x.contiguous(memory_format=torch.channels_last))
        if x.is_floating_point():
            yield "on the whole batch", mix(x.clone().requires_grad_()).detach()
        other = x[mix.partner]
    yield "from a second batch", mix(x, other=other)
    yield "from a second batch, in place", mix(x.clone(), other=other, inplace=True)


def assert_same_images(mix, x, theirs, other=None, tolerance=0.0):
    """Ours are theirs within the tolerance at the top of this file, or a wider one."""
    copies = bool(mix.patterns) and all(pattern.copies for pattern in mix.patterns)
    exact = mix(x.double(), other=None if other is None else other.double())
    for implementation, ours in by_every_implementation(mix, x, other):
        assert ours.dtype == theirs.dtype == x.dtype
        if copies:
            assert torch.equal(ours, theirs), implementation
        elif x.dtype == torch.uint8:
            halfway = (exact.frac() - 0.5).abs() < 1e-4
            assert bool(((ours == theirs) | halfway).all()), implementation
        else:
            assert (ours - theirs).abs().max() <= max(tolerance, BLENDED[x.dtype]), implementation


def assert_same_target(target, theirs):
    assert (target.dense(CLASSES) - theirs).abs().max() <= TARGETS


class TestTorchvision:
    @staticmethod
    def partner(x):
        return torch.arange(len(x)).roll(1)  # the row before

    @seeds
    @sizes
    @floats
    def test_mixup(self, monkeypatch, seed, size, dtype):
        x, y = batch(seed, size, dtype)
        peer = v2.MixUp(alpha=1.0, num_classes=CLASSES)
        params = recorded(monkeypatch, peer, "make_params")
        theirs, their_target = peer(x, y)
        mix = Mix(self.partner(x), torch.full((len(x),), params[0]["lam"], dtype=dtype))
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @dtypes
    def test_cutmix(self, monkeypatch, seed, size, dtype):
        x, y = batch(seed, size, dtype)
        peer = v2.CutMix(alpha=1.0, num_classes=CLASSES)
        params = recorded(monkeypatch, peer, "make_params")
        theirs, their_target = peer(x, y)
        left, top, right, bottom = params[0]["box"]
        mix = pasted(self.partner(x), (top, bottom, left, right), size)
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    def test_cutmix_of_videos_and_one_hot_targets(self, monkeypatch, seed):
        x, y = batch(seed, (24, 41), count=12)
        x, y = x.view(4, 3, 3, 24, 41), one_hot(y[:4])
        peer = v2.CutMix(alpha=1.0)
        params = recorded(monkeypatch, peer, "make_params")
        theirs, their_target = peer(tv_tensors.Video(x), y)
        left, top, right, bottom = params[0]["box"]
        mix = pasted(self.partner(x), (top, bottom, left, right), (24, 41))
        assert_same_images(mix, x, theirs.as_subclass(torch.Tensor))
        assert_same_target(mix.target(y), their_target)

    @seeds
    def test_the_loss_is_that_of_their_target(self, monkeypatch, seed):
        x, y = batch(seed, (8, 8))
        peer = v2.MixUp(alpha=1.0, num_classes=CLASSES)
        params = recorded(monkeypatch, peer, "make_params")
        _, their_target = peer(x, y)
        target = Mix(self.partner(x), torch.full((len(x),), params[0]["lam"])).target(y)
        output = torch.randn(len(x), CLASSES)
        ours = MixLoss(F.cross_entropy)(output, target)
        assert torch.allclose(ours, F.cross_entropy(output, their_target), atol=1e-6)


TIMM = {"label_smoothing": 0.0, "num_classes": CLASSES}


class TimmDraws:
    """Listens to timm, and builds our mix from what it drew for one batch."""

    def __init__(self, monkeypatch, peer):
        self.mode = peer.mode
        name = "_params_per_batch" if peer.mode == "batch" else "_params_per_elem"
        self.params = recorded(monkeypatch, peer, name)
        self.boxes = recorded(monkeypatch, timm_mixup, "cutmix_bbox_and_lam")

    def mix(self, count, size, dtype=torch.float32, partner=None):
        """For a batch of so many rows; by default the partners are its rows read backwards."""
        weight, by_box = (np.atleast_1d(drawn) for drawn in self.params[0])
        boxes = iter([box for box, _ in self.boxes])
        mixed_by_box = by_box & (weight != 1)
        corners = torch.tensor(
            [[int(edge) for edge in next(boxes)] if cut else [0] * 4 for cut in mixed_by_box]
        )
        weight = torch.from_numpy(np.where(mixed_by_box, 1.0, weight)).to(dtype)
        if self.mode == "batch":
            weight, corners = weight.expand(count), corners.expand(count, 4)
        elif self.mode == "pair":
            weight, corners = (torch.cat([drawn, drawn.flip(0)]) for drawn in (weight, corners))
        partner = torch.arange(count).flip(0) if partner is None else partner
        if not mixed_by_box.any():
            return Mix(partner, weight)
        if mixed_by_box.all():
            return pasted(partner, corners, size)
        box = Boxes(corners, size)
        return Mix(partner, weight * box.weight, (Blend(weight), box))


class TestTimm:
    kinds = pytest.mark.parametrize(
        "kind",
        [
            {"mixup_alpha": 1.0},
            {"mixup_alpha": 0.0, "cutmix_alpha": 1.0},
            {"mixup_alpha": 0.0, "cutmix_minmax": (0.2, 0.8)},
            {"mixup_alpha": 1.0, "cutmix_alpha": 1.0, "prob": 0.7},
        ],
        ids=["mixup", "cutmix", "minmax", "switch"],
    )

    @seeds
    @sizes
    @floats
    @kinds
    @pytest.mark.parametrize("mode", ["batch", "elem", "pair"])
    def test_images_and_targets(self, monkeypatch, mode, kind, dtype, size, seed):
        x, y = batch(seed, size, dtype, count=6)
        peer = timm_mixup.Mixup(mode=mode, **kind, **TIMM)
        drawn = TimmDraws(monkeypatch, peer)
        theirs, their_target = peer(x.clone(), y)
        mix = drawn.mix(6, size, dtype)
        tolerance = 0.0 if mode == "batch" else SINGLE_WEIGHTS
        assert_same_images(mix, x, theirs, tolerance=tolerance)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @kinds
    @pytest.mark.parametrize("mode", ["batch", "elem", "pair"])
    def test_fast_collate(self, monkeypatch, mode, kind, size, seed):
        x, y = batch(seed, size, torch.uint8, count=6)
        peer = timm_mixup.FastCollateMixup(mode=mode, **kind, **TIMM)
        drawn = TimmDraws(monkeypatch, peer)
        theirs, their_target = peer(list(zip(x.clone(), y.tolist(), strict=True)))
        mix = drawn.mix(6, size)
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @kinds
    def test_fast_collate_of_half(self, monkeypatch, kind, size, seed):
        x, y = batch(seed, size, torch.uint8, count=8)
        peer = timm_mixup.FastCollateMixup(mode="half", **kind, **TIMM)
        drawn = TimmDraws(monkeypatch, peer)
        theirs, their_target = peer(list(zip(x.clone(), y.tolist(), strict=True)))
        mix = drawn.mix(4, size, partner=torch.arange(4))
        assert_same_images(mix, x[:4], theirs, other=x.flip(0)[:4])
        assert_same_target(mix.target(y[:4], other=y.flip(0)[:4]), their_target)

    @seeds
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_the_loss_with_smoothed_labels(self, monkeypatch, smoothing, seed):
        x, y = batch(seed, (8, 8), count=6)
        peer = timm_mixup.Mixup(mode="elem", label_smoothing=smoothing, num_classes=CLASSES)
        drawn = TimmDraws(monkeypatch, peer)
        _, their_target = peer(x.clone(), y)
        target, output = drawn.mix(6, (8, 8)).target(y), torch.randn(6, CLASSES)
        ours = MixLoss(nn.CrossEntropyLoss(label_smoothing=smoothing))(output, target)
        assert torch.allclose(ours, SoftTargetCrossEntropy()(output, their_target), atol=1e-6)

    @seeds
    def test_many_labels_a_sample(self, monkeypatch, seed):
        x, y = batch(seed, (8, 8), count=6)
        y = (torch.rand(6, CLASSES) < 0.5).float()
        peer = timm_mixup.Mixup(mode="pair", multi_label=True, **TIMM)
        drawn = TimmDraws(monkeypatch, peer)
        _, their_target = peer(x.clone(), y)
        assert_same_target(drawn.mix(6, (8, 8)).target(y), their_target)


class TestTimmWithOurDraws:
    """Whole mixers, with their own partners: each is a mode of timm's."""

    @staticmethod
    def mixer(seed, **options):
        return Choice([MixUp(1.0, folded=False), CutMix(1.0)], seed=seed, **options)

    @staticmethod
    def peer(monkeypatch, kind, mode, mix, rows):
        """A peer that mixes its rows as ours mixes these rows."""
        blend, boxes = mix.patterns
        # Either is 1.
        weight, by_box = (blend.weight * boxes.weight)[rows], boxes.weight[rows] < 1
        peer = kind(mode=mode, **TIMM)
        drawn = weight.numpy(), by_box.numpy()
        monkeypatch.setattr(peer, "_params_per_elem", lambda count: copy.deepcopy(drawn))
        corners = iter(boxes.corners[rows][by_box].tolist())
        monkeypatch.setattr(
            timm_mixup, "cutmix_bbox_and_lam", lambda shape, weight, **_: (next(corners), weight)
        )
        return peer

    @seeds
    @sizes
    def test_reverse_is_elem(self, monkeypatch, size, seed):
        x, y = batch(seed, size, count=8)
        mix = self.mixer(seed, partners="reverse").draw(x)
        ours, target = self.mixer(seed, partners="reverse")(x, y)
        peer = self.peer(monkeypatch, timm_mixup.Mixup, "elem", mix, torch.arange(8))
        theirs, their_target = peer(x.clone(), y)
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert_same_target(target, their_target)

    @seeds
    @sizes
    def test_pairs_are_pair(self, monkeypatch, size, seed):
        x, y = batch(seed, size, count=8)
        mix = self.mixer(seed, partners="pairs").draw(x)
        ours, target = self.mixer(seed, partners="pairs")(x, y)
        rows = torch.arange(8)
        leaders = rows[rows < mix.partner]
        order = torch.cat([leaders, mix.partner[leaders].flip(0)])
        peer = self.peer(monkeypatch, timm_mixup.Mixup, "pair", mix, leaders)
        theirs, their_target = peer(x[order], y[order])
        assert torch.allclose(ours[order], theirs, atol=1e-6)
        assert_same_target(target[order], their_target)

    @seeds
    @sizes
    def test_half_is_half(self, monkeypatch, size, seed):
        x, y = batch(seed, size, torch.uint8, count=8)
        mix = self.mixer(seed, half=True).draw(x)
        ours, target = self.mixer(seed, half=True)(x, y)
        peer = self.peer(monkeypatch, timm_mixup.FastCollateMixup, "half", mix, torch.arange(4))
        # Row i meets row i of the second half; timm's meets the last but i.
        order = torch.cat([torch.arange(4), torch.arange(4, 8).flip(0)])
        samples = list(zip(x[order].clone(), y[order].tolist(), strict=True))
        theirs, their_target = peer(samples)
        assert (ours.int() - theirs.int()).abs().max() <= 1  # a half is rounded either way
        assert (ours != theirs).float().mean() < 1e-3
        assert_same_target(target, their_target)


class TestBoxFormula:
    """CutMix's own random numbers, drawn again from the same seed, are fed to the peer."""

    COUNT = 500
    sizes = pytest.mark.parametrize("size", [(32, 32), (31, 45), (224, 160), (3, 2), (1, 7)])

    @classmethod
    def drawn(cls, seed, size, **settings):
        """Our boxes; and the uniform numbers, four or three for each, that they were made from."""
        generator = torch.Generator().manual_seed(seed)
        corners = CutMix(**settings).pattern(cls.COUNT, size, generator).corners
        generator.manual_seed(seed)
        numbers = 4 if "minmax" in settings else 3
        uniform = torch.rand(numbers, cls.COUNT, generator=generator, dtype=torch.float64)
        return corners.tolist(), uniform.T.tolist()

    @staticmethod
    def feed_numpy(monkeypatch, numbers):
        """numpy's next integers are made from these uniform numbers."""
        numbers = iter(numbers)
        monkeypatch.setattr(
            np.random,
            "randint",
            lambda low, high, size=None: low + int((high - low) * next(numbers)),
        )

    @sizes
    def test_timm(self, monkeypatch, size):
        for ours, (lam, *uniform) in zip(*self.drawn(0, size), strict=True):
            self.feed_numpy(monkeypatch, uniform)
            assert ours == [int(edge) for edge in timm_mixup.rand_bbox(size, lam)]

    @pytest.mark.parametrize("size", [(32, 32), (40, 80), (224, 160)])
    def test_timm_minmax(self, monkeypatch, size):
        # Sides whose limits are whole pixels; timm rounds others down, we do not.
        for ours, uniform in zip(*self.drawn(0, size, minmax=(0.25, 0.75)), strict=True):
            self.feed_numpy(monkeypatch, uniform)
            assert ours == list(timm_mixup.rand_bbox_minmax(size, (0.25, 0.75)))

    @pytest.mark.parametrize("size", [(32, 32), (31, 45), (224, 160)])
    def test_torchvision_but_for_the_last_pixel_of_an_odd_side(self, monkeypatch, size):
        peer = v2.CutMix(num_classes=CLASSES)
        for ours, (lam, *uniform) in zip(*self.drawn(0, size), strict=True):
            peer._dist = SimpleNamespace(sample=lambda shape, lam=lam: lam)
            across_first = iter([uniform[1], uniform[0]])
            monkeypatch.setattr(
                torch,
                "randint",
                lambda high, size, numbers=across_first: torch.tensor([int(high * next(numbers))]),
            )
            left, top, right, bottom = peer.make_params([torch.empty(1, 3, *size)])["box"]
            odd = [int(length * (1 - lam) ** 0.5) % 2 for length in size]
            bottom, right = min(bottom + odd[0], size[0]), min(right + odd[1], size[1])
            assert ours == [top, bottom, left, right]


class TestFastai:
    peers = pytest.mark.parametrize("name", ["MixUp", "CutMix"])

    @staticmethod
    def mixed(monkeypatch, name, x, y, loss, dtype=torch.float32):
        """What fastai's callback makes of a batch, and our mix of its draws."""
        peer = getattr(pytest.importorskip("fastai.callback.mixup"), name)()
        # One of double precision, for images of double precision.
        peer.distrib = torch.distributions.Beta(*torch.ones(2, dtype=dtype))
        orders = recorded(monkeypatch, torch, "randperm")
        boxes = recorded(monkeypatch, peer, "rand_bbox") if name == "CutMix" else None
        before = x.clone()
        peer.learn = SimpleNamespace(xb=(x,), yb=(y,), x=x, y=y, loss_func=loss, training=True)
        peer.before_train()
        peer.before_batch()
        (theirs,) = peer.learn.xb
        if boxes is None:
            return peer.learn, theirs, before, Mix(orders[0], peer.lam)
        left, top, right, bottom = (int(edge) for edge in boxes[0])
        return (
            peer.learn,
            theirs,
            before,
            pasted(orders[0], (top, bottom, left, right), x.shape[-2:]),
        )

    @seeds
    @sizes
    @floats
    @peers
    def test_images_and_targets(self, monkeypatch, name, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        dense = one_hot(y, dtype if name == "MixUp" else torch.float32)
        learn, theirs, x, mix = self.mixed(monkeypatch, name, x, dense, nn.BCELoss(), dtype)
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), learn.yb[0])
        assert_same_target(mix.target(dense), learn.yb[0])

    @seeds
    @peers
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_the_loss_of_two_labels(self, monkeypatch, reduction, name, seed):
        x, y = batch(seed, (8, 8))
        losses = pytest.importorskip("fastai.losses")
        loss = losses.CrossEntropyLossFlat(reduction=reduction)
        learn, _, _, mix = self.mixed(monkeypatch, name, x, y, loss)
        assert learn.yb[0] is y
        output = torch.randn(len(x), CLASSES)
        theirs = learn.loss_func(output, *learn.yb)
        ours = MixLoss(CrossEntropyLossFlat(reduction=reduction))(output, mix.target(y))
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6)


class TestKorniaWithOurDraws:
    @staticmethod
    def mixed(name, x, y, params, **settings):
        augmentation = pytest.importorskip("kornia.augmentation")
        peer = getattr(augmentation, name)(data_keys=["input", "class"], **settings)
        return peer(x.clone(), y, params={**params, "batch_prob": torch.ones(len(x))})

    @seeds
    @sizes
    @floats
    def test_mixup(self, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        mix = MixUp(1.0, seed=seed).draw(x)
        given = 1 - mix.weight.double()
        params = {"mixup_pairs": mix.partner, "mixup_lambdas": given}
        theirs, labels = self.mixed("RandomMixUpV2", x, y, params)
        assert_same_images(mix, x, theirs)
        self.assert_same_labels(mix.target(y), labels, 1 - labels[:, 2])

    @seeds
    @sizes
    @floats
    @pytest.mark.parametrize("minmax", [None, (0.2, 0.8)], ids=["clipped", "minmax"])
    def test_cutmix(self, minmax, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        mix = CutMix(minmax=minmax, seed=seed).draw(x)
        top, bottom, left, right = mix.patterns[0].corners.unbind(1)
        bottom, right = bottom - 1, right - 1  # kornia's last pixels lie inside
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        params = {
            "mix_pairs": mix.partner[None],
            "crop_src": torch.stack([torch.stack(c, 1) for c in corners], 1)[None].to(dtype),
            "image_shape": torch.tensor(size),
        }
        theirs, labels = self.mixed("RandomCutMixV2", x, y, params, use_correct_lambda=True)
        assert_same_images(mix, x, theirs)
        self.assert_same_labels(mix.target(y), labels[0], labels[0, :, 2])

    @staticmethod
    def assert_same_labels(target, labels, weight):
        assert torch.equal(labels[:, 0].long(), target.own)
        assert torch.equal(labels[:, 1].long(), target.partner)
        weight = weight[:, None]
        dense = weight * one_hot(target.own) + (1 - weight) * one_hot(target.partner)
        assert_same_target(target, dense)


class TestMixupFromPyPI:
    @staticmethod
    def mixed(monkeypatch, name, x, y):
        """What the peer makes of a batch, and its partners."""
        peer = getattr(pytest.importorskip("mixup"), name)()
        orders = recorded(monkeypatch, torch, "randperm")
        theirs, their_target = peer(x.clone(), one_hot(y, x.dtype))
        return theirs, their_target, orders[0]

    @staticmethod
    def changed(x, theirs):
        """(H, W): which pixels are not each row's own."""
        return (x != theirs).flatten(0, 1).any(0)

    @classmethod
    def box(cls, x, theirs):
        """Read off the result: top, bottom, left, right."""
        changed = cls.changed(x, theirs)
        if not changed.any():
            return 0, 0, 0, 0
        down, across = changed.any(1).nonzero(), changed.any(0).nonzero()
        return int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1

    @seeds
    @sizes
    @floats
    def test_mixup(self, monkeypatch, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        weights = recorded(monkeypatch, np.random, "beta")
        theirs, their_target, partner = self.mixed(monkeypatch, "VanillaMixUp", x, y)
        mix = Mix(partner, torch.full((len(x),), weights[0], dtype=dtype))
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @floats
    def test_cutmix(self, monkeypatch, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        theirs, their_target, partner = self.mixed(monkeypatch, "CutMix", x, y)
        mix = pasted(partner, self.box(x, theirs), size)
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @floats
    def test_fmix(self, monkeypatch, dtype, size, seed):
        x, y = batch(seed, size, dtype)
        theirs, their_target, partner = self.mixed(monkeypatch, "FMix", x, y)
        masks = Masks(~self.changed(x, theirs).expand(len(x), *size))
        mix = Mix(partner, masks.weight, (masks,))
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)

    @seeds
    @sizes
    @floats
    def test_resizemix_but_for_its_filter(self, monkeypatch, dtype, size, seed):
        # It shrinks bilinearly, we take the nearest pixels: here it does, too. (Not by torch's
        # mode="nearest", whose rounding takes the pixel before for some sizes, such as 208 to 22.)
        def nearest(x, size, mode, align_corners):
            down, across = (
                torch.arange(shrunk) * side // shrunk
                for shrunk, side in zip(size, x.shape[-2:], strict=True)
            )
            return x[..., down[:, None], across]

        x, y = batch(seed, size, dtype)
        monkeypatch.setattr(F, "interpolate", nearest)
        theirs, their_target, partner = self.mixed(monkeypatch, "ResizeMix", x, y)
        corners = torch.tensor(self.box(x, theirs)).expand(len(x), 4)
        boxes = ResizedBoxes(corners, size)
        mix = Mix(partner, boxes.weight, (boxes,))
        assert_same_images(mix, x, theirs)
        assert_same_target(mix.target(y), their_target)
