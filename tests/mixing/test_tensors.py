"""What tensors are: images with their channels first or last, masks, boxes, maps, values."""

import pytest
import torch

from vicinal import (
    Choice,
    ClassMix,
    CutMix,
    FMix,
    GridMix,
    ManifoldMixUp,
    MixedTarget,
    MixUp,
    ResizeMix,
    Schedule,
    SmoothMix,
)
from vicinal.mixing.tensors import has_channels_last, image_size

Y = torch.arange(4)
CUTTING = {
    "CutMix": CutMix,
    "CutMix minmax": lambda **o: CutMix(minmax=(0.3, 0.7), **o),
    "FMix": FMix,
    "GridMix": GridMix,
    "ResizeMix": ResizeMix,
    "SmoothMix": SmoothMix,
    "Choice": lambda **o: Choice([MixUp(), CutMix(), FMix()], **o),
    "Schedule": lambda **o: Schedule(CutMix(), steps=9, **o),
}


def random(shape, dtype=torch.float32):
    return torch.rand(shape).mul(200).to(dtype)


@pytest.mark.parametrize("make", CUTTING.values(), ids=CUTTING)
class TestChannelsLast:
    """Mixed as the same images with their channels first."""

    @pytest.mark.parametrize(
        "shape",
        [(4, 12, 9, 3), (4, 9, 12, 4), (4, 12, 12, 1), (4, 120, 100, 3), (4, 5, 9, 12, 3)],
    )
    @pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
    @pytest.mark.parametrize("inplace", [False, True])
    def test_images_and_videos(self, make, shape, dtype, inplace):
        x = random(shape, dtype)
        expected, weights = make(seed=1)(x.movedim(-1, 1), Y)
        mixed, target = make(seed=1)(x, Y, inplace=inplace)
        assert torch.equal(mixed, expected.movedim(1, -1))
        assert torch.equal(target.weight, weights.weight)
        assert not bool((target.weight == 1).all())
        assert (mixed is x) == inplace
        assert mixed.is_contiguous()

    def test_a_second_batch_and_a_nested_one(self, make):
        x, other = random((4, 12, 9, 3)), random((4, 12, 9, 3))
        expected, _ = make(seed=1)(x.movedim(-1, 1), Y, other=(other.movedim(-1, 1), Y))
        mixed, _ = make(seed=1)({"image": x}, Y, other=({"image": other}, Y))
        assert torch.equal(mixed["image"], expected.movedim(1, -1))

    def test_masks_and_maps_follow(self, make):
        x, masks = random((4, 12, 9, 3)), torch.randint(5, (4, 12, 9))
        _, wanted = make(seed=1)(x.movedim(-1, 1), masks)
        _, found = make(seed=1)(x, masks)
        if isinstance(wanted, MixedTarget):
            assert torch.equal(found.own, wanted.own)
            assert torch.equal(found.weight, wanted.weight)
        else:
            assert torch.equal(found, wanted)

    def test_the_share_of_pixels_is_the_weight(self, make):
        x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 12, 9, 3).contiguous()
        mixed, target = make(seed=1)(x, Y)
        share = (mixed.mean((1, 2, 3)) - target.partner) / (target.own - target.partner)
        assert torch.allclose(share, target.weight, atol=1e-5)
        assert torch.equal(mixed[..., 0], mixed[..., 2])  # no channel is cut alone


@pytest.mark.parametrize("classes", [3, 21])
def test_one_hot_masks_with_their_channels_last(classes):
    x, y = random((4, 12, 9, 3)), random((4, 12, 9, classes))
    _, expected = CutMix(seed=1)(x.movedim(-1, 1), y.movedim(-1, 1))
    assert torch.equal(CutMix(seed=1)(x, y)[1], expected.movedim(1, -1))
    _, target = Choice([MixUp(), CutMix()], seed=1)(x, y)
    _, expected = Choice([MixUp(), CutMix()], seed=1)(x.movedim(-1, 1), y.movedim(-1, 1))
    assert torch.equal(target.own, expected.own.movedim(1, -1))
    for target, options in ((y, {}), (y[:, ::3, ::3].repeat(1, 3, 3, 1), {"pixelwise": True})):
        with pytest.raises(ValueError, match="channels last, but each pixel a weight of its own"):
            SmoothMix(seed=1, **options)(x, target)


