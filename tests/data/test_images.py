"""Every kind of stored image becomes right RGB, and what is broken is named."""

import io
import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from vicinal.data.images import (
    BadImage,
    bad_images_message,
    decode,
    image_name,
    image_shape,
    read_image,
    read_together,
)
from vicinal.data.listing import find_images
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples
from vicinal.errors import VicinalError

from .pictures import BROKEN, encoded, noise, pixels, plain, smooth, write

WHITE, RED, BLUE = [255, 255, 255], [255, 0, 0], [0, 0, 255]
# What a viewer does to show an image of each EXIF orientation upright, undone.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def colour(image, x=0, y=0):
    return image[:, y, x].tolist()


def distance(one, other):
    return (one.int() - other.int()).abs()


def stored(upright, orientation, kind="JPEG", **options):
    how = STORED_AS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = upright if how is None else upright.transpose(how)
    return encoded(turned, kind, exif=exif, **options)


def test_rgb_is_read_as_it_is():
    image = read_image(encoded(noise(5, 7)))
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, pixels(noise(5, 7)))


def test_greyscale_has_three_equal_channels():
    grey = noise().convert("L")
    expected = torch.from_numpy(np.array(grey)).expand(3, -1, -1)
    assert torch.equal(read_image(encoded(grey)), expected)


def test_sixteen_bit_greyscale_keeps_its_whole_range():
    values = np.array([[0, 257, 100 * 257, 200 * 257, 65535]], dtype=np.uint16)
    image = read_image(encoded(Image.fromarray(values)))
    assert image.tolist() == [[[0, 1, 100, 200, 255]]] * 3


@pytest.mark.parametrize("values", [[0, 65535, 70_000], [0, 200, 252], [0.0, 0.5, 1.0]])
def test_thirty_two_bits_of_no_known_range_are_refused(values):
    values = np.array([values])
    values = values.astype(np.float32 if values.dtype == float else np.int32)
    with pytest.raises(BadImage, match="32 bits a pixel, of no known range: store it with 8 or 16"):
        read_image(encoded(Image.fromarray(values), "TIFF"))


def test_one_bit_is_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert read_image(encoded(image)).tolist() == [[[0, 255]]] * 3


def test_a_palette_becomes_its_colours():
    image = noise().quantize(16)
    assert torch.equal(read_image(encoded(image)), pixels(image))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_the_transparent_colour_of_a_palette_shows_white(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    read = read_image(encoded(image, kind, transparency=0))
    assert (colour(read, 0), colour(read, 1)) == (WHITE, BLUE)


def test_each_colour_of_a_palette_has_its_own_transparency():
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *RED, *RED])
    for x in range(3):
        image.putpixel((x, 0), x)
    read = read_image(encoded(image, transparency=bytes([0, 128, 255])))
    assert [colour(read, x) for x in range(3)] == [WHITE, [255, 127, 127], RED]


def test_transparent_pixels_show_white():
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (*BLUE, alpha))
    read = read_image(encoded(image))
    assert [colour(read, x) for x in range(3)] == [WHITE, [127, 127, 255], BLUE]


