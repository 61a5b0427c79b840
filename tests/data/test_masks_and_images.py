"""Images and their masks, in batches."""

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import (
    BatchTransform,
    ColorJitter,
    DataBlock,
    ImageBlock,
    MaskBlock,
    RandomErasing,
    RandomResizedCrop,
    Resize,
    SegmentationDataLoaders,
    VicinalError,
    aug_transforms,
    get_image_files,
)
from vicinal.data.augment import AlternatingFlip, RandomView, Translate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten dark images of 24 by 36 pixels with a bright rectangle, and the mask of each."""
    root, rng = tmp_path_factory.mktemp("masks"), np.random.default_rng(0)
    (root / "images").mkdir()
    (root / "labels").mkdir()
    for index in range(10):
        mask = np.zeros((24, 36), dtype=np.uint8)
        top, left = rng.integers(2, 12, 2)
        mask[top : top + 10, left : left + 14] = 1
        image = np.stack([mask * 200 + 20] * 3, axis=-1).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / "labels" / f"{index}_P.png")
    return root


def loaders(folder, codes=("empty", "thing"), **options):
    return SegmentationDataLoaders.from_label_func(
        folder,
        bs=4,
        fnames=get_image_files(folder / "images"),
        label_func=lambda file: folder / "labels" / f"{file.stem}_P{file.suffix}",
        codes=np.array(codes) if codes else None,
        seed=1,
        device="cpu",
        **options,
    )


def agreement(dls, x, y):
    bright = (dls.pictures(x)[:, 0] > 0.5).long()
    return float((bright == y).float().mean())


TRANSFORMS = {
    "none": [],
    "shift and flip": [Translate(4)],
    "all": aug_transforms(size=(16, 24), min_scale=0.5, max_lighting=0, flip_vert=True),
    "all at their size": aug_transforms(max_rotate=45, p_affine=1, max_lighting=0),
    "colours": [ColorJitter(0.05, 0.05, 0.05, 0.05)],
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [None, 24, (16, 24)])
def test_masks_move_as_their_images_do(folder, name, size):
    dls = loaders(
        folder, item_tfms=None if size is None else Resize(size), batch_tfms=TRANSFORMS[name]
    )
    for part in (dls.train, dls.valid):
        for x, y in part:
            assert (y.dtype, y.shape) == (torch.int64, (len(x), *x.shape[2:]))
            assert set(y.unique().tolist()) == {0, 1}
            assert agreement(dls, x, y) > 0.95


def test_another_mask_would_be_noticed(folder):
    dls = loaders(folder, batch_tfms=TRANSFORMS["all"])
    x, y = dls.one_batch()
    assert agreement(dls, x, y.roll(1, 0)) < 0.9
    assert agreement(dls, x, y.flip(2)) < 0.9


def test_masks_take_nothing_from_the_random_draws_of_images(folder):
    transforms = aug_transforms()
    dls = loaders(folder, batch_tfms=transforms)
    x, masks = torch.rand(4, 3, 8, 8), torch.zeros(4, 8, 8, dtype=torch.int64)
    first, second = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    dls.train.transforms = transforms  # without the normalization
    moved, _ = dls.train._changed(x, masks, first)
    for transform in transforms:
        x = transform.train(x, second)
    assert moved.equal(x)
    assert first.get_state().equal(second.get_state())


class Mirror(BatchTransform):
    def train(self, x, generator):
        return x.flip(-1)


def test_a_transform_that_would_leave_masks_behind_is_refused(folder):
    for transform in (Mirror(), AlternatingFlip(None)):
        dls = loaders(folder, batch_tfms=[transform])
        with pytest.raises(VicinalError, match=f"{type(transform).__name__} may move pixels"):
            dls.one_batch()


def test_a_transform_can_say_that_it_moves_nothing(folder, monkeypatch):
    monkeypatch.setattr(Mirror, "moves_pixels", False)
    dls = loaders(folder, batch_tfms=[Mirror(), RandomErasing(0.5)])
    assert dls.one_batch()[1].shape == (4, 24, 36)


def test_random_crops_of_items_are_refused(folder):
    with pytest.raises(VicinalError, match="RandomResizedCrop crops each image"):
        loaders(folder, item_tfms=RandomResizedCrop(16))


def test_codes_are_found_where_none_are_given(folder):
    dls = loaders(folder, codes=None)
    assert (dls.vocab, dls.c) == (["0", "1"], 2)


def test_a_missing_mask_is_named(folder):
    block = DataBlock(
        (ImageBlock, MaskBlock(["empty", "thing"])), get_y=lambda file: folder / "none.png"
    )
    with pytest.raises(VicinalError, match=r"no mask .*none.png of .*0.png: correct get_y"):
        block.dataloaders(folder / "images", bs=2)


def test_a_mask_of_another_size_is_refused(folder):
    block = DataBlock(
        (ImageBlock, MaskBlock(["empty", "thing"])), get_y=lambda file: np.zeros((3, 3), int)
    )
    dls = block.dataloaders(folder / "images", bs=2)
    with pytest.raises(VicinalError, match="an image has 24x36 pixels, and its mask 3x3"):
        dls.one_batch()


def test_one_code_is_refused():
    with pytest.raises(VicinalError, match="two classes or more"):
        MaskBlock(["all"])


def test_what_is_predicted_of_masks():
    block, vocab = MaskBlock(["sea", "sky"]), ["sea", "sky"]
    scores = torch.tensor([[[[0.9, 0.2, 0.1]], [[0.1, 0.8, 0.9]]]])
    decoded = block.decode(scores, vocab)
    assert decoded.tolist() == [[[0, 1, 1]]]
    assert block.text(decoded[0], vocab) == "sky, sea"
    assert block.text(torch.tensor([[255, 0]]), vocab) == "sea"


def test_pixels_without_a_class_have_no_loss():
    loss, scores = MaskBlock(["sea", "sky"]).loss_func, torch.rand(1, 2, 1, 2)
    alone = torch.nn.functional.cross_entropy(scores[..., :1], torch.tensor([[[1]]]))
    assert loss(scores, torch.tensor([[[1, 255]]])) == pytest.approx(float(alone))


def test_masks_are_seen_in_pictures(folder):
    dls = loaders(folder)
    pictures, masks = torch.zeros(1, 3, 2, 2), torch.tensor([[[0, 1], [255, 0]]])
    drawn = dls.drawn(pictures, masks)
    assert drawn[0, :, 1, 0].tolist() == [0, 0, 0]  # no class
    assert drawn[0, :, 0, 0].equal(drawn[0, :, 1, 1])
    assert not drawn[0, :, 0, 0].equal(drawn[0, :, 0, 1])


def test_everything_is_read_beforehand(folder):
    dls = loaders(folder)
    dls.prepare()
    assert dls.train.dataset.masks._is_kept.all()


def test_the_nearest_class_is_taken_in_validation():
    masks = torch.arange(16).reshape(1, 4, 4)
    assert RandomView(2).valid_masks(masks).tolist() == [[[5, 7], [13, 15]]]
    assert RandomView().valid_masks(masks) is masks
