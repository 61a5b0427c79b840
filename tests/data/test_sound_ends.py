"""Files of sound that do not go on to where they say, of which libsndfile reads what is there."""

import numpy as np
import pytest

from sound_folders import tone, write
from vicinal.data.sound_ends import fault_of_end
from vicinal.data.sound_files import BadSound, read_sound

RATE = 16000
WAVE = np.tile(tone(300, 0.5, RATE), (12, 1))


def end_of(file, data):
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg", ".opus", ".mp3"])
def test_half_of_a_file_is_no_sound(tmp_path, suffix):
    how = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
    file = write(tmp_path / f"whole{suffix}", WAVE, RATE, **how)
    data = file.read_bytes()
    assert len(read_sound(file, RATE).wave) == len(WAVE)
    for number, share in enumerate((0.3, 0.5, 0.7, 0.9)):
        cut = end_of(tmp_path / f"{number}{suffix}", data[: int(share * len(data))])
        with pytest.raises(BadSound):
            read_sound(cut, RATE)


@pytest.mark.parametrize("said", [0xFFFFFFFF, 0x7FFFF000])
def test_a_stream_to_a_wav_file_is_whole(tmp_path, said):
    data = bytearray(write(tmp_path / "a.wav", WAVE, RATE).read_bytes())
    place = data.find(b"data") + 4
    data[place : place + 4] = said.to_bytes(4, "little")
    assert len(read_sound(end_of(tmp_path / "b.wav", data), RATE).wave) == len(WAVE)


def test_an_mp3_file_of_which_a_part_is_decoded(tmp_path):
    loud = np.random.default_rng(0).standard_normal((4 * RATE, 1)) / 8
    wave = np.concatenate([loud, WAVE])  # its bits change, by the first of which its length is told
    data = write(tmp_path / "a.mp3", wave, RATE, bitrate_mode="VARIABLE").read_bytes()
    second = data.find(data[:2], data.find(b"Xing"))
    twice = end_of(tmp_path / "twice.mp3", data + data)
    for file in (end_of(tmp_path / "untold.mp3", data[second:]), twice):
        with pytest.raises(BadSound, match=r"only \d+\.\d of \d+\.\d s are decoded"):
            read_sound(file, RATE)
    tagged = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    assert len(read_sound(end_of(tmp_path / "tag.mp3", tagged + data), RATE).wave) == len(wave)


def test_a_flac_file_that_does_not_say_its_length_is_refused(tmp_path):
    data = bytearray(write(tmp_path / "a.flac", WAVE, RATE).read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    with pytest.raises(BadSound, match="does not say how long it is"):
        read_sound(end_of(tmp_path / "b.flac", data), RATE)


def test_formats_in_which_no_place_is_sought(tmp_path):
    file = write(tmp_path / "a.wav", WAVE, RATE, subtype="GSM610")
    assert len(read_sound(file, RATE).wave) == pytest.approx(len(WAVE), abs=320)


@pytest.mark.parametrize("data", [b"", b"OggS", b"RIFF", b"ID3", b"\xff" * 50, b"FORM" + bytes(99)])
def test_other_bytes_are_no_fault_of_the_end(tmp_path, data):
    file = end_of(tmp_path / "a.mp3", data)
    assert fault_of_end(file, 0, RATE) in ("", "it is cut off: the page that ends it is missing")
