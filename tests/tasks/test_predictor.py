"""Run folders that were damaged, and outputs that are no numbers: one sentence, no prediction."""

import json
import shutil

import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_wine

from run_folders import silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.cli.use import _print_table
from vicinal.data.samples import Samples, Split
from vicinal.tasks import TrainOptions, make_task

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wine")
    wine = load_wine(as_frame=True)
    wine.frame.to_csv(folder / "wine.csv", index=False)
    options = TrainOptions(str(folder / "wine.csv"), label="target", epochs=1, precision="fp32")
    return runs.train(options, folder / "run", log=silent)


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def flip(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
def test_a_flipped_bit_in_the_weights_is_said(folder, share):
    weights = folder / "model.safetensors"
    flip(weights, int(share * weights.stat().st_size))
    with pytest.raises(VicinalError, match=r"model\.safetensors is damaged, .* restore it"):
        Predictor.load(folder)


def test_weights_without_a_digest_are_read(folder):
    """Those of earlier versions."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors")
    found = Predictor.load(folder).model.state_dict()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_changed_settings_are_refused_unless_the_digest_is_removed(folder):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    Predictor.load(folder)
    config["predict"]["how"]["vocab"] = ["a", "b", "c"]
    file.write_text(json.dumps(config))
    with pytest.raises(VicinalError, match=r"config\.json is damaged or was edited, .* remove its"):
        Predictor.load(folder)
    del config["digest"]
    file.write_text(json.dumps(config))
    assert Predictor.load(folder).preprocessing.vocab == ["a", "b", "c"]


def test_a_run_with_damaged_settings_can_be_replaced(folder, trained):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "epochs_done": 7}))
    options = TrainOptions(
        str(trained.parent / "wine.csv"), label="target", epochs=1, precision="fp32"
    )
    runs.train(options, folder, overwrite=True, log=silent)
    assert json.loads((folder / "config.json").read_text()) == config


def test_outputs_that_are_not_finite_are_refused(folder, trained, capsys):
    frame = pd.read_csv(trained.parent / "wine.csv").iloc[:70]
    predictor = Predictor.load(folder)
    assert len(list(predictor.predict(frame))) == 70
    hook = predictor.model.register_forward_hook(
        lambda module, args, output: (
            output.index_fill(0, torch.tensor([3]), torch.nan) if len(output) < 64 else output
        )
    )
    found = predictor.predict(frame)
    for _ in range(64):
        next(found)
    with pytest.raises(VicinalError, match="output for sample 68 is not a finite number"):
        next(found)
    hook.remove()
    with torch.no_grad():
        for parameter in predictor.model.parameters():
            parameter.fill_(torch.nan)
    runs.save_weights(predictor.model, folder / "model.safetensors")
    assert run(["predict", str(folder), str(trained.parent / "wine.csv")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("vicinal: the network's output for sample 1 is not a finite number")


def test_json_is_json_also_where_nothing_is_predicted(folder, trained, capsys):
    """NaN and infinity are none of its numbers."""
    predictor = Predictor.load(folder)
    with torch.no_grad():
        for parameter in predictor.model.parameters():
            parameter.fill_(torch.nan)
    runs.save_weights(predictor.model, folder / "model.safetensors")
    found, said = predicted(capsys, folder, trained.parent / "wine.csv", code=1)
    assert [row["row"] for row in found] == [str(number) for number in range(178)]
    assert all(row.keys() == {"row", "error"} for row in found)
    assert found[7]["error"].startswith("the network's output for sample 8 is not a finite number")
    assert said == [f"vicinal: {row['error']}" for row in found]


@pytest.mark.parametrize("length", [3, 200, 30_000])
def test_names_are_whole_where_the_output_is_no_terminal(capsys, length):
    class Preprocessing:
        sample_name, vocab = "text", ["class " + "x" * length, "y\tz" * length]
        threshold, writes = None, False

    predictor = Predictor(torch.nn.Identity(), Preprocessing())
    name = "photos/" + "名" * length + "/[bold]\na.png"
    _print_table(predictor, [(name, torch.tensor([0.25, 0.75]))])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["text", "class", "probability"]
    assert name.replace("\n", " ") in first
    assert first.rstrip().endswith("75.0%")
    assert "y z" * length in first
    assert second.split() == ["class", "x" * length, "25.0%"]


def test_masked_classes_have_no_probability():
    """Minus infinity among the logits is a probability of 0."""
    from vicinal.tasks.predictor import check_finite

    check_finite(torch.tensor([[1.0, -torch.inf]]).softmax(1))


def predicted(capsys, *arguments, code):
    capsys.readouterr()
    assert run(["predict", *map(str, arguments), "--json"]) == code
    said = capsys.readouterr()
    return json.loads(said.out), said.err.splitlines()


@pytest.fixture(scope="module")
def of_images(tmp_path_factory):
    """A run folder of a network for images that has not been trained."""
    images = torch.zeros(8, 3, 8, 8, dtype=torch.uint8)
    split = Split(Samples(images, [0, 1] * 4), Samples(images, [0, 1] * 4), ["a", "b"])
    task = make_task(TrainOptions("x", batch_size=2), split)
    learn, folder = task.learner(), tmp_path_factory.mktemp("images")
    config = {"predict": {"kind": "images", "how": task.preprocessing(learn).to_json()}}
    (folder / "config.json").write_text(json.dumps(config))
    runs.save_weights(learn.model, folder / "model.safetensors")
    return folder


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "b.png", "below/c.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), 3 * (len(name),)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.md").write_text("no image")
    return tmp_path / "photos"


def test_a_folder_of_images(of_images, photos, capsys):
    found, said = predicted(capsys, of_images, photos, code=0)
    assert [row["file"] for row in found] == [
        str(photos / name) for name in ("a.png", "b.png", "below/c.png")
    ]
    assert said == [f"note: left out of {photos}: notes.md"]
    one, _ = predicted(capsys, of_images, photos / "b.png", code=0)
    assert one[0]["probabilities"] == pytest.approx(found[1]["probabilities"], abs=1e-5)
    (photos.parent / "empty").mkdir()
    assert run(["predict", str(of_images), str(photos.parent / "empty")]) == 2
    assert "empty holds no image file, at any depth\n" in capsys.readouterr().err
    (photos.parent / "empty" / "notes.md").write_text("no image")
    assert run(["predict", str(of_images), str(photos.parent / "empty")]) == 2
    said = capsys.readouterr().err
    assert said.endswith("empty holds no image file, at any depth, only notes.md\n")
    assert said.count("\n") == 1


def test_one_bad_file_among_good_ones(of_images, photos, capsys):
    expected, _ = predicted(capsys, of_images, photos, code=0)
    (photos / "b.png").write_bytes(b"no image")
    (photos / "notes.md").unlink()
    found, said = predicted(capsys, of_images, photos, photos / "none.png", code=1)
    assert [found[0], found[2]] == [expected[0], expected[2]]
    assert found[1].keys() == found[3].keys() == {"file", "error"}
    assert found[1]["error"].startswith(f"{photos / 'b.png'} cannot be read: ")
    assert said == [f"vicinal: {found[1]['error']}", f"vicinal: {found[3]['error']}"]
    assert run(["predict", str(of_images), str(photos)]) == 1
    shown = capsys.readouterr()
    assert "c.png" in shown.out
    assert "b.png" not in shown.out
    assert "b.png cannot be read" in shown.err
    # Nothing could be predicted: the first error alone.
    assert run(["predict", str(of_images), str(photos / "b.png"), "none.png"]) == 2
    said = capsys.readouterr().err
    assert "b.png cannot be read" in said
    assert said.endswith("; the other 1 failed as well\n")
    assert said.count("\n") == 1


def test_bad_images_in_many_batches(of_images, photos, monkeypatch):
    monkeypatch.setattr("vicinal.tasks.predictor.BATCH", 3)
    good = [photos / "a.png", photos / "b.png"]
    items = [good[0], b"bad", good[1], b"bad", b"bad", b"bad", good[0], VicinalError("x"), good[1]]
    predictor = Predictor.load(of_images)
    outcomes = list(predictor.outcomes(items))
    assert [isinstance(each, VicinalError) for each in outcomes] == [
        not isinstance(item, type(photos)) for item in items
    ]
    expected = list(predictor.predict(good))
    for place, number in ((0, 0), (2, 1), (6, 0), (8, 1)):
        torch.testing.assert_close(outcomes[place], expected[number])


def test_a_folder_of_tables_and_a_bad_one(folder, trained, tmp_path, capsys):
    frame = pd.read_csv(trained.parent / "wine.csv")
    (tmp_path / "new").mkdir()
    frame.iloc[:2].to_csv(tmp_path / "new" / "1.csv", index=False)
    frame.iloc[:3].drop(columns="hue").to_csv(tmp_path / "new" / "2.csv", index=False)
    frame.iloc[2:3].to_csv(tmp_path / "new" / "3.csv", index=False)
    found, said = predicted(capsys, folder, tmp_path / "new", code=1)
    names = [f"{tmp_path}/new/{name}" for name in ("1.csv:0", "1.csv:1", "2.csv", "3.csv:0")]
    assert [row["row"] for row in found] == names
    assert "hue" in found[2]["error"]
    assert said == [f"vicinal: {found[2]['error']}"]
    (one,), _ = predicted(capsys, folder, tmp_path / "new" / "3.csv", code=0)
    # A batch of one row is multiplied in another order, so the last digits may differ.
    assert one.pop("probabilities") == pytest.approx(found[3].pop("probabilities"))
    assert one == found[3] | {"row": "0"}


def test_an_output_that_is_not_finite_among_others(folder, trained, capsys):
    frame = pd.read_csv(trained.parent / "wine.csv").iloc[:70]
    predictor = Predictor.load(folder)
    predictor.model.register_forward_hook(
        lambda module, args, output: (
            output.index_fill(0, torch.tensor([3]), torch.nan) if len(output) < 64 else output
        )
    )
    outcomes = list(predictor.outcomes(frame))
    (bad,) = [place for place, each in enumerate(outcomes) if isinstance(each, VicinalError)]
    assert bad == 67
    assert "output for sample 68 is not a finite number" in str(outcomes[67])
