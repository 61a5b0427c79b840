"""Batches of images with boxes: formats, wrappers, loops, and what is wrong with a batch."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.ops import box_convert

from drawn_shapes import drawn
from vicinal import (
    BatchMixer,
    Choice,
    CopyPaste,
    DetectionCutMix,
    DetectionMixUp,
    ManifoldMixUp,
    MixCollate,
    MixUp,
    Mosaic,
    Schedule,
    VicinalError,
    check_mixer,
)

SIZES = [(16, 20), (24, 12), (14, 14), (18, 22), (16, 20)]
MIXERS = {
    "DetectionMixUp": DetectionMixUp,
    "DetectionCutMix": DetectionCutMix,
    "CopyPaste": CopyPaste,
    "Mosaic": Mosaic,
    "Choice": lambda **options: Choice([Mosaic(**options), CopyPaste(**options)], [0.5, 0.4]),
    "Schedule": lambda **options: Schedule(Mosaic(**options), until=0.5, steps=20),
}
every_mixer = pytest.mark.parametrize("make", MIXERS.values(), ids=MIXERS)


def batch(seed=0, **options):
    return drawn(SIZES, [2, 1, 0, 3, 1], seed, **options)


def equal(first, second):
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return torch.equal(first, second)


@every_mixer
def test_they_pass_the_checks_of_all_mixers(make):
    names = ("caller's tensors", "seed", "rank", "state", "global generators", "neutral")
    assert check_mixer(make()) == (*names, "in place")
    mixer = make()
    assert repr(pickle.loads(pickle.dumps(mixer))) == repr(copy.deepcopy(mixer)) == repr(mixer)


def test_the_checks_take_a_batch_and_options():
    mixer = DetectionMixUp(format="cxcywh", normalized=True)
    assert check_mixer(mixer, skip=["seed"])[:2] == ("caller's tensors", "rank")
    assert "seed" in check_mixer(DetectionMixUp(), *batch())


@every_mixer
@pytest.mark.parametrize("format", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("normalized", [False, True])
def test_boxes_of_every_format_are_the_same_boxes(make, format, normalized):
    images, targets = batch(1)
    mixer = make()
    mixer.random.seed = 5
    expected, wanted = mixer(images, targets)
    given = []
    for target, (height, width) in zip(targets, SIZES, strict=True):
        sides = torch.tensor([width, height]) if normalized else torch.ones(2)
        boxes = box_convert(target["boxes"], "xyxy", format) / sides.repeat(2)
        points = target["keypoints"].clone()
        points[..., :2] /= sides
        given.append({**target, "boxes": boxes, "keypoints": points})
    mixer = make(format=format, normalized=normalized)
    mixer.random.seed = 5
    mixed, found = mixer(images, given)
    assert equal(mixed, expected)
    for image, target, other in zip(mixed, found, wanted, strict=True):
        height, width = image.shape[1:]
        sides = torch.tensor([width, height]) if normalized else torch.ones(2)
        boxes = box_convert(target["boxes"] * sides.repeat(2), format, "xyxy")
        assert torch.allclose(boxes, other["boxes"], atol=1e-4)
        points = target["keypoints"].clone()
        points[..., :2] *= sides
        assert torch.allclose(points, other["keypoints"], atol=1e-4)
        for name in ("labels", "masks", "weights"):
            assert torch.equal(target[name], other[name])


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_torchvisions_boxes_stay_torchvisions(format):
    images, targets = batch(2)
    expected, wanted = Mosaic(seed=1)(images, targets)
    given = [
        {
            **target,
            "boxes": tv_tensors.BoundingBoxes(
                box_convert(target["boxes"], "xyxy", format.lower()),
                format=format,
                canvas_size=size,
            ),
            "masks": tv_tensors.Mask(target["masks"]),
        }
        for target, size in zip(targets, SIZES, strict=True)
    ]
    mixed, found = Mosaic(seed=1)([tv_tensors.Image(image) for image in images], given)
    assert equal([image.as_subclass(torch.Tensor) for image in mixed], expected)
    for image, target, other in zip(mixed, found, wanted, strict=True):
        boxes = target["boxes"]
        assert (type(image), type(target["masks"])) == (tv_tensors.Image, tv_tensors.Mask)
        assert (boxes.format.value, boxes.canvas_size) == (format, tuple(image.shape[1:]))
        plain = box_convert(boxes.as_subclass(torch.Tensor), format.lower(), "xyxy")
        assert torch.allclose(plain, other["boxes"], atol=1e-4)


def test_a_batch_of_torchvisions_images_stays_one():
    images, targets = drawn([(8, 9)] * 4, [1] * 4)
    mixed, _ = Mosaic(seed=1)(tv_tensors.Image(torch.stack(images)), targets)
    assert type(mixed) is tv_tensors.Image
    assert equal(mixed.as_subclass(torch.Tensor), torch.stack(Mosaic(seed=1)(images, targets)[0]))


def test_dtypes_of_boxes_and_areas_stay():
    images, targets = batch()
    for target in targets:
        target.update(boxes=target["boxes"].half(), area=target["area"].long())
    for mixer in (Mosaic(seed=0), DetectionCutMix(seed=0), DetectionMixUp(seed=0)):
        for target in mixer(images, targets)[1]:
            assert (target["boxes"].dtype, target["area"].dtype) == (torch.float16, torch.int64)


def test_one_after_the_other_multiplies_the_weights():
    images, targets = batch()
    images, targets = Mosaic(seed=0)(images, targets)
    mix = DetectionMixUp(seed=0).draw(images, targets)
    first = [target["weights"] for target in targets]
    mixed, found = mix(images), mix.target(targets)
    assert [image.shape for image in mixed] != [image.shape for image in images]
    halved = [{**target, "weights": target["weights"] / 2} for target in targets]
    for i, (target, half) in enumerate(zip(found, mix.target(halved), strict=True)):
        j, lam = int(mix.partner[i]), float(mix.weight[i])
        assert torch.allclose(target["weights"], torch.cat([first[i] * lam, first[j] * (1 - lam)]))
        assert torch.allclose(half["weights"], target["weights"] / 2)


def test_the_same_mix_applies_to_other_images_of_the_same_sizes():
    images, targets = batch()
    mix = Mosaic(seed=0).draw(images, targets)
    depth = [torch.cat([image, image]) for image in images]
    for one, other in zip(mix(images), mix(depth), strict=True):
        assert torch.equal(one, other[1:])
    assert equal(Mosaic(seed=0).draw(images)(images), mix(images))  # without targets
    with pytest.raises(
        VicinalError, match=r"drawn for images of the sizes 16 x 20, 24 x 12, .*but"
    ):
        mix(images[::-1])


class TestInALoop:
    def test_schedules_stop_before_the_end(self):
        mixer = Schedule(Choice([Mosaic(), DetectionMixUp()]), until=0.5, steps=4, seed=0)
        images, targets = batch()
        for step in range(4):
            mix = mixer.draw(images, targets)
            assert bool((mix.weight == 1).all()) == (step >= 2)
        assert equal(mix(images), images)
        assert all(bool((target["weights"] == 1).all()) for target in mix.target(targets))

    def test_alpha_changes(self):
        mixer = Schedule(DetectionMixUp(), alpha=(0.0, 50.0), steps=3, seed=0)
        weights = [mixer.draw(*batch()).weight for _ in range(3)]
        assert bool((weights[0] == 1).all())
        assert float((weights[2] - 0.5).abs().max()) < 0.2

    def test_a_choice_of_mixers_with_options_of_their_own(self):
        images, targets = batch()
        choice = Choice([Mosaic(fill=9, scale=(0.1, 0.1)), DetectionCutMix()], seed=0)
        seen = set()
        for _ in range(4):
            for image in choice(images, targets)[0]:
                seen.add(bool((image == 9).any()))
        assert seen == {True, False}

    def test_batches_of_a_loader(self):
        images, targets = batch()
        loader = DataLoader(
            list(zip(images, targets, strict=True)),
            batch_size=5,
            collate_fn=MixCollate(
                Mosaic(seed=0), lambda samples: tuple(zip(*samples, strict=True))
            ),
        )
        (found,) = loader
        assert equal(found, Mosaic(seed=0)(images, targets))

    def test_the_integrations_mixer(self):
        images, targets = batch()
        mix = BatchMixer(Schedule(Mosaic(), until=0.5, seed=0))
        mix.begin(batches=2)
        first, second = mix((tuple(images), tuple(targets))), mix((images, targets))
        mix.check_reached_loss(first, "the step")
        mix.end()
        assert not equal(first[0], images)
        assert equal(second[0], images)


def test_images_alone_in_a_batch_stay_as_they_are():
    images, targets = drawn([(8, 9)], [2])
    for make in (DetectionMixUp, DetectionCutMix, CopyPaste):
        mixed, found = make()(images, targets)
        assert equal(mixed, images)
        assert torch.equal(found[0]["boxes"], targets[0]["boxes"])
    assert Mosaic(seed=0)(images, targets)[0][0].shape == (1, 8, 9)


def test_crowds_are_not_pasted():
    images, targets = batch()
    for target in targets:
        target["iscrowd"] = torch.ones(len(target["boxes"]), dtype=torch.int64)
    mixed, found = CopyPaste(seed=0)(images, targets)
    assert equal(mixed, images)
    assert all(
        len(one["boxes"]) == len(two["boxes"]) for one, two in zip(found, targets, strict=True)
    )


def wrong(**fields):
    images, targets = batch()
    targets[3] = {**targets[3], **fields}
    return images, targets


BOX = torch.tensor([[1.0, 2.0, 5.0, 6.0]])


def boxes(*row):
    _, targets = batch()
    changed = targets[3]["boxes"].clone()
    changed[1] = torch.tensor(row)
    return {"boxes": changed}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            boxes(1.0, 2.0, 30.0, 6.0),
            r"box 1 of targets\[3\], \[1, 2, 30, 6\], is outside of its i",
        ),
        (boxes(-4.0, 2.0, 6.0, 6.0), r"outside of its image, which has 22 x 18 pixels .*: clip it"),
        (boxes(22.0, 2.0, 22.5, 6.0), r"\[22, 2, 22.5, 6\], is outside"),
        (boxes(5.0, 2.0, 1.0, 6.0), r"\[5, 2, 1, 6\], has no width or no height: leave it out, or"),
        (boxes(5.0, 2.0, 5.0, 6.0), r"\[5, 2, 5, 6\], has no width or no height"),
        (boxes(5.0, float("nan"), 6.0, 6.0), r"\[5, nan, 6, 6\], is not of finite numbers"),
        (
            {"boxes": torch.full((3, 4), torch.inf)},
            r"box 0 .* \(and 2 more like it\), is not of fin",
        ),
        ({"boxes": torch.ones(3, 4, dtype=torch.int64)}, r"torch.int64, which .*: give floats"),
        (
            {"boxes": torch.zeros(0)},
            r"give \(N, 4\) floats, torch.zeros\(0, 4\) where there are none",
        ),
        ({"labels": torch.ones(2)}, r"'labels' in targets\[3\] has shape \(2,\), but there are 3"),
        (
            {"masks": torch.ones(3, 9, 9)},
            r"masks in targets\[3\] have .* image 18 x 22 pixels: give",
        ),
        (
            {"keypoints": torch.ones(3, 2, 2)},
            r"keypoints in targets\[3\] have shape \(3, 2, 2\): giv",
        ),
        (
            {"keypoints": torch.ones(3, 2, 3, dtype=torch.int64)},
            r"keypoints in targets\[3\] are torch.int64, .*: give floats",
        ),
        ({"labels": [1, 2, 3]}, r"'labels' in targets\[3\] is of type list: give a tensor"),
        (
            {
                "boxes": tv_tensors.BoundingBoxes(
                    BOX.repeat(3, 1), format="XYXY", canvas_size=(9, 9)
                )
            },
            r"on a canvas of \(9, 9\), but the image has \(18, 22\): transform the ima",
        ),
    ],
)
def test_what_is_wrong_is_named(fields, message):
    for mixer in (Mosaic(seed=0), DetectionCutMix(seed=0)):
        with pytest.raises(VicinalError, match=message):
            mixer(*wrong(**fields))
        assert mixer.random.draws == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, y: Mosaic(normalized=True)(x, y),
            "leave out normalized=True if its numbers are",
        ),
        (lambda x, y: Mosaic()(x, y[:2]), "there are 5 images and 2 targets"),
        (
            lambda x, y: Mosaic()(x, y[0]),
            "targets are of type dict: give a list with a dict for each",
        ),
        (
            lambda x, y: Mosaic()(x, torch.arange(5)),
            "targets are of type Tensor: give a list",
        ),
        (lambda x, y: Mosaic()(x, [1] * 5), r"targets\[0\] is of type int: give a dict of boxes"),
        (lambda x, y: Mosaic()({"x": x}, y), "images are of type dict: give a list"),
        (lambda x, y: Mosaic()(["a"] * 5, y), r"images\[0\] is of type str: give \(C, H, W\)"),
        (lambda x, y: Mosaic()(x, y, other=(x, y)), "have no second batch: join both in one list"),
        (lambda x, y: Schedule(Mosaic(), steps=3, half=True)(x, y), "half, fields, .* for tensors"),
        (lambda x, y: Choice([Mosaic(), MixUp()]), "do not mix the same kind of batch"),
        (
            lambda x, y: Choice([Mosaic(), Mosaic(format="xywh")]),
            "same kind of batch, with the same",
        ),
        (
            lambda x, y: CopyPaste()(x, [{"boxes": t["boxes"]} for t in y]),
            "targets have none: give 'm",
        ),
        (lambda x, y: CopyPaste().draw(x), "CopyPaste pastes objects along their masks"),
        (lambda x, y: Mosaic(scale=(0, 1)), "scale must be given as"),
        (lambda x, y: Mosaic(center=(0.8, 0.2)), "center must be given as"),
        (lambda x, y: DetectionCutMix(min_visible=2), "min_visible must be between 0 and 1"),
        (lambda x, y: Mosaic(format="yxyx"), "format must be one of 'xyxy', 'xywh', 'cxcywh', not"),
        (
            lambda x, y: ManifoldMixUp(torch.nn.Sequential(torch.nn.ReLU()), mixer=Mosaic()),
            "mixes no hidden activations",
        ),
    ],
)
def test_misuse_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*batch())


def test_a_box_may_stick_out_by_what_tools_round():
    images, targets = drawn([(16, 16)] * 4, [1] * 4, masks=False, keypoints=False)
    for target in targets:
        target["boxes"] = torch.tensor([[-0.4, 0.0, 16.6, 16.0]])
    for target in DetectionMixUp(seed=0)(images, targets)[1]:
        assert target["boxes"].tolist() == [[0, 0, 16, 16]] * 2


def test_an_option_that_is_misspelt_is_named():
    with pytest.raises(
        TypeError, match=r"Mosaic has no option 'min_visibel'; did you mean 'min_vi"
    ):
        Mosaic(min_visibel=0.2)


def test_empty_targets_do_not_set_the_dtype_of_others():
    images, targets = batch()
    targets[2]["labels"] = torch.tensor([])
    for mixer in (DetectionMixUp(seed=0), Mosaic(seed=0)):
        found = [target["labels"] for target in mixer(images, targets)[1]]
        assert all(labels.dtype == torch.int64 for labels in found if len(labels))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_results_share_no_tensor_with_the_targets(p):
    images, targets = batch()
    for i, target in enumerate(targets):
        target["image_id"] = torch.tensor(i)
    before = copy.deepcopy(targets)
    for target in Mosaic(p=p, seed=0)(images, targets)[1]:
        for value in target.values():
            value.zero_()
    assert equal(targets, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_keypoints_of_small_floats_are_moved_exactly(dtype):
    images = [torch.rand(1, 300 + i, 400) for i in range(4)]
    points = torch.tensor([[[270.0, 130.0, 2.0]]])
    targets = [{"boxes": torch.tensor([[0.0, 0, 400, 300]]), "keypoints": points}] * 4
    small = [{**target, "keypoints": points.to(dtype)} for target in targets]
    for one, two in zip(
        Mosaic(seed=0).draw(images, targets).target(targets),
        Mosaic(seed=0).draw(images, small).target(small),
        strict=True,
    ):
        assert two["keypoints"].dtype == dtype
        assert torch.equal(one["keypoints"].to(dtype), two["keypoints"])


def test_keypoints_that_are_nan_where_not_labelled_become_zeros():
    images, targets = batch()
    for target in targets:
        target["keypoints"] = torch.full((len(target["boxes"]), 2, 3), torch.nan)
        target["keypoints"][..., 2] = 0
    for target in Mosaic(seed=0)(images, targets)[1]:
        assert not target["keypoints"].any()


def test_boxes_keep_how_they_are_clamped():
    images, targets = drawn([(8, 9)] * 4, [1] * 4)
    made = tv_tensors.BoundingBoxes(targets[0]["boxes"], format="XYXY", canvas_size=(8, 9))
    if not hasattr(made, "clamping_mode"):
        pytest.skip("this torchvision has no modes of clamping")
    for target in targets:
        target["boxes"] = tv_tensors.BoundingBoxes(
            target["boxes"], format="XYXY", canvas_size=(8, 9), clamping_mode="hard"
        )
    assert Mosaic(seed=0)(images, targets)[1][0]["boxes"].clamping_mode == "hard"


def test_a_box_of_one_pixel_stays_however_shares_are_rounded():
    images = [torch.zeros(1, 6, 13), torch.ones(1, 6, 13)]
    boxes = torch.tensor([[3.0, 0.0, 1.0, 6.0]]) / torch.tensor([13.0, 6, 13, 6])
    targets = [{"boxes": boxes + 0.0}, {"boxes": torch.zeros(0, 4)}]
    mixer = DetectionMixUp(format="xywh", normalized=True, seed=0)
    assert [len(t["boxes"]) for t in mixer(images, targets)[1]] == [1, 1]
    boxes = torch.tensor([[3.0, 0, 3.9999995, 6]])  # as rounded; the cover takes its lower half
    mixer = DetectionCutMix(min_visible=0, seed=0)
    mix = mixer.draw(images, [{"boxes": boxes}, {"boxes": torch.zeros(0, 4)}])
    cover = replace(mix.scenes[0].layers[1], source=1, corner=(0, 0), window=(3, 0, 6, 13))
    scene = replace(mix.scenes[0], layers=(mix.scenes[0].layers[0], cover), is_mixed=True)
    mix = replace(mix, scenes=(scene, mix.scenes[1]))
    found = mix.target([{"boxes": boxes}, {"boxes": torch.zeros(0, 4)}])[0]["boxes"]
    assert found.tolist() == [[3, 0, pytest.approx(4), 3]]


@pytest.mark.parametrize("fill", [114 / 255, -1, 300])
def test_a_fill_that_bytes_cannot_hold_is_named(fill):
    images, targets = batch()
    with pytest.raises(VicinalError, match="no value of a uint8 image: give a whole number"):
        Mosaic(fill=fill)([(255 * image).byte() for image in images], targets)


def test_pixels_of_another_name_are_refused():
    images, targets = drawn([(8, 9)] * 4, [1] * 4)
    for target in targets:
        target["outlines"] = tv_tensors.Mask(target["masks"])
    with pytest.raises(VicinalError, match="Mask, but only 'boxes', 'masks' and 'keypoints' move"):
        Mosaic(seed=0)(images, targets)