def test_maps_of_half_the_size_with_their_channels_last():
    x, y = random((4, 32, 24, 3)), random((4, 16, 12, 3))
    for make in (CutMix, FMix, MixUp):
        _, expected = make(pixelwise=True, seed=1)(x.movedim(-1, 1), y.movedim(-1, 1))
        _, target = make(pixelwise=True, seed=1)(x, y)
        if make is MixUp:
            assert torch.equal(target.partner, expected.partner.movedim(1, -1))
        else:
            assert torch.equal(target, expected.movedim(1, -1))
    with pytest.raises(ValueError, match="channels last, but each pixel a weight of its own"):
        SmoothMix(pixelwise=True, seed=1)(x, y)


def test_classmix_with_channels_last():
    x, masks = random((4, 12, 9, 3)), torch.randint(5, (4, 12, 9))
    expected, wanted = ClassMix(seed=1)(x.movedim(-1, 1), masks)
    mixed, target = ClassMix(seed=1)(x, masks)
    assert torch.equal(mixed, expected.movedim(1, -1))
    assert torch.equal(target, wanted)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((4, 3, 32, 32), (32, 32)),
        ((4, 3, 32, 4), (32, 4)),  # a narrow image
        ((4, 64, 4, 4), (4, 4)),  # a feature map
        ((4, 12, 9, 5), (9, 5)),
        ((4, 9, 12), (9, 12)),
        ((4, 16, 3, 32, 32), (32, 32)),
        ((4, 1, 6, 6, 4), (6, 4)),  # a small volume
        ((4, 28, 28, 1), (28, 28)),
    ],
)
def test_the_size_of_images(shape, size):
    assert image_size([torch.rand(shape)]) == size


@pytest.mark.parametrize(
    "shape",
    [(4, 64, 100, 1), (4, 64, 100, 2), (4, 4, 32, 32, 3), (4, 32, 256, 4)],
)
@pytest.mark.parametrize("make", [CutMix, FMix, GridMix, ResizeMix, SmoothMix])
def test_channels_that_may_be_first_or_last(make, shape):
    order = ", ".join(map(str, (0, len(shape) - 1, *range(1, len(shape) - 1))))
    with pytest.raises(ValueError, match=rf"first or last: x.permute\({order}\) puts"):
        make(seed=0)(torch.rand(shape), Y)


@pytest.mark.parametrize(
    ("shape", "size", "is_last"),
    [
        ((4, 16, 16, 3), (32, 32), True),
        ((4, 512, 4, 4), (32, 32), False),
        ((4, 64, 8, 4), (64, 32), False),  # of feature maps
        ((4, 100, 64, 1), (64, 1), False),  # for which a span was drawn
    ],
)
def test_tensors_of_another_size_than_was_drawn_for(shape, size, is_last):
    assert has_channels_last(torch.rand(shape), size) == is_last


class TestSpans:
    """CutMix(dim) cuts the dimension that it names, wherever channels are."""

    def test_of_sensors_with_a_last_dimension_of_one(self):
        x = torch.rand(4, 9, 128, 1)
        mixed, target = CutMix(dim=-2, seed=0)(x, Y)
        own = (mixed == x)[..., 0]
        assert torch.equal(own.all(1), own.any(1))  # of a step, all sensors are cut or none
        assert torch.equal(own[:, 0].float().mean(1), target.weight)
        assert not bool((target.weight == 1).all())

    def test_channels_are_not_cut(self):
        with pytest.raises(ValueError, match=r"holds channels, which are not cut: x\.permute"):
            CutMix(dim=-1, seed=0)(torch.rand(4, 12, 12, 3), Y)

    def test_of_a_choice_with_boxes(self):
        mixer = Choice([CutMix(dim=-2), CutMix()], seed=0)
        mixer(torch.rand(4, 3, 12, 12), Y)
        with pytest.raises(
            ValueError, match=r"takes \(12, 3\) and \(12, 12\) for height and width"
        ):
            mixer(torch.rand(4, 12, 12, 3), Y)


