"""Targets of pixels: masks and maps are mixed as the images are that they belong to."""

import functools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import tv_tensors

from vicinal import (
    Choice,
    ClassMix,
    CutMix,
    DataLoaders,
    FMix,
    GridMix,
    Learner,
    Mix,
    MixedTarget,
    MixLoss,
    MixUp,
    ResizeMix,
    Schedule,
    SmoothMix,
    accuracy,
    halves,
)
from vicinal.data.split_loader import Batches, TensorData
from vicinal.mixing.blend import Blend
from vicinal.mixing.paste import Boxes, SoftMasks

from .test_mixer import NoWaiting

SIZE, CLASSES, IGNORED = (8, 10), 4, 255


def cutmix(**options):
    """It always cuts something."""
    return CutMix(minmax=(0.3, 0.7), **options)


def mixup(**options):
    """It always blends something."""
    return MixUp(2.0, p=0.9, **options)


COPYING = {
    "CutMix": cutmix,
    "ResizeMix": ResizeMix,
    "FMix": FMix,
    "GridMix": GridMix,
    "ClassMix": ClassMix,
    "a choice of them": lambda **o: Choice([cutmix(), ClassMix(), FMix()], [0.3] * 3, **o),
    "a schedule": lambda **o: Schedule(cutmix(), steps=5, until=0.5, **o),
}
BLENDING = {
    "MixUp": mixup,
    "SmoothMix": SmoothMix,
    "both": lambda **o: Choice([mixup(), SmoothMix()], **o),
}
MIXED = {
    "MixUp or CutMix": lambda **o: Choice([mixup(), cutmix()], **o),
    "SmoothMix or ResizeMix": lambda **o: Choice([SmoothMix(), ResizeMix()], **o),
    "all": lambda **o: Choice([mixup(), cutmix(), SmoothMix(), ClassMix()], [0.2] * 4, **o),
}
EVERY = {**COPYING, **BLENDING, **MIXED}
OPTIONS = [{}, {"half": True}, {"partners": "pairs"}, {"partners": "shuffle"}]

every_mixer = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
every_copying = pytest.mark.parametrize("make", COPYING.values(), ids=COPYING)


def random_masks(count=6, seed=0, size=SIZE, dtype=torch.int64):
    g = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, CLASSES, (count, *size), generator=g)
    return masks.where(torch.rand(count, *size, generator=g) > 0.2, IGNORED).to(dtype)


def images_of(masks):
    """Images whose pixels encode their class, exactly, in any dtype."""
    return masks.unsqueeze(1).expand(-1, 3, -1, -1).float()


def one_hot(masks):
    """(B, CLASSES + 1, H, W) shares of each class, the last one for ignored pixels."""
    return F.one_hot(masks.long().where(masks != IGNORED, CLASSES), CLASSES + 1).movedim(-1, 1)


def as_classes(target):
    """The same target, with the ignored class as one more."""
    if isinstance(target, MixedTarget):
        own, partner = (t.where(t != IGNORED, CLASSES) for t in (target.own, target.partner))
        return MixedTarget(own, partner, target.weight).dense(CLASSES + 1)
    return one_hot(target).float()


