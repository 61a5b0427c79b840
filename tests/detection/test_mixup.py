"""Detection: images of any sizes blended with their boxes, against loops over pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.models import detection

from vicinal import DetectionMixUp, VicinalError

SIZES = [(9, 12), (12, 7), (5, 5), (10, 14)]


def example(sizes, counts, seed=0, dtype=torch.float32):
    """Images of these sizes with so many objects on each, and a mask for each object."""
    g = torch.Generator().manual_seed(seed)
    images, targets = [], []
    for number, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        image = torch.rand(3, *size, generator=g)
        images.append((image * 255).to(dtype) if dtype == torch.uint8 else image.to(dtype))
        start, sides = torch.rand(2, count, 2, generator=g)
        edges = torch.tensor(size[::-1])
        boxes = torch.cat([start * 0.5, start * 0.5 + 0.1 + sides * 0.4], 1) * edges.repeat(2)
        targets.append(
            {
                "boxes": boxes,
                "labels": torch.randint(1, 5, (count,), generator=g),
                "masks": torch.randint(0, 2, (count, *size), generator=g).to(torch.uint8),
                "area": (boxes[:, 2:] - boxes[:, :2]).prod(1),
                "iscrowd": torch.zeros(count, dtype=torch.int64),
                "image_id": torch.tensor([number]),
                "file": f"{number}.jpg",
            }
        )
    return images, targets


def on_canvas(planes, size):
    canvas = planes.new_zeros(*planes.shape[:-2], *size)
    canvas[..., : planes.shape[-2], : planes.shape[-1]] = planes
    return canvas


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(*[st.integers(1, 9)] * 2), min_size=1, max_size=5),
    data=st.data(),
    alpha=st.sampled_from([0.3, 1.5, 8.0]),
    p=st.sampled_from([0.0, 0.5, 1.0]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    seed=st.integers(0, 2**40),
)
def test_both_lie_on_the_larger_canvas_with_their_boxes(sizes, data, alpha, p, partners, seed):
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(sizes), max_size=len(sizes)))
    images, targets = example(sizes, counts, seed % 1000)
    mixer = DetectionMixUp(alpha, p=p, partners=partners, seed=seed)
    mix = DetectionMixUp(alpha, p=p, partners=partners, seed=seed).draw(images, targets)
    mixed, found = mixer(images, targets)
    assert len(mixed) == len(found) == len(images)
    for i, (image, target) in enumerate(zip(mixed, found, strict=True)):
        j, weight = int(mix.partner[i]), float(mix.weight[i])
        assert {*target} == {*targets[i], "weights"}
        assert (target["file"], target["image_id"]) == (f"{i}.jpg", torch.tensor([i]))
        if i == j or weight == 1:
            assert torch.equal(image, images[i])
            for name in ("boxes", "labels", "masks", "area", "iscrowd"):
                assert torch.equal(target[name], targets[i][name])
            assert target["weights"].tolist() == [1.0] * counts[i]
            continue
        size = tuple(max(sides) for sides in zip(sizes[i], sizes[j], strict=True))
        own, partner = (on_canvas(images[k], size).double() for k in (i, j))
        expected = weight * own + (1 - weight) * partner
        assert torch.allclose(image.double(), expected, atol=1e-6)
        for name in ("boxes", "labels", "area", "iscrowd"):
            assert torch.equal(target[name], torch.cat([targets[i][name], targets[j][name]]))
        masks = [on_canvas(targets[k]["masks"], size) for k in (i, j)]
        assert torch.equal(target["masks"], torch.cat(masks))
        shares = [weight] * counts[i] + [1 - weight] * counts[j]
        assert target["weights"].tolist() == pytest.approx(shares)


def test_nothing_that_is_given_is_changed_or_shared():
    images, targets = example(SIZES, [2, 0, 1, 3])
    before = [image.clone() for image in images]
    for p in (0.0, 1.0):
        mixed, found = DetectionMixUp(p=p, seed=0)(images, targets)
        for image, target in zip(mixed, found, strict=True):
            image.fill_(7)
            for name in ("boxes", "labels", "masks"):
                target[name].fill_(7)
        assert all(torch.equal(*pair) for pair in zip(images, before, strict=True))
        _, others = example(SIZES, [2, 0, 1, 3])
        for target, other in zip(targets, others, strict=True):
            assert torch.equal(target["boxes"], other["boxes"])
            assert torch.equal(target["masks"], other["masks"])
            assert "weights" not in target


def test_a_tensor_of_images_stays_one():
    images, targets = example([(6, 8)] * 4, [1, 2, 0, 1])
    expected, wanted = DetectionMixUp(seed=0)(images, targets)
    mixed, found = DetectionMixUp(seed=0)(torch.stack(images), targets)
    assert torch.equal(mixed, torch.stack(expected))
    assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_preserved_and_rounded_to_the_nearest(dtype):
    images, targets = example(SIZES, [1] * 4, dtype=dtype)
    exact, _ = DetectionMixUp(seed=0)([image.double() for image in images], targets)
    mixed, _ = DetectionMixUp(seed=0)(images, targets)
    step = 0.5001 if dtype == torch.uint8 else 4 * torch.finfo(dtype).eps
    for image, wanted in zip(mixed, exact, strict=True):
        assert image.dtype == dtype
        assert torch.allclose(image.double(), wanted, rtol=0, atol=step)


def test_a_share_of_all_leaves_no_box_of_no_weight():
    """Beta(alpha, alpha) with a tiny alpha is 0 or 1, up to rounding."""
    images, targets = example(SIZES * 10, [1, 2, 3, 1] * 10)
    mixed, found = DetectionMixUp(1e-9, seed=0)(images, targets)
    sources = set()
    for i, (image, target) in enumerate(zip(mixed, found, strict=True)):
        assert target["weights"].unique().tolist() == [1.0]
        sources.add(torch.equal(image, images[i]))
    assert sources == {True, False}


def test_a_restored_state_continues_the_draws():
    images, targets = example(SIZES, [1] * 4)
    first = DetectionMixUp(seed=3)
    first(images, targets)
    state = first.state_dict()
    _, expected = first(images, targets)
    second = DetectionMixUp()
    second.load_state_dict(state)
    _, found = second(images, targets)
    assert torch.equal(found[0]["weights"], expected[0]["weights"])


def test_fields_of_the_whole_image_can_be_named():
    images, targets = example(SIZES, [2] * 4)
    for target, size in zip(targets, SIZES, strict=True):
        target["orig_size"] = torch.tensor([*size, 3])
    with pytest.raises(VicinalError, match=r"'orig_size' in targets\[0\] has shape \(3,\)"):
        DetectionMixUp()(images, targets)
    _, found = DetectionMixUp(image_fields=["image_id", "orig_size"])(images, targets)
    assert all(
        target["orig_size"].tolist() == [*size, 3]
        for target, size in zip(found, SIZES, strict=True)
    )


def test_boxes_of_torchvisions_transforms():
    images, targets = example(SIZES, [2, 0, 1, 1])
    expected, wanted = DetectionMixUp(seed=0)(images, targets)
    given = [
        {
            **target,
            "boxes": tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=size),
            "masks": tv_tensors.Mask(target["masks"]),
        }
        for target, size in zip(targets, SIZES, strict=True)
    ]
    mixed, found = DetectionMixUp(seed=0)([tv_tensors.Image(image) for image in images], given)
    for image, other in zip(mixed, expected, strict=True):
        assert torch.equal(image, other)
        assert type(image) is tv_tensors.Image
    for target, other in zip(found, wanted, strict=True):
        assert torch.equal(target["boxes"], other["boxes"])
        assert type(target["boxes"]) is tv_tensors.BoundingBoxes
        assert target["boxes"].canvas_size == tuple(other["masks"].shape[1:])
        assert torch.equal(target["masks"], other["masks"])


@pytest.mark.parametrize("make", [
    pytest.param(detection.fasterrcnn_mobilenet_v3_large_320_fpn, marks=pytest.mark.slow),
    detection.ssdlite320_mobilenet_v3_large,
])  # fmt: skip
def test_torchvisions_models_train_on_it(make):
    torch.manual_seed(0)
    model = make(weights=None, weights_backbone=None, num_classes=5).train()
    images, targets = example([(40, 60), (50, 30), (32, 32)], [2, 0, 1])
    images, targets = DetectionMixUp(seed=0)(images, targets)
    losses = model(images, targets)
    sum(losses.values()).backward()
    assert all(bool(loss.isfinite()) for loss in losses.values())
    assert any(bool(p.grad.any()) for p in model.parameters() if p.grad is not None)


def broken(change):
    images, targets = example(SIZES, [2, 0, 1, 1])
    return change(images, targets) or (images, targets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:3], y), "there are 3 images and 4 targets"),
        (lambda x, y: ([], []), "there are no images in this batch"),
        (lambda x, y: x.append(x.pop()[0]), r"images\[3\] has shape \(10, 14\) and dtype"),
        (lambda x, y: x.append(x.pop().long()), r"images\[3\] has shape .* dtype torch.int64"),
        (lambda x, y: x.append(x.pop()[:1]), r"images\[3\] has 1 channels of torch.float32, but"),
        (lambda x, y: x.append(x.pop().half()), r"images\[3\] has 3 channels of torch.float16"),
        (lambda x, y: y[1].__delitem__("boxes"), r"targets\[1\] holds tensors for labels, masks"),
        (lambda x, y: y[1].__delitem__("area"), r"targets\[1\] holds tensors for boxes, labels, "),
        (lambda x, y: y[0].update(boxes=torch.zeros(2, 5)), r"boxes in targets\[0\] have .*\(2, 5"),
        (
            lambda x, y: y[0].update(boxes=torch.zeros(2, 4).long()),
            r"are torch.int64, .*boxes.float",
        ),
        (lambda x, y: y[0].update(labels=torch.zeros(3)), r"'labels' in targets\[0\] .* 2 boxes"),
        (lambda x, y: y[0].update(masks=torch.zeros(2, 4, 4)), r"the masks in targets\[0\] have"),
    ],
)
def test_what_does_not_go_together_is_named(change, message):
    mixer = DetectionMixUp(seed=0)
    with pytest.raises(VicinalError, match=message):
        mixer(*broken(change))
    assert mixer.state_dict()["draws"] == 0


class TestRelativeBoxes:
    def relative(self, sizes):
        images, targets = example(sizes, [2, 0, 1, 1])
        for image, target in zip(images, targets, strict=True):
            target["boxes"] /= torch.tensor(image.shape[-2:]).flip(0).repeat(2)
        return images, targets

    @pytest.mark.parametrize("sizes", [SIZES, [(9, 12)] * 4])
    def test_are_not_taken_for_pixels(self, sizes):
        mixer = DetectionMixUp(seed=0)
        with pytest.raises(VicinalError, match=r"relative to their images: .* normalized=True"):
            mixer(*self.relative(sizes))
        assert mixer.state_dict()["draws"] == 0

    @pytest.mark.parametrize("stacked", [False, True])
    def test_of_images_of_one_size_stay_as_they_are(self, stacked):
        images, targets = self.relative([(9, 12)] * 4)
        images = torch.stack(images) if stacked else images
        _, found = DetectionMixUp(normalized=True, seed=0)(images, targets)
        for target, own in zip(found, targets, strict=True):
            assert torch.allclose(target["boxes"][: len(own["boxes"])], own["boxes"])

    def test_images_without_boxes(self):
        images, targets = example(SIZES, [0, 0, 0, 0])
        assert all(
            not len(target["boxes"]) for target in DetectionMixUp(seed=0)(images, targets)[1]
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [({"alpha": -1}, "alpha must be 0 or more"), ({"p": 2}, "p must be between 0 and 1")],
)
def test_bad_settings_are_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        DetectionMixUp(**options)
