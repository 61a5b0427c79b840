"""Images of 16 bits that use few of them: the range is said, and taken where it is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import ImageDataLoaders
from vicinal.data import mirrors
from vicinal.data.filling import cached
from vicinal.data.image_data import StreamedImages
from vicinal.data.images import decode, read_image
from vicinal.data.mirrors import mirrored_classes
from vicinal.data.samples import Samples
from vicinal.data.sources import load_split
from vicinal.errors import VicinalError
from vicinal.tasks.images import ImagePreprocessing

from .pictures import encoded, noise, write


def sixteen(*values):
    return Image.fromarray(np.uint16([values]))


def folder(tmp_path, image, kind="png"):
    for label in "ab":
        (tmp_path / label).mkdir(parents=True)
        for number in range(4):
            image.save(tmp_path / label / f"{number}.{kind}")
    return tmp_path


def notes(tmp_path, **options):
    found = load_split(tmp_path, **options).notes
    return [note for note in found if note.startswith(("pixels", "pages"))]


class TestNotes:
    @pytest.mark.parametrize(
        ("most", "named"), [(1, 255), (255, 255), (256, 1023), (4000, 4095), (4095, 4095)]
    )
    @pytest.mark.parametrize("kind", ["png", "tiff"])
    def test_a_range_that_is_nearly_black_is_said(self, tmp_path, most, named, kind):
        (note,) = notes(folder(tmp_path, sixteen(0, most), kind))
        assert f"up to {most:,} in the 8 images of 16 bits that were looked at" in note
        assert f"--pixel-range {named} " in note

    @pytest.mark.parametrize("image", [sixteen(0, 4096), sixteen(0, 65535), noise()])
    def test_others_are_not_mentioned(self, tmp_path, image):
        assert notes(folder(tmp_path, image)) == []

    def test_pgm_files_say_themselves_what_is_white(self, tmp_path):
        write(tmp_path, a__1=None, b__1=None)
        for file in tmp_path.rglob("*.png"):
            file.with_suffix(".pgm").write_bytes(b"P5 2 1 4095 \x00\x00\x0f\xff")
            file.unlink()
        split = load_split(tmp_path)
        assert not [note for note in split.notes if note.startswith("pixels")]
        assert read_image(split.train.images[0]).tolist() == [[[0, 255]]] * 3

    def test_the_pages_of_a_tiff_are_said(self, tmp_path):
        for label in "ab":
            (tmp_path / label).mkdir()
            pages = [noise(seed=seed) for seed in range(3)]
            pages[0].save(tmp_path / label / "1.tif", save_all=True, append_images=pages[1:])
        assert notes(tmp_path) == ["pages: TIFF files have up to 3, of which the first is read"]
        read = read_image(tmp_path / "a" / "1.tif")
        assert torch.equal(read, read_image(noise(seed=0)))

    def test_files_that_are_looked_at_are_kept_for_decoding(self, tmp_path):
        split = load_split(folder(tmp_path, noise()))
        assert len(split.train.prefetched) == len(split.train)

    def test_jpeg_files_are_not_opened(self, tmp_path):
        split = load_split(folder(tmp_path, noise(), "jpg"))
        assert split.train.prefetched == split.valid.prefetched == {}


class TestRequest:
    def test_the_value_becomes_white_everywhere(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
        image = sixteen(*[0, 1365, 2730, 4095] * 2).resize((8, 8), Image.Resampling.NEAREST)
        data = folder(tmp_path / "data", image) if (tmp_path / "data").mkdir() is None else None
        split = load_split(data, pixel_range=4095)
        assert notes(data, pixel_range=4095)[0].endswith("of which 4,095 is white")
        expected = torch.tensor([0, 85, 170, 255] * 2).expand(3, 8, 8)
        for size in (None, 8):
            dls = ImageDataLoaders.from_split(split, item_size=size, bs=2, device="cpu")
            pixels, _ = dls.valid.dataset.__getitems__([0])
            assert torch.equal(pixels[0], expected.to(torch.uint8))
        assert torch.equal(StreamedImages(split.valid, 8).__getitems__([0])[0], pixels)
        dark = ImageDataLoaders.from_split(load_split(data), item_size=8, bs=2, device="cpu")
        assert dark.valid.dataset.__getitems__([0])[0].max() == 16  # not what is cached
        assert split.train.subset([0]).pixel_range == 4095

    def test_predictions_read_images_as_in_training(self):
        common = {"model": "resnet9", "vocab": ["a", "b"], "item_size": 2, "size": 2}
        made = ImagePreprocessing(**common, mean=[0] * 3, std=[1] * 3, pixel_range=4095)
        image = sixteen(4095, 4095).resize((2, 2))
        assert made.batch([encoded(image)]).tolist() == torch.ones(1, 3, 2, 2).tolist()
        stored = {key: value for key, value in made.to_json().items() if key != "pixel_range"}
        assert ImagePreprocessing(**stored).batch([encoded(image)]).max() < 0.1  # older runs

    def test_what_is_above_is_said(self, tmp_path):
        (note,) = notes(folder(tmp_path, sixteen(0, 5000)), pixel_range=4095)
        assert note.endswith("4,095 is white: what is above is white, too")

    @pytest.mark.parametrize("value", [0, -1, 65536])
    def test_a_value_that_16_bits_do_not_have_is_refused(self, tmp_path, value):
        with pytest.raises(VicinalError, match=f"1 to 65535, not {value}"):
            load_split(folder(tmp_path, sixteen(0, 9)), pixel_range=value)

    def test_data_without_16_bits_refuse_it(self, tmp_path):
        folder(tmp_path, noise())
        with pytest.raises(VicinalError, match="has 16 bits a pixel, so --pixel-range 9 "):
            load_split(tmp_path, pixel_range=9)


def test_tables_refuse_it(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("x,label\n" + "1.5,a\n2.5,b\n" * 10)
    with pytest.raises(VicinalError, match="rows are read without a range, so --pixel-range 9"):
        load_split(file, pixel_range=9)


def test_negatives_of_16_bits_are_turned():
    content = encoded(sixteen(0, 65535), "TIFF", tiffinfo={262: 0})
    assert read_image(content).tolist() == [[[255, 0]]] * 3
    assert read_image(encoded(sixteen(0, 65535), "TIFF")).tolist() == [[[0, 255]]] * 3


@pytest.mark.parametrize("value", [0, 1000, 65535])
def test_pgm_files_of_16_bits_are_read(value):
    content = b"P5 1 1 65535 " + value.to_bytes(2, "big")
    assert read_image(content).tolist() == [[[round(value / 257)]]] * 3
    assert read_image(content, pixel_range=4095).tolist() == [[[round(value / 257)]]] * 3


def test_the_range_survives_copies(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    part = load_split(folder(tmp_path / "data", sixteen(0, 4095)), pixel_range=4095).train
    copies = [part.subset([0]), decode(part, 1)[0], cached(part, 1)[0]]
    assert [copy.pixel_range for copy in copies] == [4095] * 3


def test_mirrored_images_are_looked_at_in_their_range(monkeypatch):
    seen = []
    monkeypatch.setattr(
        mirrors, "read_image", lambda *each: seen.append(each[2]) or read_image(*each)
    )
    images = [encoded(sixteen(*range(number, number + 9))) for number in range(16)]
    mirrored_classes(Samples(images, [0, 1] * 8, pixel_range=24), ["a", "b"], small=True)
    assert set(seen) == {24}