class TestPixelsKeepTheirLabels:
    @every_copying
    @pytest.mark.parametrize("options", OPTIONS)
    @pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.int16])
    def test_the_mask_of_a_pasted_image_is_pasted(self, make, options, dtype):
        masks = random_masks(dtype=dtype)
        mixer, changed = make(**options, seed=0), 0
        for _ in range(3):
            mixed, target = mixer(images_of(masks), masks)
            assert type(target) is torch.Tensor
            assert target.dtype == dtype
            assert torch.equal(images_of(target), mixed)
            changed += int((target != masks[: len(target)]).sum())
        assert changed

    @every_mixer
    @pytest.mark.parametrize("options", [{}, {"half": True}, {"partners": "pairs"}])
    def test_masks_are_mixed_as_their_shares_are_as_images(self, make, options):
        """What lies on a pixel is a mixture of two classes, in just the shares of the target."""
        masks = random_masks(8)
        mixer = make(**options, seed=2)
        mix = mixer.draw(images_of(masks), masks)
        shares, other = one_hot(masks).float(), None
        y, other_y = masks, None
        if mixer.half:
            (shares, other), (y, other_y) = halves(shares), halves(masks)
        expected = mix(shares, other=other)
        target = mix.target(y, other=other_y)
        assert torch.allclose(as_classes(target), expected, atol=1e-6)
        assert (mix.weight < 1).any()

    @every_mixer
    def test_maps_of_floats_are_mixed_as_images(self, make):
        masks = random_masks()
        maps = torch.rand(6, 2, *SIZE)
        mix = make(seed=0).draw(images_of(masks), masks)
        target = mix.target(maps)
        dense = target.dense() if isinstance(target, MixedTarget) else target
        assert torch.allclose(dense, mix(maps), atol=1e-6)

    @every_mixer
    def test_partners_of_a_second_batch_have_their_masks(self, make):
        masks, others = random_masks(seed=1), random_masks(seed=2)
        mixer = make(seed=0)
        second = images_of(others), others
        mix = mixer.draw(images_of(masks), masks, other=second)
        expected = mix(one_hot(masks).float(), other=one_hot(others).float())
        _, target = make(seed=0)(images_of(masks), masks, other=second)
        assert torch.allclose(as_classes(target), expected, atol=1e-6)

    @given(
        size=st.tuples(*[st.integers(1, 9)] * 2),
        depth=st.sampled_from([(), (1,), (2,), (2, 3)]),
        count=st.integers(1, 5),
        name=st.sampled_from(sorted({*EVERY} - {"ClassMix", "a choice of them", "all"})),
        seed=st.integers(0, 999),
    )
    @settings(deadline=None, max_examples=60)
    def test_masks_of_any_depth(self, size, depth, count, name, seed):
        """(B, D, H, W) masks of volumes, or of several kinds at once."""
        g = torch.Generator().manual_seed(seed)
        masks = torch.randint(0, CLASSES + 1, (count, *depth, *size), generator=g)
        mix = EVERY[name](seed=seed).draw(torch.empty(count, 1, *size))
        target = mix.target(masks)
        dense = target.dense(5) if isinstance(target, MixedTarget) else one_hot(target).float()
        shares = F.one_hot(masks, CLASSES + 1).movedim(-1, 1).float()
        assert torch.allclose(dense, mix(shares), atol=1e-6)

    def test_a_sample_that_is_cut_has_one_label_a_pixel(self):
        """The weights of a choice are those of what was blended, and 1 where pixels were cut."""
        masks = random_masks(40)
        mix = Choice([mixup(), cutmix()], seed=0).draw(images_of(masks), masks)
        target = mix.target(masks)
        blended, cut = (pattern.weight < 1 for pattern in mix.patterns)
        assert blended.any()
        assert cut.any()
        assert torch.equal(target.weight, mix.patterns[0].weight)
        assert bool((target.weight[cut] == 1).all())
        assert torch.equal(target.own[blended], masks[blended])

    def test_blending_alone_is_as_it_is_for_labels(self):
        masks = random_masks()
        mix = mixup(seed=0).draw(images_of(masks), masks)
        target = mix.target(masks)
        assert target.own is masks
        assert torch.equal(target.partner, masks[mix.partner])
        assert torch.equal(target.weight, mix.weight)

    def test_soft_masks_weight_each_pixel(self):
        masks = random_masks()
        mix = SmoothMix(seed=0).draw(images_of(masks), masks)
        assert torch.equal(mix.target(masks).weight, mix.patterns[0].keep)

    def test_patterns_multiply(self):
        """Of hand-made mixes, too: a blend, a soft mask and a box, one after the other."""
        keep = torch.rand(2, *SIZE)
        blend, soft = Blend(torch.tensor([0.25, 0.5])), SoftMasks(keep)
        box = Boxes(torch.tensor([[0, 4, 0, 5], [2, 3, 2, 3]]), SIZE)
        masks = random_masks(2)
        mix = Mix(torch.tensor([1, 0]), torch.ones(2), (blend, soft, box))
        target = mix.target(masks)
        assert torch.allclose(target.weight, keep * blend.lam.view(2, 1, 1))
        assert torch.equal(
            target.own, Mix(mix.partner, box.weight, (box,))(masks, integers="paste")
        )