def masks(*shape):
    return torch.randint(2, (4, *shape), dtype=torch.uint8)


IMAGE, FLOATS = random((4, 3, 8, 8), torch.uint8), torch.rand(4, 3, 8, 8)


class TestBytes:
    @pytest.mark.parametrize(
        "x",
        [
            {"wave": torch.rand(4, 6), "mask": masks(6)},
            {"wave": torch.rand(4, 6), "valid": masks(6)},
            {"image": IMAGE, "seg": masks(8, 8)},
            {"image": FLOATS, "seg": masks(1, 8, 8)},
            {"image": IMAGE, "mask": masks(3, 8, 8)},
            {"image": FLOATS, "class": masks()},
            {"volume": torch.rand(4, 2, 8, 8, 8), "seg": masks(1, 8, 8, 8)},
            {"wave": torch.rand(4, 6), "attention_mask": masks(6).float()},
            (FLOATS, masks(8, 8)),
        ],
    )
    @pytest.mark.parametrize(
        "make", [MixUp, SmoothMix, lambda **o: Choice([MixUp(), CutMix()], **o)]
    )
    def test_what_may_be_masks_or_labels_is_not_blended(self, make, x):
        if make is not MixUp and isinstance(x, dict) and ("wave" in x or "class" in x):
            return
        with pytest.raises(TypeError, match=r"masks( or labels)?, which cannot be blended"):
            make(seed=0)(x, Y)

    @pytest.mark.parametrize(
        "x",
        [
            {"left": IMAGE, "right": IMAGE.flip(1)},
            {"image": IMAGE[:, :1], "meta": torch.rand(4, 5)},
            {"image": IMAGE[:, :1]},
            {"image": IMAGE[:, 0]},
            {"pixels": IMAGE.flatten(1)},
            {"image": IMAGE.movedim(1, -1), "meta": torch.rand(4, 5)},
            {"video": IMAGE.unsqueeze(1).repeat(1, 5, 1, 1, 1), "sound": torch.rand(4, 9)},
            {"image": IMAGE, "soft_mask": torch.rand(4, 1, 8, 8)},
        ],
    )
    def test_images_are(self, x):
        mixed, target = MixUp(float("inf"), seed=0)(x, Y)
        for name, own in x.items():
            other = own[target.partner]
            expected = torch.lerp(own.double(), other.double(), 0.5)
            assert torch.allclose(mixed[name].double(), expected, atol=0.51)

    def test_masks_that_are_cut_follow_the_images(self):
        x = {"image": IMAGE, "mask": masks(8, 8)}
        mixed, _ = CutMix(seed=0)(x, Y)
        expected, _ = CutMix(integers="paste", seed=0)(x | {"mask": x["mask"].long()}, Y)
        assert torch.equal(mixed["mask"], expected["mask"].byte())
        assert not torch.equal(mixed["mask"], x["mask"])

    def test_what_may_be_an_image_is_never_left_unchanged_in_silence(self):
        x = {"left": IMAGE[:, :1], "right": IMAGE[:, 1:2], "id": Y}
        with pytest.raises(TypeError, match=r"masks or labels, which .* give images as floats"):
            MixUp(integers="leave", seed=0)(x, Y)

    @pytest.mark.parametrize(
        ("x", "options"),
        [
            ({"image": IMAGE[:, :1], "mask": masks(1, 8, 8)}, {"fields": "image"}),
            ({"image": IMAGE[:, 0], "depth": FLOATS}, {"fields": "image"}),
            ({"image": IMAGE[:, :1], "seg": masks(8, 8).long()}, {"integers": "leave"}),
            ({"image": IMAGE[:, :1], "mask": masks(8, 8)}, {"integers": "leave"}),
            ({"image": IMAGE[:, :1], "mask": masks(8, 8)}, {"maximum": "mask"}),
            ({"image": IMAGE[:, :1], "masked_image": IMAGE}, {"fields": ["image"]}),
        ],
    )
    def test_an_image_beside_what_is_not_averaged_is_one(self, x, options):
        mixed, _ = MixUp(seed=0, **options)(x, Y)
        assert torch.equal(mixed["image"], MixUp(seed=0)(x["image"], Y)[0])

    def test_torchvisions_masks(self):
        tv = pytest.importorskip("torchvision.tv_tensors")
        for dtype in (torch.float32, torch.uint8, torch.bool):
            mask = tv.Mask(masks(8, 8).to(dtype))
            for x in ({"image": FLOATS, "m": mask}, mask):
                with pytest.raises(TypeError, match="cannot be blended"):
                    MixUp(integers="paste", seed=0)(x, Y)
            mixed, _ = CutMix(integers="paste", seed=0)({"image": FLOATS, "m": mask}, Y)
            expected, _ = CutMix(integers="paste", seed=0)({"image": FLOATS, "m": mask.long()}, Y)
            assert torch.equal(torch.as_tensor(mixed["m"]).long(), expected["m"])

    def test_ways_out(self):
        x = {"wave": torch.rand(4, 6), "mask": masks(6)}
        left, _ = MixUp(integers="leave", seed=0)(x, Y)
        alone, _ = MixUp(fields="wave", seed=0)(x, Y)
        assert left["mask"] is alone["mask"] is x["mask"]
        assert torch.equal(left["wave"], alone["wave"])
        longest, target = MixUp(maximum="mask", seed=0)(x, Y)
        assert torch.equal(longest["mask"], torch.maximum(x["mask"], x["mask"][target.partner]))
        assert torch.equal(left["wave"], longest["wave"])

    def test_the_input_is_no_layer_for_them(self):
        model = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        x = {"wave": torch.rand(4, 6), "mask": masks(6)}
        for seed in range(9):
            mixer = ManifoldMixUp(model, seed=seed)
            assert mixer(x, Y)[0] is x
            mixer.release()


