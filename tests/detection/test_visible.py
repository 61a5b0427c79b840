"""What is left of objects: by numbers that the pixels of drawn shapes hold, and in closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import masks_to_boxes

from drawn_shapes import drawn
from vicinal import CopyPaste, DetectionCutMix, DetectionMixUp, Mosaic
from vicinal.detection.scene import Layer, resized, resized_masks, whole
from vicinal.detection.visible import boxes_around, visible

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def check_objects(image, target, before, min_visible):
    """Each target is where its number is in the picture, and each number seen has a target."""
    shown = {n: int((image == n).sum()) for n in image.unique().int().tolist() if n}
    areas = {n: int(a) for n, a in before.items() if shown.get(n, 0)}
    kept = {n for n, area in areas.items() if shown[n] / area >= min_visible}
    assert sorted(target["labels"].tolist()) == sorted(kept)
    for k, number in enumerate(target["labels"].tolist()):
        mask = image == number
        assert torch.equal(target["boxes"][k], boxes_around(mask)[0].float())
        if "masks" in target:
            assert torch.equal(target["masks"][k] != 0, mask[0])
        assert float(target["area"][k]) == pytest.approx(shown[number], rel=1e-5)
        assert float(target["weights"][k]) == 1
        for x, y, seen in target.get("keypoints", torch.zeros(len(mask), 0, 3))[k].tolist():
            assert (x, y, seen) == (0, 0, 0) or image[0, int(y), int(x)] == number


def areas_of(targets):
    return {
        int(n): float(a)
        for target in targets
        for n, a in zip(target["labels"], target["area"], strict=True)
    }


@given(
    sizes=st.lists(SIDES, min_size=2, max_size=4),
    masks=st.booleans(),
    min_visible=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_cutmix_of_images_of_any_sizes(sizes, masks, min_visible, seed):
    counts = [1 + (seed + i) % 2 for i in range(len(sizes))]
    counts = [min(count, size[1]) for count, size in zip(counts, sizes, strict=True)]
    images, targets = drawn(sizes, counts, seed, masks=masks, apart=not masks)
    mixer = DetectionCutMix(min_visible=min_visible, seed=seed)
    mixed, found = mixer(images, targets)
    for image, own, target in zip(mixed, images, found, strict=True):
        assert image.shape == own.shape
        check_objects(image, target, areas_of(targets), min_visible)


@given(
    sizes=st.lists(SIDES, min_size=2, max_size=4),
    min_visible=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 10**6),
)
def test_copy_paste_of_images_of_any_sizes(sizes, min_visible, seed):
    images, targets = drawn(sizes, [(seed + i) % 4 for i in range(len(sizes))], seed)
    mix = CopyPaste(min_visible=min_visible, seed=seed).draw(images, targets)
    mixed, found = mix(images), mix.target(targets)
    for i, (image, target) in enumerate(zip(mixed, found, strict=True)):
        check_objects(image, target, areas_of(targets), min_visible)
        j = int(mix.partner[i])
        pasted = {*image.unique().int().tolist()} & {*targets[j]["labels"].tolist()}
        inside = targets[j]["masks"][:, : image.shape[1], : image.shape[2]].flatten(1).sum(1)
        fits = (inside > 0) & (inside >= min_visible * targets[j]["area"])
        assert bool(pasted) == bool(fits.any()) or i == j
        for point in target["keypoints"].reshape(-1, 3):
            assert point[2] == 2 or not point.any()


@given(sides=SIDES, seed=st.integers(0, 10**6))
def test_mosaic_at_the_size_of_its_images(sides, seed):
    images, targets = drawn([sides] * 4, [(seed + i) % 3 for i in range(4)], seed)
    mixed, found = Mosaic(scale=(1, 1), seed=seed)(images, targets)
    for image, target in zip(mixed, found, strict=True):
        assert image.shape == (1, *sides)
        check_objects(image, target, areas_of(targets), 0.1)


@pytest.mark.parametrize("partners", ["cycle", "pairs"])
@pytest.mark.parametrize(
    "mixer", [DetectionMixUp(seed=3), DetectionCutMix(seed=3), CopyPaste(seed=3), Mosaic(seed=3)]
)
def test_the_weight_is_the_share_of_the_image_in_its_mix(mixer, partners):
    mixer.partners = partners
    _, targets = drawn([(12, 16)] * 5, [1, 2, 0, 2, 1], seed=3)
    mix = mixer.draw(torch.zeros(5, 1, 12, 16), targets)
    for i, weight in enumerate(mix.weight.tolist()):
        images = torch.zeros(5, 1, 12, 16)
        images[i] = 1
        assert float(mix(images)[i].mean()) == pytest.approx(weight, abs=1e-6)
        assert 0 <= weight <= 1
        assert all(0 <= w <= 1 for w in mix.target(targets)[i]["weights"].tolist())


def test_a_mosaic_at_half_the_size():
    """Each image of 8 x 8, at half the size, touches the centre of the canvas with a corner."""
    mask = torch.zeros(1, 8, 8, dtype=torch.uint8)
    mask[:, 2:6, 4:8] = 1
    target = {
        "boxes": torch.tensor([[4.0, 2, 8, 6]]),
        "masks": mask,
        "area": torch.tensor([16.0]),
        "keypoints": torch.tensor([[[5.0, 3.0, 2.0], [0.0, 0.0, 0.0]]]),
    }
    mixer = Mosaic(scale=(0.5, 0.5), center=(0.5, 0.5), fill=7.0, seed=0)
    images, targets = mixer(torch.ones(4, 3, 8, 8), [target] * 4)
    assert bool((images == 1).all())  # all quadrants are filled
    expected = torch.tensor([[2.0, 1, 4, 3], [6, 1, 8, 3], [2, 5, 4, 7], [6, 5, 8, 7]])
    assert torch.equal(targets[0]["boxes"], expected)
    assert torch.equal(boxes_around(targets[0]["masks"]).float(), expected)
    assert targets[0]["area"].tolist() == [4.0] * 4
    assert targets[0]["keypoints"][:, 0].tolist() == [
        [2.5, 1.5, 2], [6.5, 1.5, 2], [2.5, 5.5, 2], [6.5, 5.5, 2]
    ]  # fmt: skip
    assert not targets[0]["keypoints"][:, 1].any()
    images, _ = Mosaic(scale=(0.25, 0.25), center=(0.5, 0.5), fill=7.0)(images, targets)
    assert float((images == 7).float().mean()) == 0.75


@pytest.mark.parametrize("center", [0.0, 1.0])
def test_a_mosaic_around_a_corner_shows_one_image(center):
    images, targets = drawn([(8, 12)] * 4, [1, 2, 1, 2], seed=2)
    mixed, found = Mosaic(scale=(1, 1), center=(center, center), seed=0)(images, targets)
    for image, target in zip(mixed, found, strict=True):
        check_objects(image, target, areas_of(targets), 0.1)
    _, found = Mosaic(scale=(2, 2), center=(center, center), seed=0)(images, targets)
    for target in found:
        kept = target["masks"].flatten(1).sum(1) / target["area"]
        assert kept.tolist() == pytest.approx([1] * len(kept))
        for number in target["labels"].tolist():
            assert any(number in other["labels"] for other in targets)


class TestCovered:
    """An object of 4 x 8 pixels, of which a box is covered."""

    def left(self, window, mask=None, canvas=(10, 10)):
        boxes = torch.tensor([[1.0, 1, 9, 5]])
        cover = Layer(1, canvas, (0, 0), window)
        seen = visible(
            boxes, mask, None, layer=whole(0, canvas), covers=[cover], own=canvas, canvas=canvas
        )
        return seen.boxes[0].tolist(), float(seen.share)

    @pytest.mark.parametrize(
        ("window", "box", "share"),
        [
            ((0, 0, 10, 5), [5, 1, 9, 5], 0.5),  # the left half
            ((0, 5, 10, 10), [1, 1, 5, 5], 0.5),  # the right half
            ((0, 0, 3, 10), [1, 3, 9, 5], 0.5),  # the upper half
            ((3, 1, 5, 9), [1, 1, 9, 3], 0.5),  # the lower half, exactly
            ((1, 4, 5, 6), [1, 1, 9, 5], 0.75),  # a strip in the middle
            ((0, 0, 3, 5), [1, 1, 9, 5], 0.75),  # a corner
            ((6, 0, 10, 10), [1, 1, 9, 5], 1.0),  # beside it
        ],
    )
    def test_by_a_box(self, window, box, share):
        assert self.left(window) == (box, share)
        mask = torch.zeros(1, 10, 10, dtype=torch.uint8)
        mask[:, 1:5, 1:9] = 1
        assert self.left(window, mask) == (box, share)

    def test_completely(self):
        assert self.left((0, 0, 10, 10))[1] == 0

    def test_a_mask_says_more_than_its_box(self):
        mask = torch.zeros(1, 10, 10, dtype=torch.uint8)
        mask[:, 1:5, 1:3], mask[:, 4, 1:9] = 1, 1  # an L of 8 + 6 pixels
        assert self.left((0, 0, 10, 3), mask) == ([3, 4, 9, 5], pytest.approx(6 / 14))

    def test_an_object_whose_mask_is_empty_is_measured_by_its_box(self):
        mask = torch.zeros(1, 10, 10, dtype=torch.uint8)
        assert self.left((0, 0, 10, 5), mask) == ([5, 1, 9, 5], 0.5)


def test_a_box_ends_after_the_last_pixel_of_its_mask():
    """torchvision's masks_to_boxes ends at the last pixel: one less, and none for one pixel."""
    masks = torch.zeros(3, 9, 11)
    masks[0, 2:5, 3:7], masks[1, 4, 4] = 1, 1
    assert boxes_around(masks).tolist() == [[3, 2, 7, 5], [4, 4, 5, 5], [0, 0, 0, 0]]
    assert torch.equal(
        masks_to_boxes(masks[:2]) + torch.tensor([0, 0, 1, 1]), boxes_around(masks[:2]).float()
    )
    assert boxes_around(torch.zeros(0, 4, 4)).shape == (0, 4)