class TestPixelwise:
    def test_each_part_of_a_nested_target_by_itself(self):
        masks = random_masks()
        y = {"mask": masks, "kind": torch.arange(6), "depth": torch.rand(6, 1, *SIZE), "name": "x"}
        mix = cutmix(seed=0).draw(images_of(masks), y)
        target = mix.target(y)
        assert torch.equal(target["mask"], mix.target(masks))
        assert torch.equal(target["depth"], mix(y["depth"]))
        assert torch.equal(target["kind"].weight, mix.weight)
        assert target["name"] == "x"

    @pytest.mark.parametrize("shape", [(6,), (6, 3), (6, SIZE[1])])
    def test_targets_of_fewer_dimensions_describe_the_whole_image(self, shape):
        y = torch.zeros(shape)
        for pixelwise in (None, True, False):
            mix = cutmix(seed=0).draw(images_of(random_masks()), y)
            assert torch.equal(mix.target(y, pixelwise=pixelwise).weight, mix.weight)

    @pytest.mark.parametrize("pixelwise", [None, True, False])
    def test_where_no_regions_are_mixed_it_does_not_matter(self, pixelwise):
        y = torch.rand(6, 4, 5)
        _, target = mixup(seed=0, pixelwise=pixelwise)(torch.rand(6, 3), y)
        assert target.own is y

    @pytest.mark.parametrize("make", [cutmix, SmoothMix, ResizeMix])
    def test_another_size_needs_pixelwise(self, make):
        x, y = torch.rand(6, 3, *SIZE), torch.zeros(6, 4, 5, dtype=torch.long)
        before = x.clone()
        with pytest.raises(ValueError, match=r"shape \(6, 4, 5\), but the images have 8 x 10 pix"):
            make()(x, y, inplace=True)
        assert torch.equal(x, before)
        _, whole = make(seed=0, pixelwise=False)(x, y)
        assert whole.own is y
        assert whole.weight.shape == (6,)

    @pytest.mark.parametrize("name", sorted({*EVERY} - {"ClassMix", "a choice of them", "all"}))
    @pytest.mark.parametrize("size", [(4, 5), (16, 20), (3, 7)])
    def test_on_masks_of_another_size_the_mix_covers_the_same_part(self, name, size):
        masks = random_masks(8, size=size)
        mixer = EVERY[name](seed=0, pixelwise=True)
        mix = EVERY[name](seed=0).draw(torch.empty(8, 3, *SIZE))
        _, target = mixer(torch.rand(8, 3, *SIZE), masks)
        assert torch.allclose(as_classes(target), mix(one_hot(masks).float()), atol=1e-6)

    def test_the_size_of_an_image_can_be_that_of_something_else(self):
        """Eight words of ten classes each, on images of 8 x 10 pixels."""
        y = torch.rand(6, *SIZE)
        _, target = cutmix(seed=0, pixelwise=False)(torch.rand(6, 3, *SIZE), y)
        assert target.own is y

    @pytest.mark.parametrize("wrong", [1, "yes"])
    def test_it_is_a_flag(self, wrong):
        with pytest.raises(TypeError, match=f"pixelwise must be True or False, not {wrong!r}"):
            CutMix(pixelwise=wrong)

    def test_the_repr_shows_it(self):
        assert "pixelwise=True" in repr(CutMix(pixelwise=True, seed=0))
        assert "pixelwise" not in repr(CutMix(seed=0))

    def test_another_number_of_masks_is_rejected(self):
        with pytest.raises(ValueError, match="6 samples, but the target has shape"):
            cutmix().draw(torch.rand(6, 3, *SIZE)).target(random_masks(5))


class TestMemory:
    @every_mixer
    def test_in_place_returns_the_same_targets(self, make):
        masks = random_masks()
        x = images_of(masks).clone()
        _, expected = make(seed=0)(x, masks)
        given = masks.clone()
        _, target = make(seed=0)(x, given, inplace=True)
        assert torch.equal(as_classes(target), as_classes(expected))
        assert torch.equal(given, masks)

    @pytest.mark.parametrize("make", [cutmix, FMix, SmoothMix], ids=["box", "mask", "soft"])
    def test_an_image_that_is_its_own_target(self, make):
        """As for autoencoders: the batch is given away, but it is the target, too."""
        x = torch.rand(6, 3, *SIZE)
        before = x.clone()
        mixed, target = make(seed=0)(x, x, inplace=True)
        assert mixed is x
        dense = target.dense() if isinstance(target, MixedTarget) else target
        assert torch.allclose(dense, mixed, atol=1e-6)
        own = target.own if isinstance(target, MixedTarget) else target
        mixed.zero_()
        assert own.any()
        assert not torch.equal(before, mixed)

    @every_copying
    def test_a_pasted_mask_is_new(self, make):
        masks = random_masks()
        before = masks.clone()
        _, target = make(seed=0)(images_of(masks), masks)
        target.zero_()
        assert torch.equal(masks, before)


