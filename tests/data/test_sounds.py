"""Sounds as they are found, decoded and kept."""

import numpy as np
import pandas as pd
import pytest

from sound_folders import RATE, in_parquet, tone, tones, write
from vicinal import VicinalError
from vicinal.data import cache, sound_files, waves
from vicinal.data.request import DataRequest
from vicinal.data.sound_files import BadSound, read_sound
from vicinal.data.sound_finder import sound_split
from vicinal.data.sound_split import usual_length, usual_rate, waves_of
from vicinal.data.sources import load_split
from vicinal.data.waves import decode_sounds


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    return tones(tmp_path / "tones")


def table(folder, name="list.csv", **columns):
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.wav"))
    frame = pd.DataFrame({"file": files, "pitch": [file.split("/")[0] for file in files]})
    for column, values in columns.items():
        frame[column] = values
    write = frame.to_parquet if name.endswith(".parquet") else frame.to_csv
    write(folder / name, index=False)
    return folder / name


# ---- where they are -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".WAV"])
def test_folders_of_classes(tmp_path, suffix):
    split = load_split(tones(tmp_path / "data", count=5, suffix=suffix))
    assert (split.kind, split.vocab, split.rate) == ("sounds", ["high", "low"], RATE)
    assert (len(split.train), len(split.valid)) == (8, 2)
    assert split.notes[0] == "validation: 2 sounds held out at random (20%)"
    assert waves_of(split.train).lengths.min() >= 400


def test_parts_as_folders(tmp_path):
    for part in ("train", "valid"):
        tones(tmp_path / "data" / part, count=3)
    split = load_split(tmp_path / "data")
    assert (len(split.train), len(split.valid)) == (6, 6)
    assert "validation: the folder valid" in split.notes


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_table_names_them(folder, name, inside):
    levels = [str(number % 4) for number in range(16)]
    file = table(folder, name, level=levels)
    split = load_split(folder if inside else file, label="pitch", group="level")
    assert split.kind == "sounds"
    assert split.vocab == ["high", "low"]
    named = {each: {file.stem for file in waves_of(part)} for each, part in parts(split)}
    # Sounds 0 to 7 of each class have the levels 0 to 3 in turn.
    held = {int(stem) % 4 for stem in named["valid"]}
    assert not held & {int(stem) % 4 for stem in named["train"]}


# ---- in the columns of tables -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_columns_of_sounds_are_read_as_their_files(tmp_path, monkeypatch, suffix):
    folder = in_parquet(tmp_path, suffix, described=False)
    split, files = load_split(folder), load_split(tmp_path / "files")
    assert (split.kind, split.vocab, split.rate) == ("sounds", ["0", "1"], RATE)
    held, of_files = (
        {waves_of(part).wave(row).tobytes() for _, part in parts(each) for row in range(len(part))}
        for each in (split, files)
    )
    assert held == of_files
    assert len(held) == 12


def test_columns_of_datasets_have_classes_and_groups(tmp_path):
    split = load_split(in_parquet(tmp_path), group="speaker")
    assert (split.kind, split.vocab) == ("sounds", ["high", "low"])
    assert (len(split.train), len(split.valid)) == (8, 4)
    assert "validation: 4 sounds, of 1 of 3 groups held out (33%)" in split.notes


def test_a_row_without_a_sound_is_named(tmp_path):
    def change(records):
        records[3] = None
        records[4]["bytes"] = records[4]["bytes"][:200]

    folder = in_parquet(tmp_path, change=change)
    with pytest.raises(VicinalError, match="2 of 12 sounds cannot be used") as error:
        load_split(folder)
    for text in ("row 3 (there is no sound in this row)", "4.wav (row 4) (it is cut off after"):
        assert text in str(error.value)
    split = load_split(folder, skip_bad=True)
    assert len(split.train) + len(split.valid) == 10


def test_a_hub_that_is_too_large_is_not_fetched_to_look_for_sounds(monkeypatch):
    monkeypatch.setattr("vicinal.data.sound_columns.too_large_for_disk", lambda name: "of 10 TB")
    request = DataRequest("hf:someone/everything")
    monkeypatch.setattr("vicinal.data.request.tables_of_hub", lambda name: 1 / 0)
    assert sound_split(request) is None


NOISES = ("dog", "rain", "sea_waves", "clock_tick")