class TestCoordinates:
    @pytest.mark.parametrize("make", [MixUp, CutMix])
    @pytest.mark.parametrize(
        "x",
        [
            {"image": FLOATS, "boxes": torch.rand(4, 2, 4)},
            {"image": FLOATS, "BBox": torch.rand(4, 4)},
            {"image": FLOATS, "meta": {"keypoints": torch.rand(4, 5, 2)}},
            {"image": FLOATS, "gt_boxes": torch.rand(4, 5, 4)},
            {"image": FLOATS, "Boxes_xyxy": torch.rand(4, 4)},
            {"image": FLOATS, "hand_keypoints_2d": torch.rand(4, 21, 2)},
        ],
    )
    def test_of_images_are_not_mixed(self, make, x):
        with pytest.raises(
            TypeError, match=r"boxes and keypoints cannot be mixed .*DetectionMixUp"
        ):
            make(seed=0)(x, Y)
        make(fields="image", seed=0)(x, Y)

    def test_what_is_said_of_them_is_mixed(self):
        x = {"image": FLOATS, "box_features": torch.rand(4, 5, 4), "sandbox": torch.rand(4, 3)}
        mixed, target = MixUp(seed=0)(x, Y)
        for name in ("box_features", "sandbox"):
            weight = target.weight.view(-1, *[1] * (x[name].ndim - 1))
            expected = torch.lerp(x[name][target.partner], x[name], weight)
            assert torch.allclose(mixed[name], expected)

    def test_of_torchvisions_classes(self):
        tv = pytest.importorskip("torchvision.tv_tensors")
        boxes = tv.BoundingBoxes(torch.rand(4, 4), format="XYXY", canvas_size=(8, 8))
        for x in ({"image": FLOATS, "found": boxes}, {"found": boxes}, boxes):
            with pytest.raises(TypeError, match="boxes and keypoints cannot be mixed"):
                MixUp(seed=0)(x, Y)
            with pytest.raises(TypeError, match="boxes and keypoints cannot be mixed"):
                CutMix(seed=0).draw(FLOATS)(x)

    def test_keypoints_alone_are_the_data(self):
        x = {"keypoints": torch.rand(4, 17, 3), "age": torch.rand(4, 1)}
        mixed, target = MixUp(seed=0)(x, Y)
        expected = torch.lerp(
            x["keypoints"][target.partner], x["keypoints"], target.weight[:, None, None]
        )
        assert torch.allclose(mixed["keypoints"], expected)