def weighted(criterion, logits, target, reduction, class_weight=None):
    """The loss by its definition: each label of each pixel counts by its share."""
    shares = target.weight.view(
        len(logits), *[1] * (3 - target.weight.ndim), *target.weight.shape[1:]
    )
    total, count = 0.0, 0.0
    for labels, share in ((target.own, shares), (target.partner, 1 - shares)):
        total = total + share * criterion(logits, labels, reduction="none")
        counts = torch.ones(CLASSES).double() if class_weight is None else class_weight
        valid = labels != IGNORED
        count = count + share * counts[labels.where(valid, 0)] * valid
    return {"none": total, "sum": total.sum(), "mean": total.sum() / count.sum()}[reduction]


class TestLosses:
    def target(self, make):
        masks = random_masks()
        mix = make(seed=0).draw(images_of(masks), masks)
        return mix.target(masks)

    @pytest.mark.parametrize("make", [*BLENDING.values(), *MIXED.values()])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("has_class_weights", [False, True])
    def test_cross_entropy_counts_each_label_by_its_share(
        self, make, reduction, smoothing, has_class_weights
    ):
        target = self.target(make)
        logits = torch.randn(6, CLASSES, *SIZE, dtype=torch.float64, requires_grad=True)
        class_weight = torch.tensor([0.5, 1.0, 2.0, 3.0]).double() if has_class_weights else None
        settings = {
            "ignore_index": IGNORED,
            "label_smoothing": smoothing,
            "weight": class_weight,
        }
        loss = MixLoss(nn.CrossEntropyLoss(**settings, reduction=reduction))(logits, target)
        per_pixel = functools.partial(F.cross_entropy, **settings)
        expected = weighted(per_pixel, logits, target, reduction, class_weight)
        assert torch.allclose(loss, expected)
        for found, wanted in zip(
            torch.autograd.grad(loss.sum(), logits),
            torch.autograd.grad(expected.sum(), logits),
            strict=True,
        ):
            assert torch.allclose(found, wanted)

    @every_copying
    def test_pasted_masks_have_the_plain_loss(self, make):
        target = self.target(make)
        logits = torch.randn(6, CLASSES, *SIZE)
        criterion = nn.CrossEntropyLoss(ignore_index=IGNORED)
        assert torch.equal(MixLoss(criterion)(logits, target), criterion(logits, target))

    def test_maps_of_shares(self):
        """(B, C, H, W) shares of the classes: losses have no axis for them, weights neither."""
        x, shares = torch.rand(6, 3, *SIZE), torch.rand(6, CLASSES, *SIZE).softmax(1)
        logits = torch.randn(6, CLASSES, *SIZE)
        _, target = SmoothMix(seed=0)(x, shares)
        loss = MixLoss(nn.CrossEntropyLoss())(logits, target)
        assert torch.allclose(loss, F.cross_entropy(logits, target.dense()), atol=1e-6)

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("criterion", [nn.BCEWithLogitsLoss, nn.MSELoss, nn.L1Loss])
    def test_maps_of_values(self, criterion, reduction):
        x, maps = torch.rand(6, 3, *SIZE), torch.rand(6, 2, *SIZE)
        logits = torch.randn(6, 2, *SIZE)
        _, target = SmoothMix(seed=0)(x, maps)
        per_pixel = criterion(reduction="none")
        w = target.weight.unsqueeze(1)
        expected = w * per_pixel(logits, target.own) + (1 - w) * per_pixel(logits, target.partner)
        expected = {"mean": expected.mean(), "sum": expected.sum(), "none": expected}[reduction]
        loss = MixLoss(criterion(reduction=reduction))(logits, target)
        assert torch.allclose(loss, expected, atol=1e-6)

    def test_a_loss_for_each_sample_cannot_share_pixels(self):
        def dice(output, target):
            return (output.argmax(1) == target).float().mean((1, 2))

        logits = torch.randn(6, CLASSES, *SIZE)
        target = self.target(mixup)
        assert torch.isfinite(MixLoss(dice)(logits, target))
        with pytest.raises(
            ValueError, match=r"dice returned .* \(6,\) .* return a loss for each pixel"
        ):
            MixLoss(dice)(logits, self.target(SmoothMix))

    def test_answers_count_by_the_shares_of_their_pixels(self):
        target = self.target(SmoothMix)
        best = torch.randint(0, CLASSES, (6, *SIZE))
        scores = F.one_hot(best, CLASSES).movedim(-1, 1).float()
        w = target.weight
        expected = w * (best == target.own) + (1 - w) * (best == target.partner)
        assert torch.allclose(accuracy(scores, target), expected.mean())