def as_esc50(folder, classes=4, count=40, audio=True):
    """The layout of ESC-50: audio/*.wav and meta/esc50.csv, with five folds."""
    rows = []
    for number in range(count):
        target = number % classes
        name = f"{number % 5 + 1}-{number}-A-{target}.wav"
        row = {"filename": name, "fold": number % 5 + 1, "target": target}
        noise = NOISES[target] if target < 4 else f"noise {target}"
        rows.append({**row, "category": noise, "esc10": target < 2, "src_file": number})
        if audio:
            write(folder / "audio" / name, tone(300 + 100 * target, 0.05, seed=number))
    (folder / "meta").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "meta" / "esc50.csv", index=False)
    return folder


@pytest.mark.parametrize("given", [".", "meta/esc50.csv"])
def test_esc50_is_found_as_it_is_published(tmp_path, given):
    folder = as_esc50(tmp_path / "ESC-50")
    split = load_split(folder / given)
    assert (split.kind, split.vocab) == ("sounds", sorted(NOISES))  # by names, not by numbers
    assert (len(split.train), len(split.valid)) == (32, 8)
    assert "labels: column category" in split.notes
    hint = "numbers of folds: --split-column fold holds out the lowest"
    assert f"parts: not by column fold, {hint}" in split.notes
    split = load_split(folder / given, split_column="fold")
    assert {file.name[0] for file in waves_of(split.valid)} == {"1"}
    assert load_split(folder / given, label="target").vocab == ["0", "1", "2", "3"]


def test_more_classes_than_whole_numbers_are_taken_for(tmp_path):
    split = load_split(as_esc50(tmp_path / "ESC-50", classes=25, count=50))
    assert (len(split.vocab), split.vocab[0]) == (25, "clock_tick")


def test_sounds_that_are_not_there_are_said(tmp_path):
    split = load_split(as_esc50(tmp_path / "ESC-50", audio=False))
    assert split.kind == "rows"
    assert "category" not in split.train.frame[split.kinds.categorical]
    (note,) = [note for note in split.notes if note.startswith("left alone")]
    assert "the sounds that column filename names, such as 1-0-A-0.wav: none of them is" in note


def test_a_table_may_name_sounds_elsewhere(folder, tmp_path):
    file = table(folder)
    frame = pd.read_csv(file)
    for above in (folder.resolve(), "../tones"):
        named = [f"{above}/{name}" for name in frame["file"]]
        (tmp_path / "lists").mkdir(exist_ok=True)
        frame.assign(file=named).to_csv(tmp_path / "lists" / "list.csv", index=False)
        split = load_split(tmp_path / "lists" / "list.csv")
        assert (split.kind, len(split.train) + len(split.valid)) == ("sounds", 16)


def test_a_table_of_sounds_may_have_other_columns(folder):
    columns = {"fold": [number % 5 for number in range(16)], "code": [0] * 8 + [1] * 8}
    file = table(folder, **columns)
    assert load_split(file, label="pitch").kind == "sounds"
    with pytest.raises(VicinalError, match="which column is the label"):
        load_split(file)
    assert load_split(file, label="pitch", drop=("file",)).kind == "rows"


def parts(split):
    return (("train", split.train), ("valid", split.valid))


def test_a_pattern_and_groups_by_path(tmp_path):
    for number in range(8):
        for name in ("yes", "no"):
            wave = tone(300 if name == "yes" else 900, seed=number)
            write(tmp_path / "data" / f"{name}_ann{number // 2}_{number}.wav", wave)
    split = load_split(tmp_path / "data", label_pattern="^([a-z]+)_", group="_(ann.)_")
    assert split.vocab == ["no", "yes"]
    assert any("of 4 groups held out" in note for note in split.notes)


def test_more_images_than_sounds_are_images(folder):
    from PIL import Image

    for number in range(10):
        for name in ("high", "low"):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / name / f"{number}.png")
    assert load_split(folder).kind == "images"


def test_few_images_beside_sounds_are_left_out(folder):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(folder / "high" / "cover.png")
    split = load_split(folder)
    assert split.kind == "sounds"
    assert any(note.startswith("left out: cover.png, not read as sounds") for note in split.notes)


def test_a_table_beside_no_sounds_is_a_table(tmp_path):
    pd.DataFrame({"file": ["a.wav", "b.wav"] * 9, "x": ["u", "v", "w"] * 6}).to_csv(
        tmp_path / "rows.csv"
    )
    assert load_split(tmp_path / "rows.csv", label="x").kind != "sounds"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"label": "pitch"}, "has no columns, so --label pitch does not apply"),
        ({"pixel_range": 255}, "sounds are read without a range"),
        ({"label_pattern": "x(.)"}, "does not match the pattern"),
    ],
)
def test_options_that_do_not_apply(folder, given, sentence):
    with pytest.raises(VicinalError, match=sentence):
        load_split(folder, **given)


