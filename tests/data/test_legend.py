"""Legends: which number or colour is which class."""

import pytest

from vicinal import VicinalError
from vicinal.data.legend import find_legend, packed, read_legend, unpacked

SKY, CAR = packed(128, 64, 0), packed(0, 0, 200)
OF_COLOURS = {
    "CamVid's": "128 64 0\tSky\n0 0 200\tCar",
    "name first": "Sky 128 64 0\nCar 0 0 200",
    "commas": "Sky,128,64,0\nCar,0,0,200",
    "CVAT's": "# label:color_rgb:parts:actions\nSky:128,64,0::\nCar:0,0,200::",
    "a header": "name,r,g,b\nSky,128,64,0\nCar,0,0,200",
    "another header": "r;g;b;class\n128;64;0;Sky\n0;0;200;Car",
    "a byte order mark": "\ufeffname,r,g,b\nSky,128,64,0\nCar,0,0,200",
    "hexadecimal": "Sky #804000\nCar #0000C8",
    "hexadecimal first": "#804000 Sky\n#0000c8 Car",
    "tuples by a header": 'name,color\nSky,"(128, 64,0)"\nCar,"0,0,200"',
    "hexadecimal by a header": "name,color\nSky,#804000\nCar,#0000C8",
}
OF_NUMBERS = {
    "number first": "7 Sky\n11 Car",
    "name first": "Sky,7\nCar,11",
    "equals": "Sky = 7\nCar = 11\n\n// the rest is void",
    "a header": "id,name\n7,Sky\n11,Car",
    "Cityscapes'": 'name,id,trainId,color\nSky,7,255,"(0, 0, 0)"\nCar,11,0,"(0, 0, 0)"\n'
    'plate,-1,-1,"(0, 0, 142)"',
    "a column more": "id\tname\tshare\n7\tSky\t0.3\n11\tCar\t0.1",
}
WRONG = {
    "128 64 0 Sky\n0 0 200 Car\n12 green": "has the line '12 green', which is unlike the others",
    "Sky,128,64,0\nCar,128,64,0": r"has the colour \(128, 64, 0\) twice",
    "7 Sky\n7 Car": "has the number 7 twice",
    "Sky\nSky": "has the name Sky twice",
    "Sky,300,0,0\nCar,0,0,0": "gives Sky no colour of three numbers up to 255",
    "name,r,g,b\nSky,1,2\nCar,1,2,3": "gives Sky no colour",
    "name,color\nSky,blue": "gives Sky no colour",
    " \n": "is empty",
    '{"0": "Sky"}': "is JSON, it seems: give a line for each class",
}


@pytest.mark.parametrize("text", OF_COLOURS.values(), ids=OF_COLOURS)
def test_colours(tmp_path, text):
    (tmp_path / "legend.txt").write_text(text)
    legend = read_legend(tmp_path / "legend.txt")
    assert (legend.kind, legend.names, legend.values) == ("colours", ["Sky", "Car"], [SKY, CAR])


@pytest.mark.parametrize("text", OF_NUMBERS.values(), ids=OF_NUMBERS)
def test_numbers(tmp_path, text):
    (tmp_path / "legend.txt").write_text(text)
    legend = read_legend(tmp_path / "legend.txt")
    assert (legend.kind, legend.names, legend.values) == ("numbers", ["Sky", "Car"], [7, 11])


def test_names_alone_are_numbered(tmp_path):
    (tmp_path / "codes.txt").write_text("Sky\nTraffic light 2\nCar, parked\n")
    legend = find_legend(tmp_path, None)
    assert (legend.kind, legend.values) == ("order", [0, 1, 2])
    assert legend.names[1:] == ["Traffic light 2", "Car, parked"]


@pytest.mark.parametrize(("text", "sentence"), WRONG.items(), ids=WRONG.values())
def test_mistakes(tmp_path, text, sentence):
    (tmp_path / "legend.txt").write_text(text)
    with pytest.raises(VicinalError, match=sentence):
        read_legend(tmp_path / "legend.txt")


def test_what_labelme_ignores_has_no_number(tmp_path):
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ncat\n")
    legend = read_legend(tmp_path / "labels.txt")
    assert (legend.names, legend.values) == (["_background_", "cat"], [0, 1])


def test_numbers_beside_colours_are_kept(tmp_path):
    (tmp_path / "legend.csv").write_text("name,id,color\nSky,7,#804000\nCar,11,#0000C8")
    legend = read_legend(tmp_path / "legend.csv")
    assert (legend.kind, legend.values) == ("colours", [SKY, CAR])
    assert (legend.by_number().kind, legend.by_number().values) == ("numbers", [7, 11])


def test_which_file_is_read(tmp_path):
    assert find_legend(tmp_path, None) is None
    (tmp_path / "Classes.csv").write_text("Sky\nCar\n")
    (tmp_path / "mine.txt").write_text("Cow\nDog\n")
    assert find_legend(tmp_path, None).names == ["Sky", "Car"]
    assert find_legend(tmp_path, "mine.txt").names == ["Cow", "Dog"]
    assert find_legend(tmp_path, str(tmp_path / "mine.txt")).names == ["Cow", "Dog"]
    with pytest.raises(VicinalError, match=r"--legend other.txt is no file"):
        find_legend(tmp_path, "other.txt")


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "legend.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(VicinalError, match="cannot be read"):
        read_legend(tmp_path / "legend.txt")


def test_packing():
    for colour in ((0, 0, 0), (1, 2, 3), (255, 255, 255)):
        assert unpacked(packed(*colour)) == colour
