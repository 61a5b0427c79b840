"""Each format, for each kind of data; and the page's script where there is no torch at all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from export.run_makers import (
    TEXTS,
    image_files,
    images,
    made_run,
    masks,
    page_script,
    rows,
    series,
    sounds,
    texts,
)
from series_files import waves, write_ts
from sound_folders import tone, tones, write
from vicinal import Predictor, Rescaling, VicinalError, export_run
from vicinal.models.hub_text import hub_text_model
from vicinal.models.zoo import create_model
from vicinal.tasks.texts import TextPreprocessing

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "export.md"
ALL = "onnx,torch,hub"


def checked(out):
    """The files that were compared, and that none differs by much."""
    found = json.loads((out / "model.json").read_text())["checked"]["files"]
    assert all(each["largest_difference"] < 1e-5 for each in found.values())
    return set(found)


WEIGHTS, GRAPHS = "model.safetensors", {"model.onnx", "model.pt2"}


@pytest.mark.parametrize(
    ("how", "formats", "of"),
    [
        (images("resnet10t", 32, 37), "onnx,torch,timm,hub", {*GRAPHS, WEIGHTS}),
        (images("xresnet18", 32, threshold=0.4), "torch,timm,hub", {"model.pt2", WEIGHTS}),
        (images("vit4", 32), "onnx,torch,hub", GRAPHS),
        (images("resnet9", (16, 24), (18, 27)), ALL, GRAPHS),
        (images("whitennet", 16), ALL, GRAPHS),
        (masks(), ALL, {*GRAPHS, WEIGHTS}),
    ],
    ids=lambda value: getattr(value, "model", None),
)
def test_images(tmp_path, how, formats, of):
    folder = made_run(tmp_path / "run", how)
    out = export_run(folder, formats=formats, samples=[*image_files(tmp_path / "files", 6)])
    assert checked(out) == of


@pytest.mark.parametrize("model", ["text_cnn", "text_transformer"])
@pytest.mark.parametrize("more", [{}, {"threshold": 0.5}, {"vocab": None}], ids=str)
def test_texts(tmp_path, model, more):
    out = export_run(made_run(tmp_path / "run", texts(model, **more)), formats=ALL, samples=TEXTS)
    assert checked(out) == GRAPHS


@pytest.mark.parametrize("more", [{"threshold": 0.5}, {"vocab": None}], ids=str)
def test_rows(tmp_path, more):
    (tmp_path / "t.csv").write_text("age,work\n20,self\n30,state\n,1\n")
    how = rows(**more)
    network = how.network((1e9, 50.0)) if how.vocab is None else None
    folder = made_run(tmp_path / "run", how, network=network)
    out = export_run(folder, formats=ALL, samples=[tmp_path / "t.csv"])
    assert checked(out) == GRAPHS


@pytest.mark.parametrize(
    ("model", "more"),
    [("resnet9", {}), ("resnet9", {"threshold": 0.5}), ("resnet10t", {})],
    ids=str,
)
def test_sounds(tmp_path, model, more):
    """Also where there is silence, whose level is that of the number that is added to the power."""
    files = tones(tmp_path / "files", count=3, rate=8000)
    write(files / "long.wav", tone(500, 2.0, channels=2))
    write(files / "silent.wav", np.zeros((4000, 1)))
    how = sounds(model, **more)
    out = export_run(made_run(tmp_path / "run", how), formats=ALL, samples=[files])
    assert checked(out) == GRAPHS
    assert json.loads((out / "model.json").read_text())["in_the_graph"][0] == "spectrogram"


@pytest.mark.parametrize("model", ["series_resnet", "series_inception"])
@pytest.mark.parametrize("more", [{}, {"threshold": 0.5}, {"vocab": None}], ids=str)
def test_series(tmp_path, model, more):
    file = write_ts(tmp_path / "new.ts", waves(5, channels=2, steps=33), label=None)
    how = series(model, **more)
    network = how.network((1e6, 30.0)) if how.vocab is None else None
    folder = made_run(tmp_path / "run", how, network=network)
    assert checked(export_run(folder, formats=ALL, samples=[file])) == GRAPHS


@pytest.mark.parametrize("kind", ["bert", "distilbert", "gpt2"])
@pytest.mark.parametrize("threshold", [None, 0.5])
def test_networks_of_the_hub(tmp_path, kind, threshold):
    from models.test_hub_text import CONFIGS, words_tokenizer

    source = tmp_path / "source"
    CONFIGS[kind].save_pretrained(source)
    words_tokenizer(kind == "gpt2").save_pretrained(source)
    network, tokenizer = hub_text_model(str(source), 3, pretrained=False)
    how = TextPreprocessing(str(source), ["a", "b", "c"], "text", tokenizer, threshold=threshold)
    folder = made_run(tmp_path / "run", how, network=network)
    given = ["one two", "what is the", "six ?", "three four five six what is a the ? one two six"]
    out = export_run(folder, formats=ALL, samples=given)
    assert checked(out) == {*GRAPHS, WEIGHTS}
    import tokenizers
    import transformers

    alone = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    ours = list(tokenizer.ids(given))
    assert [alone.encode(text).ids for text in given] == ours
    model = transformers.AutoModelForSequenceClassification.from_pretrained(out).eval()
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_rescaled_predictions(tmp_path):
    rescaling = Rescaling(0.8, torch.rand(3, 16, 16), torch.tensor([0.2, 0.3, 0.5]))
    folder = made_run(tmp_path / "run", images("resnet9", 16), rescaling=rescaling)
    files = image_files(tmp_path / "files", 3)
    out = export_run(folder, formats="onnx,hub", samples=files)
    assert checked(out) == {"model.onnx"}
    assert "rescaling" in json.loads((out / "model.json").read_text())["in_the_graph"]
    plain = Predictor.load(folder)
    plain.rescaling = None
    assert not torch.allclose(*(next(p.predict(files)) for p in (plain, Predictor.load(folder))))
    assert "library_name: vicinal" in (out / "README.md").read_text()


def test_an_operation_that_no_format_has_is_one_sentence(tmp_path, monkeypatch):
    def forward(self, x):
        return x if x.sum() > 0 else -x

    folder = made_run(tmp_path / "run", images("resnet9", 16))
    monkeypatch.setattr("vicinal.models.small._Residual.forward", forward)
    with pytest.raises(VicinalError, match=r"cannot be written for torch\.export .*--model"):
        export_run(folder, formats="torch", samples=image_files(tmp_path / "files", 3))
    assert not (tmp_path / "run-export").exists()


ALONE = """
import runpy, sys
sys.modules["torch"] = sys.modules["vicinal"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def telling(how, files):
    """A network with random weights whose outputs for these files differ in what they predict."""
    network = create_model(how.model, how.n_out).eval()
    with torch.no_grad():
        logits = network(how.batch(files))
        network.head.weight.div_(logits.std(0)[:, None])
        network.head.bias.sub_(logits.mean(0)).div_(logits.std(0))
    return network


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_the_script_of_the_page_predicts_what_the_run_does(tmp_path, threshold):
    """Without torch, and without vicinal."""
    how = images("resnet9", (20, 24), (23, 28), threshold=threshold, resize="pad")
    files = image_files(tmp_path / "files", 8)
    folder = made_run(tmp_path / "run", how, network=telling(how, files))
    out = export_run(folder, formats="onnx", samples=files)
    script = tmp_path / "predict_images.py"
    script.write_text(page_script(PAGE, "Images without torch"))
    given = [script, out / "model.json", out / "model.onnx", *files]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, given)], capture_output=True, text=True, check=True
    )
    predictor, expected = Predictor.load(folder), []
    for output in predictor.predict(files):
        answer = predictor.answer(output)
        labels = [name for name in how.vocab if name in answer.get("labels", ())]
        expected.append(" ".join(labels) if threshold else answer["class"])
    lines = zip(files, expected, strict=True)
    assert done.stdout.splitlines() == [f"{file} {names}".strip() for file, names in lines]
    assert len(set(expected)) > 1
