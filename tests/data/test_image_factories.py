"""Loaders of images by fastai's names."""

import pandas as pd
import pytest
import torch

from vicinal import (
    GrandparentSplitter,
    ImageDataLoaders,
    MultiCategoryBlock,
    Normalize,
    RandomResizedCrop,
    RegressionBlock,
    Resize,
    aug_transforms,
    get_image_files,
    parent_label,
)
from vicinal.data.storage import Storage
from vicinal.errors import VicinalError

from .pictures import noise, write

OPTIONS = {"item_tfms": Resize(6), "bs": 4, "device": "cpu", "seed": 3}


@pytest.fixture
def pets(tmp_path):
    images = {f"{'pug' if i % 2 else 'cat'}_{i}": noise(8, 9, seed=i) for i in range(20)}
    return write(tmp_path / "pets", **images)


@pytest.fixture
def parts(tmp_path):
    names = [f"{part}__{'ab'[i % 2]}__{i}" for part in ("training", "held") for i in range(6)]
    return write(tmp_path / "parts", **{n: noise(seed=seed) for seed, n in enumerate(names)})


def found(dls):
    """The files of validation, and all classes in order."""
    return dls.valid_ds.items, [dls.vocab[int(y)] for _, y in dls.valid_ds], dls.vocab


def test_all_read_the_same(pets):
    files = get_image_files(pets)
    frame = pd.DataFrame({"file": [f.name for f in files], "breed": [f.name[:3] for f in files]})
    frame.to_csv(pets / "labels.csv", index=False)
    bare = pd.DataFrame({"breed": frame.breed, "file": [f.stem for f in files]})
    made = [
        ImageDataLoaders.from_name_re(pets, files, r"(.+)_\d+.png$", **OPTIONS),
        ImageDataLoaders.from_name_re(pets, r"(.+)_\d+.png$", **OPTIONS),
        ImageDataLoaders.from_name_re(pets, pat=r"(.+)_\d+.png$", **OPTIONS),
        ImageDataLoaders.from_path_re(pets, files, pat=r"/([a-z]+)_\d+.png$", **OPTIONS),
        ImageDataLoaders.from_name_func(pets, files, lambda name: name[:3], **OPTIONS),
        ImageDataLoaders.from_name_func(pets, map(str, files), lambda n: n[:3], **OPTIONS),
        ImageDataLoaders.from_path_func(pets, files, lambda file: file.name[:3], **OPTIONS),
        ImageDataLoaders.from_lists(pets, files, list(frame.breed), **OPTIONS),
        ImageDataLoaders.from_df(frame, pets, **OPTIONS),
        ImageDataLoaders.from_df(frame, pets.parent, folder="pets", **OPTIONS),
        ImageDataLoaders.from_df(bare, pets, fn_col=1, suff=".png", label_col="breed", **OPTIONS),
        ImageDataLoaders.from_csv(pets, **OPTIONS),
    ]
    expected = [batch for part in (made[0].train, made[0].valid) for batch in part]
    for dls in made[1:]:
        assert (dls.vocab, len(dls.train_ds), len(dls.valid_ds)) == (["cat", "pug"], 16, 4)
        assert dls.path in (pets, pets.parent)
        for (x, y), (other, label) in zip(
            [batch for part in (dls.train, dls.valid) for batch in part], expected, strict=True
        ):
            assert torch.equal(x, other)
            assert torch.equal(y, label)


def test_a_column_may_mark_validation_and_the_table_may_have_its_own_form(pets):
    files = get_image_files(pets)
    rows = [f"{f.name};{f.name[:3]};{i >= 17}" for i, f in enumerate(files)]
    (pets / "own.txt").write_text("\n".join(rows))
    dls = ImageDataLoaders.from_csv(
        pets, "own.txt", header=None, delimiter=";", valid_col=2, **OPTIONS
    )
    assert found(dls)[0] != []
    assert dls.data.valid == [17, 18, 19]
    with pytest.raises(VicinalError, match=r"labels\.csv does not exist: name the table"):
        ImageDataLoaders.from_csv(pets)


def test_several_labels_and_values(pets):
    files = get_image_files(pets)
    tags = ["big red" if i % 2 else "red" for i in range(20)]
    frame = pd.DataFrame({"file": [f.name for f in files], "tags": tags, "size": range(20)})
    dls = ImageDataLoaders.from_df(frame, pets, label_delim=" ", **OPTIONS)
    assert dls.vocab == ["big", "red"]
    _, y = dls.one_batch()
    assert (y.shape, y.dtype, dls.c) == ((4, 2), torch.float32, 2)
    assert isinstance(dls.target_block, MultiCategoryBlock)
    assert sorted(dls.train_ds[i][1].sum().item() for i in range(16)).count(2) >= 6
    lists = ImageDataLoaders.from_lists(pets, files, [tag.split() for tag in tags], **OPTIONS)
    assert torch.equal(lists.one_batch()[1], y)
    values = ImageDataLoaders.from_lists(pets, files, [i / 2 for i in range(20)], **OPTIONS)
    assert (values.vocab, values.c, values.one_batch()[1].shape) == (None, 1, (4,))
    with pytest.raises(VicinalError, match="20 files, but 3 labels"):
        ImageDataLoaders.from_lists(pets, files, ["a", "b", "c"])