class TestWeightsOfPixels:
    def target(self):
        own, partner = torch.randint(0, CLASSES, (2, 6, *SIZE))
        return MixedTarget(own, partner, torch.rand(6, *SIZE))

    def test_dense(self):
        target = self.target()
        w = target.weight.unsqueeze(1)
        expected = w * one_hot(target.own) + (1 - w) * one_hot(target.partner)
        assert torch.allclose(target.dense(CLASSES), expected[:, :CLASSES])

    @pytest.mark.parametrize("rows", [slice(1, 4), torch.tensor([4, 0]), 2])
    def test_it_is_indexed_by_rows(self, rows):
        target = self.target()
        part = target[rows]
        rows = slice(2, 3) if isinstance(rows, int) else rows  # which keeps its axis
        assert torch.equal(part.weight, target.weight[rows])
        assert torch.equal(part.own, target.own[rows])
        assert len(target) == 6

    def test_maps_are_cut_into_rows(self):
        own, partner = torch.rand(2, 6, 3, *SIZE)
        target = MixedTarget(own, partner, torch.rand(6, *SIZE))
        assert torch.equal(target[2:4].dense(), target.dense()[2:4])

    @pytest.mark.parametrize("shape", [(6, *SIZE[::-1]), (5, *SIZE), SIZE, (6, SIZE[0])])
    def test_weights_of_other_shapes_are_rejected(self, shape):
        own, partner = torch.rand(2, 6, 3, *SIZE)
        with pytest.raises(ValueError, match="one weight for each row, or for each pixel"):
            MixedTarget(own, partner, torch.rand(shape))

    def test_more_dimensions_than_the_targets_are_rejected(self):
        with pytest.raises(ValueError, match="one weight for each row"):
            MixedTarget(torch.zeros(6), torch.zeros(6), torch.rand(6, 1))


class TestSurroundings:
    @every_mixer
    @pytest.mark.parametrize("options", [{}, {"half": True}, {"partners": "pairs"}])
    def test_the_cpu_never_waits_for_the_device(self, make, options):
        model = nn.Conv2d(3, CLASSES, 1).to("meta")
        x, y = torch.empty(6, 3, *SIZE, device="meta"), random_masks().to("meta")
        loss_func, mixer = MixLoss(nn.CrossEntropyLoss(ignore_index=IGNORED)), make(**options)
        with NoWaiting():
            mixed, target = mixer(x, y)
            loss_func(model(mixed), target).backward()
        assert mixed.shape[-2:] == SIZE

    @pytest.mark.parametrize("name", ["CutMix", "ResizeMix", "ClassMix", "SmoothMix", "all"])
    def test_it_compiles_to_the_same_numbers(self, name):
        masks = random_masks()
        x, criterion = images_of(masks), MixLoss(nn.CrossEntropyLoss(ignore_index=IGNORED))
        logits = torch.randn(6, CLASSES, *SIZE)

        def step(mixer, x, y):
            x, y = mixer(x, y)
            return x, y, criterion(logits, y)

        compiled, eager = EVERY[name](seed=0), EVERY[name](seed=0)
        call = torch.compile(lambda x, y: step(compiled, x, y), fullgraph=True, backend="eager")
        for _ in range(2):
            mixed, target, loss = call(x, masks)
            expected, other, expected_loss = step(eager, x, masks)
            assert torch.allclose(mixed, expected, atol=1e-6)
            assert torch.allclose(as_classes(target), as_classes(other), atol=1e-6)
            assert torch.allclose(loss, expected_loss)

    @every_mixer
    def test_images_and_masks_of_torchvision(self, make):
        masks = random_masks()
        x = images_of(masks).contiguous()
        expected, wanted = make(seed=0)(x, masks)
        mixed, target = make(seed=0)(tv_tensors.Image(x), tv_tensors.Mask(masks))
        assert torch.allclose(torch.Tensor(mixed), expected, atol=1e-6)
        assert torch.allclose(as_classes(target), as_classes(wanted), atol=1e-6)

    def test_a_learner_trains_with_masks(self):
        masks = random_masks(24).clamp(max=CLASSES - 1)
        x = one_hot(masks)[:, :CLASSES].float()
        train, valid = (
            Batches(TensorData(x[part], masks[part]), 8, training=training, device="cpu")
            for part, training in ((slice(16), True), (slice(16, None), False))
        )
        dls = DataLoaders(train, valid, vocab=None, n_out=CLASSES)
        for make in (cutmix, mixup, MIXED["MixUp or CutMix"], SmoothMix):
            model = nn.Conv2d(CLASSES, CLASSES, 1)
            loss_func = nn.CrossEntropyLoss()
            learn = Learner(dls, model, loss_func, metrics=accuracy, cbs=make(seed=0))
            learn.fit(4, 0.1)
            assert learn.validate()["valid_accuracy"] == 1