def test_transparent_greyscale_shows_white():
    image = Image.new("LA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (0, alpha))
    read = read_image(encoded(image))
    assert [colour(read, x) for x in range(3)] == [WHITE, [127] * 3, [0] * 3]


def test_one_transparent_colour_of_an_rgb_image_shows_white():
    image = plain("red", 1, 2)
    image.putpixel((1, 0), tuple(BLUE))
    read = read_image(encoded(image, transparency=tuple(RED)))
    assert (colour(read, 0), colour(read, 1)) == (WHITE, BLUE)


@pytest.mark.parametrize("name", ["red", "blue", "white", "black", "yellow"])
@pytest.mark.parametrize("size", [None, 4])
def test_a_cmyk_jpeg_keeps_its_colours(name, size):
    image = read_image(encoded(plain(name, 32, 32).convert("CMYK"), "JPEG"), size)
    expected = pixels(plain(name, *image.shape[1:]))
    assert distance(image, expected).max() <= 3


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("size", [None, 16])
def test_the_camera_s_orientation_is_applied(orientation, size):
    upright = smooth(48, 80)
    image = read_image(stored(upright, orientation, quality=95, subsampling=0), size)
    expected = upright if size is None else ImageOps.fit(upright, (size, size))
    assert image.shape == pixels(expected).shape
    assert distance(image, pixels(expected)).max() <= 12
    assert distance(image, pixels(expected)).float().mean() < 2


@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_orientation_is_applied_without_loss_and_to_pil_images_too(orientation):
    upright = noise(4, 6)
    file = stored(upright, orientation, "PNG")
    for source in (file, Image.open(io.BytesIO(file))):
        assert torch.equal(read_image(source), pixels(upright))


def test_an_animation_shows_its_first_frame():
    frames = [plain("red"), plain("blue")]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert torch.equal(read_image(file), pixels(frames[0]))


@pytest.mark.parametrize(("height", "width"), [(1200, 1600), (1601, 901), (256, 4000)])
@pytest.mark.parametrize("size", [32, 100, 224])
def test_a_large_jpeg_read_small_looks_like_the_whole_one_made_small(height, width, size):
    scale = size / 2 / min(height, width)  # what it shows is two pixels wide when it is small
    image = noise(round(height * scale), round(width * scale))
    file = encoded(image.resize((width, height), Image.Resampling.BICUBIC), "JPEG")
    whole = ImageOps.fit(Image.open(io.BytesIO(file)), (size, size), Image.Resampling.BILINEAR)
    image = read_image(file, size)
    assert image.shape == (3, size, size)
    assert distance(image, pixels(whole)).max() < 30
    assert distance(image, pixels(whole)).float().mean() < 5


@pytest.mark.parametrize(("height", "width"), [(8, 24), (24, 8)])
def test_the_centre_is_cropped(height, width):
    image = plain("red", height, width)
    image.paste("blue", ((width - 8) // 2, (height - 8) // 2, (width + 8) // 2, (height + 8) // 2))
    assert torch.equal(read_image(image, 8), pixels(plain("blue")))


def test_small_images_are_enlarged():
    assert torch.equal(read_image(encoded(plain("red", 3, 3)), 12), pixels(plain("red", 12, 12)))


def test_all_sources_give_the_same(tmp_path):
    content = encoded(noise())
    file = tmp_path / "noise.png"
    file.write_bytes(content)
    sources = [
        file,
        str(file),
        content,
        {"bytes": content, "path": "elsewhere.png"},
        {"bytes": None, "path": str(file)},
        {"path": str(file)},
        io.BytesIO(content),
        noise(),
        Image.open(file),
    ]
    assert all(torch.equal(read_image(source), pixels(noise())) for source in sources)


def test_a_pil_image_is_left_as_it_is():
    image = noise(20, 30)
    read_image(image, 4)
    assert torch.equal(pixels(image), pixels(noise(20, 30)))


def broken_ones():
    jpeg, png = encoded(smooth(64, 64), "JPEG"), encoded(noise(64, 64))
    return {
        "empty": b"",
        "no image": BROKEN,
        "a page": b"<html>not found</html>",
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "half a PNG": png[: len(png) // 2],
        "a JPEG's start": jpeg[:10],
        "too large": b"P5 999999 999999 255 ",
    }


@pytest.mark.parametrize("content", broken_ones().values(), ids=broken_ones())
@pytest.mark.parametrize("size", [None, 8])
def test_what_is_broken_says_so_in_one_line(content, size, tmp_path):
    file = tmp_path / "broken.jpg"
    file.write_bytes(content)
    for source in (content, {"bytes": content, "path": None}, file):
        with pytest.raises(BadImage) as caught:
            read_image(source, size)
        assert re.fullmatch(r"[^<\n]+", str(caught.value))


@pytest.mark.parametrize("source", [None, {}, {"bytes": None, "path": None}])
def test_a_missing_image_is_a_bad_one(source):
    with pytest.raises(BadImage, match="no image is stored"):
        read_image(source)


def test_a_missing_file_is_a_bad_image(tmp_path):
    with pytest.raises(BadImage, match=r"^No such file or directory$"):
        read_image(tmp_path / "none.png")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_damaged_bytes_give_an_image_or_a_bad_image(kind):
    content = stored(noise(12, 10), 6, kind) if kind != "GIF" else encoded(noise(12, 10), kind)
    damage = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1)

    @settings(max_examples=100, deadline=None)
    @given(damage=damage, length=st.integers(0, len(content)))
    def check(damage, length):
        damaged = bytearray(content)
        for place, value in damage:
            damaged[place] = value
        for source in (bytes(damaged), content[:length]):
            with suppress(BadImage):
                assert read_image(source, 8).shape == (3, 8, 8)

    check()


def test_the_shape_is_read_off_the_header():
    content = encoded(noise(200, 300), "JPEG")
    assert image_shape(content[: len(content) // 2]) == (200, 300)


@pytest.mark.parametrize("content", [b"", BROKEN, broken_ones()["too large"]])
def test_the_shape_of_what_is_no_image(content):
    with pytest.raises(BadImage, match=r"^[^<\n]+$"):
        image_shape(content)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("cats/1.png", "cats/1.png"),
        (b"...", "image 7"),
        ({"bytes": b"...", "path": "1.png"}, "image 7 (1.png)"),
        ({"bytes": b"...", "path": None}, "image 7"),
    ],
)
def test_what_an_image_is_called(image, name):
    assert image_name(image, 7) == name


def test_decoding_keeps_the_order_and_the_labels():
    images = [plain((i, 0, 0), 4, 4) for i in range(100)]
    decoded, bad = decode(Samples([encoded(i) for i in images], list(range(100))), None)
    assert decoded.images.shape == (100, 3, 4, 4)
    assert decoded.images.dtype == torch.uint8
    assert decoded.images[:, 0, 0, 0].tolist() == decoded.labels == list(range(100))
    assert bad == []


def test_a_size_makes_images_alike():
    images = [encoded(noise(5 + i, 9 - i)) for i in range(4)]
    decoded, _ = decode(Samples(images, [0] * 4), 6)
    assert decoded.images.shape == (4, 3, 6, 6)
    assert torch.equal(decoded.images[1], read_image(images[1], 6))


def test_without_a_size_images_that_differ_are_named(tmp_path):
    write(tmp_path, a=noise(4, 4), b=noise(4, 4), c=noise(4, 6))
    files = find_images(tmp_path)
    with pytest.raises(
        VicinalError, match=r"c\.png has 4x6 pixels, the first one 4x4.*give a size"
    ):
        decode(Samples(files, [0] * 3), None)


def five_with_broken(folder, *names):
    images = {name: BROKEN if name in names else None for name in "abcde"}
    return Samples(find_images(write(folder, **images)), [0, 1, 2, 3, 4])


def test_one_corrupt_image_among_many_is_named(tmp_path):
    with pytest.raises(BadImage, match=r"^1 of 5 images cannot be read: \S+c\.png .*skip_bad"):
        decode(five_with_broken(tmp_path, "c"), 4)


def test_several_corrupt_images_are_counted(tmp_path):
    with pytest.raises(BadImage, match=r"^2 of 5 images cannot be read, the first is \S+b\.png "):
        decode(five_with_broken(tmp_path, "b", "e"), 4)


def test_corrupt_images_are_left_out_where_asked(tmp_path):
    samples = five_with_broken(tmp_path, "b", "e")
    decoded, bad = decode(samples, None, skip_bad=True)
    assert decoded.labels == [0, 2, 3]
    expected = torch.stack([read_image(samples.images[i]) for i in decoded.labels])
    assert torch.equal(decoded.images, expected)
    assert [re.search(r"(\w)\.png ", name)[1] for name in bad] == ["b", "e"]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_nothing_but_corrupt_images(tmp_path, skip_bad):
    with pytest.raises(BadImage, match=r"5 (of 5 )?images can.*a\.png"):
        decode(five_with_broken(tmp_path, *"abcde"), 4, skip_bad=skip_bad)


def test_each_image_is_reported_once_also_where_it_is_corrupt(tmp_path):
    calls = []
    samples = five_with_broken(tmp_path, "b")
    decode(samples, 4, skip_bad=True, on_image=lambda: calls.append(1))
    assert len(calls) == 5


def test_decoded_images_are_only_resized():
    images = torch.stack([pixels(plain((i, 2 * i, 0), 6, 6)) for i in range(3)])
    samples = Samples(images, [0, 1, 0])
    assert decode(samples, None)[0].images is images
    resized, bad = decode(samples, 3)
    assert torch.equal(resized.images, images[:, :, :3, :3])
    assert (resized.labels, bad) == ([0, 1, 0], [])


def test_the_message_says_what_to_do():
    message = bad_images_message(["a.png (empty)"], 1000)
    assert message == (
        "1 of 1,000 images cannot be read: a.png (empty); repair or remove what is broken, or "
        "leave it out with skip_bad (--skip-bad)"
    )


class TestTogether:
    """Several images at once are what each is alone."""

    def stored(self):
        generator = np.random.default_rng(0)
        files = []
        for kind, shape in [
            *[("JPEG", (20, 30, 3))] * 3,
            ("JPEG", (31, 20, 3)),  # at a size of which a centre has no whole pixels
            ("PNG", (20, 30, 3)),
            ("JPEG", (20, 30)),
            ("JPEG", (200, 300, 3)),
            ("JPEG", (20, 30, 3)),
        ]:
            file = io.BytesIO()
            pixels = generator.integers(0, 256, shape, dtype=np.uint8)
            turned = Image.Exif()
            turned[274] = 6 if len(files) == 7 else 1
            options = {"exif": turned} if len(files) == 7 else {}
            Image.fromarray(pixels).save(file, kind, **options)
            files.append(file.getvalue())
        return files

    @pytest.mark.parametrize("method", ["crop", "squish", "pad"])
    @pytest.mark.parametrize("size", [(8, 8), (9, 12), (40, 30)])
    def test_pixels(self, method, size):
        files, resizing = self.stored(), Resizing(*size, method)
        read = read_together(files, resizing, 65535)
        for file, image in zip(files, read, strict=True):
            assert torch.equal(image, read_image(file, resizing))

    def test_nothing_but_bad_ones(self):
        read = read_together([self.stored()[1][:300]] * 2, 8, 65535)
        assert [type(image) for image in read] == [BadImage] * 2

    def test_bad_ones_among_them(self):
        files = self.stored()
        files[1], files[4] = files[1][:300], b""
        read = read_together(files, 8, 65535)
        for place, file in enumerate(files):
            if place not in (1, 4):
                assert torch.equal(read[place], read_image(file, 8))
                continue
            with pytest.raises(BadImage) as error:
                read_image(file, 8)
            assert str(read[place]) == str(error.value)
