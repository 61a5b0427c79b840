"""Formats that other packages read are read where these are installed, and named where not."""

import importlib.util
import io

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal.data import plugins
from vicinal.data.decoding import open_image
from vicinal.data.dicom import _silence
from vicinal.data.images import BadImage, image_shape, read_image
from vicinal.data.plugins import is_readable, missing_reader

from .pictures import encoded, pixels, plain, smooth

DICOM_START = b"\0" * 128 + b"DICM"
HEIC_START = b"\0\0\0\x18ftypheic" + b"\0" * 12


@pytest.fixture
def bare(monkeypatch):
    """Pillow without plugins, and none installed."""
    monkeypatch.setattr(plugins, "find_spec", lambda _: None)
    Image.init()
    added = {"HEIF", "JXL"}
    kinds = {suffix: kind for suffix, kind in Image.EXTENSION.items() if kind not in added}
    monkeypatch.setattr(Image, "EXTENSION", kinds)
    monkeypatch.setattr(Image, "ID", [kind for kind in Image.ID if kind not in added])


class TestEndings:
    @pytest.mark.parametrize(
        "suffix", [".jpg", ".JPEG", ".png", ".tif", ".webp", ".gif", ".pgm", ".mpo", ".jp2"]
    )
    def test_of_pillow(self, suffix):
        assert is_readable(suffix)
        assert missing_reader(suffix) is None

    @pytest.mark.parametrize("suffix", [".h5", ".pdf", ".grib", ".mpeg", ".txt", "", ".wmf"])
    def test_of_no_image(self, suffix):
        assert not is_readable(suffix)

    @pytest.mark.parametrize("there", [False, True])
    def test_of_postscript_depend_on_ghostscript(self, there, monkeypatch):
        monkeypatch.setattr(plugins.EpsImagePlugin, "has_ghostscript", lambda: there)
        assert is_readable(".eps") == there
        assert (missing_reader(".eps") is None) == there

    @pytest.mark.parametrize(
        ("suffix", "package"),
        [
            *((suffix, "pillow-heif") for suffix in (".heic", ".HEIC", ".heif", ".hif")),
            (".jxl", "pillow-jxl-plugin"),
            (".dcm", "pydicom"),
        ],
    )
    def test_of_packages_that_are_missing(self, bare, suffix, package, monkeypatch):
        assert not is_readable(suffix)
        assert missing_reader(suffix) == f"pip install {package} reads them"
        monkeypatch.setattr(plugins, "find_spec", lambda name: name)  # it is installed now
        assert is_readable(suffix)
        assert missing_reader(suffix) is None

    def test_a_plugin_counts_from_its_registration(self, bare, monkeypatch):
        assert not is_readable(".new")
        monkeypatch.setitem(Image.EXTENSION, ".new", "NEW")
        assert is_readable(".new")

    def test_of_vectors(self):
        assert missing_reader(".svg") == "save them as PNG"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (DICOM_START, "pydicom"),
        (HEIC_START, "pillow-heif"),
        (b"\xff\x0a\0\0", "pillow-jxl-plugin"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0", "pillow-jxl-plugin"),
        (b'<?xml version="1.0"?>\n<svg width="9">', "save them as PNG"),
    ],
)
def test_what_would_read_a_file_is_named_by_its_content(bare, content, named):
    with pytest.raises(BadImage, match=rf"cannot identify image file: .*{named}"):
        read_image(content)


class TestPackages:
    @pytest.mark.parametrize(("package", "kind"), [("pillow_heif", "HEIF"), ("pillow_jxl", "JXL")])
    def test_of_pillow_s_plugins(self, package, kind):
        pytest.importorskip(package)
        plugins.register()
        image = smooth(40, 60)
        content = encoded(image, kind, quality=95)
        assert image_shape(content) == (40, 60)
        assert (read_image(content).int() - pixels(image).int()).abs().float().mean() < 3
        assert read_image(content, 16).shape == (3, 16, 16)

    def test_a_heic_file_s_exif_does_not_turn_it(self):
        """Its own transformations do, and are applied by the decoder."""
        pytest.importorskip("pillow_heif")
        plugins.register()
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = smooth(40, 60)
        read = read_image(encoded(stored, "HEIF", quality=95, exif=exif))
        assert (read.int() - pixels(stored).int()).abs().float().mean() < 3