def test_images_are_augmented_by_what_is_given_alone(pets):
    pat, common = r"(.+)_\d+.png$", {"bs": 4, "device": "cpu"}
    plain = ImageDataLoaders.from_name_re(pets, pat, **common)
    assert [type(t).__name__ for t in plain.train.transforms] == ["Normalize"]
    own = Normalize.from_stats([0.1] * 3, [0.2] * 3)
    tfms = [*aug_transforms(size=5), own]
    dls = ImageDataLoaders.from_name_re(pets, pat, item_tfms=[Resize(6)], batch_tfms=tfms, **common)
    assert dls.train.transforms == tfms
    assert dls.one_batch()[0].shape == (4, 3, 5, 5)
    one = ImageDataLoaders.from_name_re(pets, pat, batch_tfms=own, **common)
    assert one.train.transforms == [own]
    short = ImageDataLoaders.from_name_re(pets, pat, size=6, **common)
    assert len(short.train.transforms) > 1
    with pytest.raises(VicinalError, match="give either item_tfms and batch_tfms, or item_size"):
        ImageDataLoaders.from_name_re(pets, pat, item_tfms=Resize(6), size=5)


def test_folders_of_other_names(parts):
    dls = ImageDataLoaders.from_folder(parts, train="training", valid="held", **OPTIONS)
    assert all(file.parts[-3] == "held" for file in found(dls)[0])
    assert (len(dls.train_ds), dls.vocab, dls.path) == (6, ["a", "b"], parts)
    turned = ImageDataLoaders.from_folder(
        parts, "training", "held", vocab=["b", "a", "c"], **OPTIONS
    )
    files, labels, vocab = found(turned)
    assert (labels, vocab) == ([file.parent.name for file in files], ["a", "b", "c"])
    with pytest.raises(VicinalError, match="vocab lacks the class 'b'"):
        ImageDataLoaders.from_folder(parts, "training", "held", vocab=["a", "c"], **OPTIONS)
    with pytest.raises(VicinalError, match="no item is in a folder valid above that of its class"):
        GrandparentSplitter("training")(get_image_files(parts))


def test_a_share_is_held_out_even_where_there_is_a_folder_for_validation(parts):
    (parts / "held").rename(parts / "valid")
    (parts / "training").rename(parts / "train")
    given = ImageDataLoaders.from_folder(parts, **OPTIONS)
    assert {file.parts[-3] for file in found(given)[0]} == {"valid"}
    drawn = ImageDataLoaders.from_folder(parts, valid_pct=0.25, **OPTIONS)
    assert len(drawn.valid_ds) == 3
    assert {f.parts[-3] for f in [*drawn.train_ds.items, *found(drawn)[0]]} == {"train", "valid"}
    assert {f.parts[-3] for f in drawn.train_ds.items} == {"train", "valid"}


def test_what_is_not_an_option_is_named(pets):
    for read in (
        lambda **how: ImageDataLoaders.from_name_re(pets, r"(.+)_", **how),
        lambda **how: ImageDataLoaders.from_folder(pets.parent, **how),
        lambda **how: ImageDataLoaders.from_path_func(pets, [], parent_label, **how),
    ):
        with pytest.raises(VicinalError):
            read(batchsize=8)
    with pytest.raises(VicinalError, match=r"no option 'batchsize': they have bs, val_bs"):
        ImageDataLoaders.from_name_re(pets, r"(.+)_", batchsize=8)
    with pytest.raises(VicinalError, match="pat must be a regular expression, not None"):
        ImageDataLoaders.from_name_re(pets)
    with pytest.raises(VicinalError, match="leave out fnames"):
        ImageDataLoaders.from_name_re(pets, get_image_files(pets), r"(.+)_", size=5)


def test_validation_batches_have_a_size_of_their_own(pets):
    dls = ImageDataLoaders.from_name_re(
        pets, get_image_files(pets), r"(.+)_\d", item_tfms=Resize(6), bs=4, val_bs=3, num_workers=0
    )
    assert [dls.train.batch_size, dls.valid.batch_size] == [4, 3]


def test_crops_of_whole_images_differ_from_epoch_to_epoch(pets):
    crop = {**OPTIONS, "item_tfms": RandomResizedCrop(6, min_scale=0.35), "num_workers": 0}
    files = get_image_files(pets)
    dls, again = (ImageDataLoaders.from_name_re(pets, files, r"(.+)_\d", **crop) for _ in range(2))
    assert dls.one_batch()[0].shape == (4, 3, 6, 6)
    first, second = (torch.cat([x for x, _ in dls.train]) for _ in range(2))
    assert torch.equal(first, torch.cat([x for x, _ in again.train]))
    assert not torch.equal(first.sum((1, 2, 3)).sort()[0], second.sum((1, 2, 3)).sort()[0])
    one, other = (torch.cat([x for x, _ in dls.valid]) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(one, torch.cat([x for x, _ in dls.test_dl(dls.valid_ds.items)]))


@pytest.mark.parametrize("kind", ["memory", "mapped", "streamed"])
@pytest.mark.parametrize("skip_bad", [False, True])
def test_values_are_the_same_wherever_images_are(pets, kind, skip_bad):
    files = get_image_files(pets)
    if skip_bad:
        files[3].write_bytes(b"no image")
    values = [[i / 2, -i] for i in range(20)]
    dls = ImageDataLoaders.from_lists(
        *(pets, files, values),
        y_block=RegressionBlock,
        storage=Storage(kind, ""),
        skip_bad=skip_bad,
        num_workers=0,
        **OPTIONS,
    )
    x, y = next(iter(dls.valid))
    rows = [row for row in dls.data.valid if not (skip_bad and row == 3)]
    assert y.tolist() == [values[row] for row in rows]
    assert torch.equal(x, dls.test_batch([files[row] for row in rows]))
    seen = torch.cat([y for _, y in dls.train])
    assert {tuple(row) for row in seen.tolist()} <= {tuple(values[i]) for i in dls.data.train}