def test_one_class_is_an_error_about_sounds(tmp_path):
    write(tmp_path / "data" / "a" / "1.wav", tone(300))
    write(tmp_path / "data" / "a" / "2.wav", tone(400))
    with pytest.raises(VicinalError, match=r"^2 sounds in .* have only the class 'a'"):
        load_split(tmp_path / "data")


def test_without_the_package_one_sentence_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(sound_files, "find_spec", lambda name: None)
    with pytest.raises(VicinalError, match=r"holds sounds.*pip install 'vicinal\[sound\]'"):
        load_split(folder)


def test_the_summary_says_how_long_they_are(folder):
    shown = str(load_split(folder).summary())
    assert "kind:           sounds" in shown
    assert "median 0.08 s" in shown


# ---- what they hold -----------------------------------------------------------------------------


def test_channels_are_averaged_and_other_rates_resampled(tmp_path):
    wave = tone(300, 0.1, rate=16000, channels=2)
    sound = read_sound(write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT"), 8000)
    assert (sound.rate, sound.channels, sound.wave.shape) == (16000, 2, (800,))
    expected = 0.3 * np.sin(2 * np.pi * 300 * np.arange(800) / 8000)
    assert np.abs(sound.wave - expected)[50:-50].max() < 0.05
    same = read_sound(tmp_path / "a.wav", 16000).wave
    np.testing.assert_allclose(same, wave.mean(1), atol=1e-6)


@pytest.mark.parametrize("rate", [RATE, 4000])
@pytest.mark.parametrize(("other", "is_cancelled"), [(-1, True), (-0.8, True), (-0.5, False),
                                                      (0, False), (1, False)])  # fmt: skip
def test_channels_that_cancel_out(tmp_path, rate, other, is_cancelled):
    wave = tone(300)[:, 0]
    file = write(tmp_path / "a.wav", np.stack([other * wave, wave], 1))
    sound, alone = read_sound(file, rate), read_sound(write(tmp_path / "b.wav", wave), rate)
    assert sound.is_cancelled == is_cancelled
    share = 1 if is_cancelled else (1 + other) / 2
    np.testing.assert_allclose(sound.wave, share * alone.wave, atol=1e-4)


def test_what_cancels_out_is_said(folder):
    wave = tone(300)
    write(folder / "low" / "wide.wav", np.concatenate([wave, -wave], 1))
    notes = load_split(folder).notes
    assert any(note.endswith("; in 1 they cancel out, so that the loudest is taken")
               for note in notes)  # fmt: skip
    assert not any(note.startswith("silent") for note in notes)


def bad_files(folder):
    write(folder / "empty.wav", np.zeros(0))
    (folder / "text.mp3").write_bytes(b"no sound at all")
    write(folder / "nan.wav", np.array([0.1, np.nan, 0.2]), subtype="FLOAT")
    write(folder / "huge.wav", np.array([1e6, 0.0, 0.2]), subtype="FLOAT")
    whole = write(folder / "cut.flac", tone(300, 2.0)).read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")


BAD = {
    "empty.wav": "it is empty",
    "text.mp3": "it cannot be decoded",
    "nan.wav": "it holds NaN or infinite values",
    "huge.wav": "it holds values up to 1e",
    "cut.flac": "it (cannot be decoded|is cut off)",
    "gone.wav": "No such file",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(tmp_path, name):
    bad_files(tmp_path)
    with pytest.raises(BadSound, match=BAD[name]):
        read_sound(tmp_path / name, RATE)


def test_bad_files_are_named_and_left_out_where_asked(folder):
    bad_files(folder / "low")
    write(folder / "high" / "silent.wav", np.zeros(600))
    with pytest.raises(VicinalError, match=r"6 of 23 sounds cannot be used: .*\(--skip-bad\)"):
        load_split(folder)
    split = load_split(folder, skip_bad=True)
    assert len(split.train) + len(split.valid) == 16
    notes = "\n".join(split.notes)
    assert "left out: 6 of 23 sounds cannot be used" in notes
    assert "left out: 1 sound, first" in notes
    assert len(split.train.labels) == len(split.train.images)
    named = {file.parent.name for file in waves_of(split.train)}
    assert named == {"high", "low"}
    for _, part in parts(split):
        for file, label in zip(waves_of(part), part.labels, strict=True):
            assert split.vocab[label] == file.parent.name


@pytest.mark.parametrize("loudness", [0, 1e-9, 1e-6])
def test_silence_is_said_and_kept(folder, loudness):
    write(folder / "high" / "silent.wav", loudness * tone(300), subtype="FLOAT")
    split = load_split(folder)
    assert len(split.train) + len(split.valid) == 17
    assert any(note.startswith("silent: 1 sound, first") for note in split.notes)


def test_other_rates_and_channels_are_counted(folder):
    write(folder / "high" / "wide.wav", tone(300, rate=16000, channels=2), 16000)
    write(folder / "high" / "narrow.wav", tone(300, rate=4000), 4000)
    notes = "\n".join(load_split(folder).notes)
    counted = "resampled: 2 of 18 sounds to 8,000 Hz (1 of 4,000 Hz, 1 of 16,000 Hz)"
    assert counted in notes
    assert "have nothing above 2,000 Hz" in notes
    assert "channels: 1 sound of 18 with up to 2 channels, whose mean is taken" in notes


def test_the_rate_is_the_most_frequent_one(folder, tmp_path):
    files = sorted(folder.rglob("*.wav"))
    wide = [write(tmp_path / f"{n}.wav", tone(300, rate=48000), 48000) for n in range(20)]
    assert usual_rate(files) == RATE
    assert usual_rate(files + wide) == 32000
    # Which ones are looked at does not depend on which are held out, and so come last.
    looked_at = np.linspace(0, 199, 64).round()
    assert usual_rate([(files if n in looked_at else wide)[n % 16] for n in range(200)]) == 32000
    with pytest.raises(VicinalError, match="none of the sounds that were looked at"):
        usual_rate([tmp_path / "nowhere.wav"])


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [
        ([100, 110, 120], 5.0, (120, 1.0)),
        ([100] * 19 + [900], 5.0, (100, 0.95)),
        ([1000] * 10, 5.0, (500, 0.0)),
    ],
)
def test_the_length_is_that_of_most(lengths, most, expected):
    length, fits = usual_length(lengths, 100, most)
    assert (length, pytest.approx(fits)) == expected


# ---- where they are kept ------------------------------------------------------------------------


def test_they_are_decoded_once(folder, monkeypatch):
    files = sorted(folder.rglob("*.wav"))
    counted = []
    first = decode_sounds(files, RATE, lambda: counted.append(1))
    assert len(counted) == 16
    monkeypatch.setattr(waves, "read_sound", None)
    again = decode_sounds(files, RATE, lambda: counted.append(1))
    assert len(counted) == 16
    assert all(np.array_equal(first.wave(i), again.wave(i)) for i in range(16))
    assert cache.entries()[0].size > 2 * first.lengths.sum()
    files[0].write_bytes(files[1].read_bytes())
    with pytest.raises(TypeError):
        decode_sounds(files, RATE, lambda: None)


@pytest.mark.parametrize("room", [0, 3000])
def test_without_room_in_the_cache_they_are_in_memory(folder, monkeypatch, room, capsys):
    files = sorted(folder.rglob("*.wav"))
    mapped = decode_sounds(files, RATE, lambda: None)
    cache.clear()
    monkeypatch.setattr(cache, "room", lambda: room)
    kept = decode_sounds(files, RATE, lambda: None)
    assert kept.text.startswith("in memory")
    assert "the cache has no room" in capsys.readouterr().out
    assert all(np.array_equal(mapped.wave(i), kept.wave(i)) for i in range(16))
    assert not [*cache.folder().glob(".*")]


def test_a_damaged_file_of_the_cache_is_written_anew(folder):
    files = sorted(folder.rglob("*.wav"))
    whole = decode_sounds(files, RATE, lambda: None)
    copies = [np.array(whole.wave(i)) for i in range(16)]
    file = cache.entries()[0].file
    file.write_bytes(file.read_bytes()[:-20])
    again = decode_sounds(files, RATE, lambda: None)
    assert all(np.array_equal(copies[i], again.wave(i)) for i in range(16))


def test_too_many_for_cache_and_memory(folder, monkeypatch):
    monkeypatch.setattr(cache, "room", lambda: 0)
    monkeypatch.setattr(waves, "MEMORY_SHARE", 0)
    with pytest.raises(VicinalError, match="name a folder on a larger disk by the environment"):
        decode_sounds(sorted(folder.rglob("*.wav")), RATE, lambda: None)