def dicom(values, **tags):
    pydicom = pytest.importorskip("pydicom", minversion="3")
    values = np.asarray(values)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 3 if values.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = values.tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


class TestDicom:
    def grey(self, content):
        read = read_image(content)
        assert torch.equal(read[0], read[1])
        return read[0].tolist()

    def test_bytes_keep_their_values(self):
        assert self.grey(dicom(np.uint8([[0, 7], [200, 90]]))) == [[0, 7], [200, 90]]

    def test_the_window_counts(self):
        values = np.int16([[-1000, 0, 20, 40, 1000]])
        window = {"WindowCenter": 20.5, "WindowWidth": 41, "RescaleSlope": 1}
        shown = self.grey(dicom(values, RescaleIntercept=0, **window))
        assert shown == [[0, 0, 128, 255, 255]]
        shifted = dicom(values + 500, RescaleIntercept=-500, **window)
        assert self.grey(shifted) == shown

    def test_the_first_of_several_windows_counts(self):
        content = dicom(np.int16([[0, 20, 40]]), WindowCenter=[20.5, 0], WindowWidth=[41, 9])
        assert self.grey(content) == [[0, 128, 255]]

    def test_without_a_window_values_of_more_bits_are_seen_from_end_to_end(self):
        assert self.grey(dicom(np.uint16([[100, 1100, 2100]]), BitsStored=12, HighBit=11)) == [
            [0, 128, 255]
        ]

    def test_of_one_value(self):
        assert self.grey(dicom(np.uint16([[9, 9]]))) == [[0, 0]]

    def test_what_is_black_at_its_greatest_value(self):
        content = dicom(np.uint8([[0, 55]]), PhotometricInterpretation="MONOCHROME1")
        assert self.grey(content) == [[255, 200]]

    def test_colours(self):
        image = plain((10, 20, 200), 3, 2)
        assert torch.equal(read_image(dicom(np.array(image))), pixels(image))

    def test_the_first_of_several_frames(self):
        content = dicom(np.uint8([[1, 2], [3, 4]]), Rows=1, NumberOfFrames=2)
        assert self.grey(content) == [[1, 2]]

    def test_without_pixels_it_is_a_bad_image(self):
        with pytest.raises(BadImage):
            read_image(dicom(np.uint8([[1, 2]]))[:-30])

    def test_colours_of_more_bits(self):
        values = np.uint16([[[0, 300, 1000], [1023, 512, 4]]])
        read = read_image(dicom(values, BitsStored=10, HighBit=9))
        assert read.permute(1, 2, 0).tolist() == [[[0, 75, 249], [255, 128, 1]]]

    def test_its_format_is_named(self):
        with open_image(dicom(np.uint8([[1, 2]]))) as opened:
            assert opened.format == "DICOM"

    def test_packages_that_are_missing_are_named(self):
        pydicom = pytest.importorskip("pydicom", minversion="3")
        content = dicom(np.uint8([[1, 2]]))
        dataset = pydicom.dcmread(io.BytesIO(content))
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xf7"])
        file = io.BytesIO()
        dataset.save_as(file)
        if importlib.util.find_spec("jpeg_ls") is not None:
            pytest.skip("it can be read here")
        with pytest.raises(BadImage, match=r"missing dependencies: .*requires .*pyjpegls"):
            read_image(file.getvalue())

    def test_what_pydicom_warns_of_is_not_printed(self, recwarn):
        _silence.cache_clear()  # pytest has its own filters in each test
        content = dicom(np.uint8([[1, 2], [3, 4]]), NumberOfFrames=1, Rows=1)
        assert self.grey(content) == [[1, 2]]
        assert not recwarn.list
