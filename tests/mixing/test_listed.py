"""Lists in a batch: of fields, or of samples, which are told apart or rejected."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from vicinal import BalancedMixUp, BatchMixer, CutMix, ManifoldMixUp, MixCollate, MixUp

IMAGES = [torch.full((3, 4, 5), float(i)) for i in range(4)]
FOUND = [{"boxes": torch.rand(n, 4), "labels": torch.arange(n)} for n in (4, 4, 4, 4)]
RAGGED = [{"boxes": torch.rand(n, 4), "labels": torch.arange(n)} for n in (2, 0, 5, 1)]
PAIR = [torch.rand(8, 3, 4, 5), torch.rand(8, 3, 4, 5)]
SAMPLES = r"one for each sample: join them into one batch \(torch.stack, default_collate\), or mix"
EITHER = r"which may be \d samples or \d fields of all samples: join samples into one batch"


@dataclass
class Sample:
    images: Any
    meta: Any


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("make", [MixUp, CutMix])
class TestSamples:
    def test_images_of_as_many_channels_as_samples(self, make, kind):
        with pytest.raises(ValueError, match=rf"^x is a {kind.__name__} of 3 tensors .*{EITHER}"):
            make(seed=0)(kind(IMAGES[:3]), torch.arange(3))

    def test_images_of_another_number_of_channels(self, make, kind):
        with pytest.raises(
            ValueError, match=rf"^x is .* of 4 tensors such as \(3, 4, 5\), {SAMPLES}"
        ):
            make(seed=0)(kind(IMAGES), torch.arange(4))

    def test_images_without_targets(self, make, kind):
        with pytest.raises(ValueError, match=EITHER):
            make(seed=0)(kind(IMAGES), None)

    def test_images_of_different_sizes(self, make, kind):
        images = kind(torch.rand(3, side, 7) for side in (4, 5, 6))
        with pytest.raises(ValueError, match=EITHER):
            make(seed=0)(images, torch.arange(3))

    def test_targets_of_detection(self, make, kind):
        for found in (FOUND, RAGGED):
            with pytest.raises(
                ValueError, match=rf"^y is a {kind.__name__} of 4 dicts.*DetectionMixUp"
            ):
                make(seed=0)(torch.rand(4, 3, 8, 8), kind(found))

    def test_images_and_their_boxes(self, make, kind):
        """Three channels and three boxes each: all sizes agree."""
        found = [{"boxes": torch.rand(3, 4), "labels": torch.arange(3)} for _ in range(4)]
        with pytest.raises(ValueError, match=r"^x is .*DetectionMixUp"):
            make(seed=0)(kind(IMAGES), kind(found))


@pytest.mark.parametrize(
    ("x", "place"),
    [
        ({"image": IMAGES}, r"x\['image'\]"),
        (({"image": IMAGES},), r"x\[0\]\['image'\]"),
        (Sample(IMAGES, torch.rand(4, 2)), r"x\.images"),
        ([{"image": image} for image in IMAGES], "x"),
        ([(image, torch.rand(2)) for image in IMAGES], "x"),
        ([torch.tensor(1.0)] * 4, "x"),
    ],
)
def test_anywhere_in_a_batch(x, place):
    with pytest.raises(ValueError, match=rf"^{place} is a list of 4 .*, one for each sample"):
        MixUp(seed=0)(x, torch.arange(4))


def test_a_single_image_in_a_list():
    with pytest.raises(ValueError, match=SAMPLES):
        MixUp(seed=0)(IMAGES[:1], torch.arange(1))


class TestFields:
    @pytest.mark.parametrize("y", [torch.arange(8), [torch.arange(8), torch.rand(8)]])
    def test_a_list_with_all_samples_in_each_entry(self, y):
        mixed, _ = MixUp(seed=0)(PAIR, y)
        expected, _ = MixUp(seed=0)({"a": PAIR[0], "b": PAIR[1]}, torch.arange(8))
        assert torch.equal(mixed[0], expected["a"])
        assert torch.equal(mixed[1], expected["b"])

    @pytest.mark.parametrize(
        "x",
        [
            [torch.rand(2, 3), torch.rand(2, 3, 4)],
            [torch.rand(2, 3), torch.rand(2, 3).double()],
            [{"a": torch.rand(2, 3)}, {"b": torch.rand(2, 3)}],
            {"a": torch.rand(2, 3), "b": torch.rand(2, 3)},
        ],
    )
    def test_what_cannot_be_two_samples(self, x):
        MixUp(seed=0)(x, torch.arange(2))

    def test_targets_of_two_heads(self):
        y = [torch.arange(8), torch.arange(8) % 3]
        assert [t.own.tolist() for t in MixUp(seed=0)(PAIR[0], y)[1]] == [t.tolist() for t in y]

    def test_as_many_as_samples_may_be_either(self):
        pair = [x[:2] for x in PAIR]
        with pytest.raises(ValueError, match=EITHER):
            MixUp(seed=0)(pair, torch.arange(2))
        with pytest.raises(ValueError, match=f"^y is .*{EITHER}"):
            MixUp(seed=0)(PAIR[0][:2], [torch.arange(2)] * 2)

    def test_a_last_batch_is_like_those_before_it(self):
        mixer = MixUp(float("inf"), seed=0)
        mixer(PAIR, [torch.arange(8)] * 2)
        last = [x[:2] for x in PAIR]
        mixed, target = mixer(last, [torch.arange(2)] * 2)
        for own, after in zip(last, mixed, strict=True):
            assert torch.allclose(after, own.mean(0).expand_as(own), atol=1e-6)
        assert [t.partner.tolist() for t in target] == [[1, 0], [1, 0]]

    def test_so_is_one_without_targets(self):
        mixer = MixUp(seed=0)
        for count in (8, 3):
            views = [torch.rand(count, 4, 5), torch.rand(count, 4, 5)]
            mixed, _ = mixer(views, None)
            assert [part.shape for part in mixed] == [(count, 4, 5)] * 2

    def test_positions_in_fields_say_that_they_are(self):
        pair = [x[:2] for x in PAIR]
        mixed, _ = MixUp(float("inf"), fields=[0], seed=0)(pair, torch.arange(2))
        assert torch.allclose(mixed[0][0], pair[0].mean(0))
        assert mixed[1] is pair[1]

    def test_what_is_not_mixed_may_be_any_list(self):
        x = {"image": torch.rand(4, 3), "crops": IMAGES}
        assert MixUp(fields="image", seed=0)(x, torch.arange(4))[0]["crops"] is not None

    def test_half_of_a_batch(self):
        mixed, _ = MixUp(half=True, seed=0)([x[:4] for x in PAIR], torch.arange(4))
        assert [len(part) for part in mixed] == [2, 2]


def test_a_pool_of_samples_in_a_list():
    with pytest.raises(ValueError, match=SAMPLES):
        BalancedMixUp(pool=(IMAGES, torch.arange(4)))
    with pytest.raises(ValueError, match=EITHER):
        BalancedMixUp(pool=(IMAGES[:3], torch.arange(3)))


def test_a_mix_checks_lists_itself():
    mix = MixUp(seed=0).draw(torch.rand(4, 3))
    for call, name in ((mix, "x"), (mix.target, "y")):
        with pytest.raises(ValueError, match=rf"^{name} is a list of 4 tensors.*{SAMPLES}"):
            call(IMAGES)


def test_a_rejected_list_uses_up_no_draw():
    mixer = MixUp(seed=0)
    for refused in (
        lambda: mixer(IMAGES, torch.arange(4)),
        lambda: mixer.draw(IMAGES, torch.arange(4)),
    ):
        with pytest.raises(ValueError, match=SAMPLES):
            refused()
    assert mixer.random.draws == 0


def test_in_hidden_layers():
    model = torch.nn.Linear(3, 2)
    with ManifoldMixUp(model, "input", seed=0) as mixer, pytest.raises(ValueError, match=SAMPLES):
        mixer(torch.rand(4, 3), RAGGED)


def test_batches_of_torchvision_in_a_loader():
    data = [(image, found) for image, found in zip(IMAGES, RAGGED, strict=True)]
    collate = MixCollate(MixUp(seed=0), lambda samples: tuple(zip(*samples, strict=True)))
    with pytest.raises(ValueError, match=r"^x is a tuple of 4 tensors.*DetectionMixUp"):
        next(iter(DataLoader(data, 4, collate_fn=collate)))
    with pytest.raises(ValueError, match=r"^x\['image'\] is a list of 4 tensors"):
        BatchMixer(MixUp(seed=0))({"image": IMAGES, "size": torch.rand(4), "y": torch.arange(4)})


@pytest.mark.parametrize("mixer", [MixUp(seed=0), CutMix(seed=0)])
def test_torchs_collate_function_makes_fields(mixer):
    """Pairs of images and two labels each, in batches of two."""
    data = [((image, -image), (i, i % 2)) for i, image in enumerate(IMAGES)]
    for (one, two), _ in DataLoader(data, 2, collate_fn=MixCollate(mixer)):
        assert torch.equal(one, -two)
        assert one.shape == (2, 3, 4, 5)
    # Any other function may return lists of samples.
    collate = MixCollate(MixUp(seed=0), lambda samples: tuple(zip(*samples, strict=True)))
    with pytest.raises(ValueError, match=r"^x.* is a tuple of 2 tensors"):
        next(iter(DataLoader(data, 2, collate_fn=collate)))
