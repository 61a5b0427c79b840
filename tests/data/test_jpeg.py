"""The fast decoder of JPEG reads what Pillow reads, and leaves to it what only Pillow judges."""

import io
import struct

import pytest
import torch
from PIL import Image

from vicinal.data import jpeg
from vicinal.data.decoded_file import content_key
from vicinal.data.images import BadImage, read_image
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples

from .pictures import encoded, noise, smooth

pytest.importorskip("simplejpeg")

SIZES = [None, 16, 50, Resizing(30, 50), Resizing(40, 20, "squish"), Resizing(33, 33, "pad")]


def detailed(height, width):
    return noise(height // 4, width // 4).resize((width, height), Image.Resampling.BICUBIC)


def both(content, size, monkeypatch):
    fast = read_image(content, size)
    with monkeypatch.context() as patch:
        patch.setattr(jpeg, "simplejpeg", None)
        return fast.int(), read_image(content, size).int()


def is_fast(content):
    scaled = jpeg.scaled(content, None)
    return scaled is not None and jpeg.read_jpeg(content, scaled) is not None


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (120, 97), (61, 240), (400, 300)])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}], ids=str)
def test_the_pixels_are_pillow_s(size, height, width, options, monkeypatch):
    content = encoded(detailed(height, width), "JPEG", quality=90, **options)
    assert is_fast(content)
    fast, slow = both(content, size, monkeypatch)
    assert fast.shape == slow.shape
    assert (fast - slow).abs().float().mean() < 1
    # Decoders differ in how they enlarge what colours have fewer pixels of.
    assert (fast - slow).abs().max() <= (2 if options.get("subsampling") == 0 else 40)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_colour(mode, monkeypatch):
    content = encoded(detailed(64, 48).convert(mode), "JPEG")
    assert is_fast(content)
    assert torch.equal(*both(content, None, monkeypatch))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, Resizing(20, 30), Resizing(20, 30, "pad")], ids=str)
def test_the_orientation_is_pillow_s(orientation, size, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(smooth(48, 64), "JPEG", exif=exif)
    assert is_fast(content)
    fast, slow = both(content, size, monkeypatch)
    assert (fast - slow).abs().max() <= 2


def test_an_orientation_in_xmp_counts():
    xmp = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    content = encoded(smooth(48, 64), "JPEG", xmp=xmp)
    assert jpeg.orientation(content) == 6
    assert read_image(content).shape == (3, 64, 48)


def test_padding_between_segments_is_passed_over():
    content = encoded(smooth(8, 8), "JPEG")
    assert not jpeg.may_be_turned(content)
    assert not jpeg.may_be_turned(content[:2] + b"\xff\xff" + content[2:])


def test_an_orientation_that_is_no_number_is_none():
    entry = struct.pack("<HHI4s", 0x0112, 2, 4, b"abc")  # text
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    content = encoded(smooth(48, 64), "JPEG", exif=exif)
    assert jpeg.orientation(content) == "abc"
    assert read_image(content).shape == (3, 48, 64)


def judged_by_pillow():
    image = smooth(64, 64)
    content = encoded(image, "JPEG")
    damaged = bytearray(content)
    damaged[-40:-38] = b"\xff\xd0"  # amid the pixels
    return {
        "no JPEG": encoded(image),
        "CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "truncated": content[: len(content) // 2],
        "no end": content[:-2],
        "damaged": bytes(damaged),
        "nothing but a start": jpeg.START,
    }


@pytest.mark.parametrize("content", judged_by_pillow().values(), ids=judged_by_pillow())
@pytest.mark.parametrize("size", [None, 16])
def test_what_is_dubious_is_left_to_pillow(content, size, monkeypatch):
    assert not is_fast(content)

    def outcome():
        try:
            return read_image(content, size).tolist()
        except BadImage as error:
            return str(error)

    ours = outcome()
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert ours == outcome()


def test_what_is_too_large_is_left_to_pillow(monkeypatch):
    content = encoded(smooth(64, 64), "JPEG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    assert not is_fast(content)
    with pytest.warns(Image.DecompressionBombWarning):
        read_image(content)


def test_images_do_not_share_memory():
    contents = [encoded(noise(side, side, seed), "JPEG") for seed, side in enumerate((16, 1, 16))]
    for size in (None, 16, 1):
        first = [read_image(content, size) for content in contents]
        kept = [image.clone() for image in first]
        for content in contents:
            read_image(content, size)
        assert all(map(torch.equal, first, kept))


def test_the_cache_keeps_decoders_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path))
    samples = Samples([encoded(noise(), "JPEG")], [0])
    key = content_key(samples, 8)
    monkeypatch.setattr(jpeg, "DECODER", "no simplejpeg")
    assert content_key(samples, 8) != key


def test_an_opened_file_is_read_again():
    opened = Image.open(io.BytesIO(encoded(smooth(40, 40), "JPEG")))
    assert torch.equal(read_image(opened, 8), read_image(opened, 8))
