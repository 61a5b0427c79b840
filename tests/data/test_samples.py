"""Samples, their split, and the indices of their classes."""

import pytest
import torch

from vicinal.data import samples as samples_module
from vicinal.data.samples import Samples, Split, held_out, index_labels
from vicinal.errors import VicinalError

from .pictures import write

SAMPLES = Samples([f"{i}.png" for i in range(50)], [i % 3 for i in range(50)])


class Rows(list):
    """Images that know how to be picked without being read."""

    def subset(self, indices):
        return Rows(f"row {self[i]}" for i in indices)


def test_a_subset_keeps_image_and_label_together():
    subset = SAMPLES.subset([40, 2])
    assert (subset.images, subset.labels) == (["40.png", "2.png"], [1, 2])


def test_a_subset_of_a_tensor_is_a_tensor():
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(-1, 3, 2, 2)
    subset = Samples(images, [0, 1, 0, 1, 0]).subset([3, 0])
    assert subset.images[:, 0, 0, 0].tolist() == [3, 0]
    assert subset.labels == [1, 0]


def test_images_that_can_be_picked_unread_are():
    assert Samples(Rows("abc"), [0, 1, 0]).subset([2]).images == ["row c"]


def test_classes_are_sorted_and_indexed():
    assert index_labels(["pug", "cat", "pug", "ant"]) == ([2, 1, 2, 0], ["ant", "cat", "pug"])


@pytest.mark.parametrize(
    ("vocab", "message"), [(["pug"], "only the class 'pug'"), ([], "the data have no class")]
)
def test_a_split_needs_two_classes(vocab, message):
    with pytest.raises(VicinalError, match=f"{message}.*two or more"):
        Split(SAMPLES, SAMPLES, vocab)


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_split_names_its_empty_part(part):
    parts = [SAMPLES, SAMPLES]
    parts[part == "validation"] = Samples([], [])
    with pytest.raises(VicinalError, match=f"the {part} part is empty"):
        Split(*parts, ["a", "b", "c"])


def files_of(folder, **images):
    files = sorted(write(folder, **images).rglob("*.png"))
    labels, vocab = index_labels([file.parent.name for file in files])
    return Samples(files, labels), vocab


class TestHeldOut:
    def test_a_class_with_one_image_is_trained_on_and_said_to_be_untested(self):
        samples = Samples([f"{i}.png" for i in range(17)], [0] * 8 + [1] * 8 + [2])
        for seed in range(10):
            split = held_out(samples, ["cat", "dog", "fox"], 0.4, seed)
            assert set(split.train.labels) == {0, 1, 2}
            assert split.notes == [
                "validation: 7 images held out at random (40%)",
                "untested: no validation image of 1 of 3 classes: fox",
            ]

    def test_images_with_the_same_bytes_are_on_one_side(self, tmp_path):
        pictures = {f"{name}__{i}": bytes([i // 3]) * 99 for name in ("cat",) for i in range(12)}
        samples, vocab = files_of(tmp_path, dog__1=None, dog__2=None, dog__3=None, **pictures)
        for seed in range(5):
            split = held_out(samples, vocab, 0.3, seed)
            sides = [
                {file.read_bytes() for file in part.images} for part in (split.train, split.valid)
            ]
            assert not sides[0] & sides[1]
            assert "duplicates: 8 images with the same bytes as another one" in split.notes

    def test_the_same_bytes_under_two_labels(self, tmp_path):
        pictures = {f"cat__{i}": None for i in range(8)} | {f"dog__{i}": None for i in range(8)}
        samples, vocab = files_of(tmp_path, **pictures, cat__same=b"same", dog__same=b"same")
        notes = held_out(samples, vocab, 0.3, 0).notes
        assert notes[-1] == (
            "conflicts: 2 images with the same bytes as one of another class, such as "
            f"{tmp_path}/cat/same.png and {tmp_path}/dog/same.png"
        )

    def test_whole_groups(self):
        groups = [f"patient {i // 6}" for i in range(60)]
        samples = Samples([f"{i}.png" for i in range(60)], [i // 6 % 2 for i in range(60)])
        split = held_out(samples, ["ill", "well"], 0.2, 0, groups=groups)
        at = [
            {int(name.removesuffix(".png")) // 6 for name in part.images}
            for part in (split.train, split.valid)
        ]
        assert not at[0] & at[1]
        assert split.notes == ["validation: 12 images, of 2 of 10 groups held out (20%)"]

    def test_the_share_that_copies_force_is_said(self, tmp_path):
        pictures = {f"cat__{i}": b"a" * (1 + i // 5) for i in range(10)}
        samples, vocab = files_of(tmp_path, dog__1=None, dog__2=None, **pictures)
        said = {
            len(split.valid): split.notes[0].removeprefix("validation: ")
            for split in (held_out(samples, vocab, 0.5, seed) for seed in range(10))
        }
        assert said.pop(6) == "6 images held out at random (50%)"
        assert said
        for count, text in said.items():
            share = f"{count / 12:.0%}, for copies stay together"
            assert text == f"{count} image{'s' * (count > 1)} held out at random ({share})"

    def test_very_many_files_are_not_compared(self, tmp_path, monkeypatch):
        monkeypatch.setattr(samples_module, "MOST_COMPARED", 10)
        samples, vocab = files_of(tmp_path, **{f"{'ab'[i % 2]}__{i}": b"same" for i in range(11)})
        notes = held_out(samples, vocab, 0.3, 0).notes
        assert notes[-1] == "duplicates: not looked for, among more than 10 images"