def test_images_are_resized_as_torchvision_does():
    from torchvision.transforms import v2

    g = torch.Generator().manual_seed(0)
    image = torch.rand(3, 9, 14, generator=g)
    for size in ((5, 7), (18, 20)):
        expected = v2.functional.resize(image, list(size), antialias=True)
        assert torch.allclose(resized(image, size), expected, atol=1e-6)
        masks = (torch.rand(2, 9, 14, generator=g) > 0.5).to(torch.uint8)
        nearest = v2.InterpolationMode.NEAREST_EXACT
        expected = v2.functional.resize(masks, list(size), interpolation=nearest)
        assert torch.equal(resized_masks(masks, size), expected)
    assert resized((image * 255).to(torch.uint8), (4, 4)).dtype == torch.uint8
    assert resized(image.half(), (4, 4)).dtype == torch.float16


def test_a_mask_that_has_lost_all_pixels_by_resizing_cannot_be_seen():
    masks = torch.zeros(2, 4, 4, dtype=torch.uint8)
    masks[0, 0, 1] = masks[0, 1, 0] = 1  # the nearest pixel of the four is none of these
    layer = Layer(0, (2, 2), (0, 0), (0, 0, 2, 2))
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 2)
    seen = visible(boxes, masks, None, layer=layer, covers=(), own=(4, 4), canvas=(2, 2))
    assert seen.share.tolist() == [0, 1]  # the second never had a mask, and goes by its box