class TestMapsOrValues:
    """Float targets of the size of the inputs."""

    @pytest.mark.parametrize(
        ("mixer", "x", "y"),
        [
            (CutMix(dim=-1), (4, 7, 96), (4, 7, 96)),  # a forecast
            (CutMix(dim=-2), (4, 96, 7), (4, 96, 7)),
            (CutMix(), (4, 7, 96), (4, 7, 96)),
            (FMix(), (4, 7, 96), (4, 7, 96)),
            (CutMix(dim=-1), (4, 1, 7, 96), (4, 1, 7, 96)),
            (CutMix(), (4, 1, 50, 10), (4, 50, 10)),  # tags of a spectrogram
            (SmoothMix(), (4, 2, 50, 10), (4, 50, 10)),
        ],
    )
    def test_which_may_be_either_need_an_option(self, mixer, x, y):
        x, y = torch.rand(x), torch.rand(y)
        with pytest.raises(ValueError, match="set pixelwise=True if it is a map, cut in the same"):
            mixer(x, y)
        mix = mixer.draw(x, y)
        with pytest.raises(ValueError, match="or pixelwise=False if it holds other values"):
            mix.target(y)
        values = mix.target(y, pixelwise=False)
        assert torch.equal(values.own, y)
        assert torch.equal(values.partner, y[mix.partner])
        cut = mix.target(y, pixelwise=True)
        cut = cut.dense() if isinstance(cut, MixedTarget) else cut
        assert torch.allclose(cut, mix(y))

    @pytest.mark.parametrize(
        ("mixer", "x", "y"),
        [
            (CutMix(), (4, 3, 8, 8), (4, 8, 8)),  # depth
            (CutMix(), (4, 1, 8, 8), (4, 1, 8, 8)),
            (CutMix(), (4, 3, 8, 8), (4, 3, 8, 8)),
            (FMix(), (4, 1, 8, 8, 8), (4, 8, 8, 8)),
        ],
    )
    def test_maps_of_images_follow_them(self, mixer, x, y):
        x, y = torch.rand(x), torch.rand(y)
        mix = mixer.draw(x, y)
        assert torch.equal(mix.target(y), mix(y))

    @pytest.mark.parametrize("shape", [(4, 7, 96), (4, 1, 8, 8)])
    def test_labels_of_each_step_follow(self, shape):
        x, y = torch.rand(shape), torch.randint(5, (4, *shape[-2:]))
        mix = CutMix(dim=-1, seed=0).draw(x, y)
        assert torch.equal(mix.target(y), mix(y, integers="paste"))

    @pytest.mark.parametrize("inplace", [False, True])
    def test_a_series_that_is_its_own_target(self, inplace):
        x = torch.rand(4, 7, 96)
        mixed, target = CutMix(dim=-1, seed=0)(x, x, inplace=inplace)
        assert torch.equal(mixed, target)

    def test_whatever_mixer_blends_pairs_them(self):
        x = torch.rand(4, 7, 96)
        assert isinstance(MixUp(seed=0)(x, x.clone())[1], MixedTarget)
