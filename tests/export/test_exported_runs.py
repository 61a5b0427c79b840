"""vicinal export: what is asked for, refused, written and compared; and the scripts of its page.

What each format does for each kind of data is tested in test_formats.py, which is slow.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from export.run_makers import (
    ROWS,
    TABLE,
    TEXTS,
    TOKENIZER,
    image_files,
    images,
    made_run,
    masks,
    page_script,
    picture,
    rows,
    series,
    sounds,
    texts,
)
from sound_folders import tone, write
from vicinal import Predictor, Rescaling, VicinalError, export_run
from vicinal.cli import run
from vicinal.export.card import card
from vicinal.export.check import Reference
from vicinal.export.forms import form_of, spread
from vicinal.export.graph import Graph
from vicinal.tasks.image_preprocessing import ImagePreprocessing
from vicinal_cli import fails

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture
def table(tmp_path):
    """A run for rows, and a table of them."""
    file = tmp_path / "table.csv"
    lines = [f"{'' if r['age'] is None else r['age']},{r['work']}" for r in ROWS]
    file.write_text("\n".join(["age,work", *lines]) + "\n")
    return made_run(tmp_path / "run", rows()), file


class TestCommand:
    def test_a_run_becomes_files_that_answer_as_it_does(self, table, tmp_path, capsys):
        folder, file = table
        assert run(["export", str(folder), str(file), "--format", "torch,onnx"]) == 0
        said = capsys.readouterr().out.splitlines()
        out = tmp_path / "run-export"
        assert sorted(f.name for f in out.iterdir()) == ["model.json", "model.onnx", "model.pt2"]
        assert said[0].endswith("table_net for classes of rows, trained for 3 epochs")
        assert said[1].split() == ["checked", "with:", "4", "rows", "as", "given"]
        assert re.search(
            r"onnx: +model.onnx, .* MB: differs by \S+ at most, 4 of 4 classes", said[3]
        )
        ours = torch.stack(list(Predictor.load(folder).predict(ROWS)))
        found = inputs = columns()(
            ROWS, json.loads((out / "model.json").read_text())["preprocessing"]
        )
        import onnxruntime

        session = onnxruntime.InferenceSession(out / "model.onnx")
        assert [port.shape[1:] for port in session.get_inputs()] == [[1], [1]]
        for count in (1, 3, 4):  # any number of samples
            given = {name: values[:count] for name, values in inputs.items()}
            (found,) = session.run(["probabilities"], given)
            assert np.allclose(found, ours[:count], atol=1e-6)
        program = torch.export.load(out / "model.pt2").module()
        given = [torch.from_numpy(values) for values in inputs.values()]
        assert torch.allclose(program(*given), ours, atol=1e-6)

    def test_an_earlier_export_is_replaced_only_on_request(self, table, tmp_path, capsys):
        folder, file = table
        out = tmp_path / "out"
        out.mkdir()
        (out / "model.json").write_text('{"vicinal": "0"}')
        (out / "model.onnx").write_text("of an earlier export")
        (out / "LICENSE").write_text("mine")
        arguments = ["export", folder, file, "--out", out, "--format", "hub"]
        assert "already holds an export" in fails(capsys, *arguments)
        assert run([*map(str, arguments), "--overwrite"]) == 0
        left = sorted(each.name for each in out.iterdir())
        assert left == ["LICENSE", "README.md", "model.json", "model.safetensors"]

    def test_validation_samples_of_the_data_are_found(self, tmp_path):
        lines = [f"{20 + i},{'self' if i % 3 else 'state'},{'ab'[i % 2]}" for i in range(60)]
        (tmp_path / "t.csv").write_text("\n".join(["age,work,label", *lines]) + "\n")
        how, told = rows(("a", "b")), {}
        # A mixer from Python is text by now.
        folder = made_run(
            tmp_path / "run", how, data=tmp_path / "t.csv", options={"label": "label"}
        )
        config = json.loads((folder / "config.json").read_text())
        config["resolved"]["mix"] = "MixUp(alpha=0.4)"
        (folder / "config.json").write_text(json.dumps(config))
        export_run(folder, formats="hub", log=lambda name, text: told.update({name: text}))
        assert told["checked with"].startswith("12 validation rows of ")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--format", "onx"], "--format onx is unknown: did you mean onnx?"),
            (["--format", "pickle"], "is unknown: there are onnx, torch, timm, hub"),
            (["--format", ","], "--format names no format"),
            (["--format", "timm"], "this is one for classes|images, and this is one"),
            (["--push-to-hub", "name"], "names no repository: use OWNER/NAME"),
            (["--push-to-hub", "a b/c"], "names no repository"),
            (["--out", "table.csv"], "--out table.csv is a file"),
            (["--out", "."], r"--out \. holds other files"),
            ([], r"data, .*cannot be used \(.*gone.*: name samples instead, .* TABLE\.\.\."),
            (["nothing.csv"], "nothing.csv"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(
        self, table, tmp_path, monkeypatch, capsys, arguments, said
    ):
        monkeypatch.chdir(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        assert re.search(said, fails(capsys, "export", "run", *arguments))
        assert sorted(tmp_path.rglob("*")) == before

    def test_other_folders_are_refused(self, table, tmp_path, capsys):
        folder, _ = table
        assert "holds no run" in fails(capsys, "export", tmp_path / "none")
        assert "is a file" in fails(capsys, "export", tmp_path / "table.csv")
        (tmp_path / "comparison.json").write_text("{}")
        assert "holds a comparison" in fails(capsys, "export", tmp_path)
        (folder / "model.safetensors").unlink()
        assert "was killed before its network was saved" in fails(capsys, "export", folder)

    def test_a_missing_package_is_named_before_anything_is_done(self, table, monkeypatch, capsys):
        monkeypatch.setattr(
            "vicinal.export.graph.find_spec", lambda name: None if name == "onnxscript" else 1
        )
        said = fails(capsys, "export", *table)
        assert "ONNX files need onnxscript: pip install 'vicinal[export]'" in said

    def test_a_kind_that_is_not_exported_says_what_to_do(self):
        @dataclass(frozen=True)
        class Smells(ImagePreprocessing):
            pass

        how = Smells("m", ["a"], item_size=8, size=8, mean=[0.5], std=[1.0])
        with pytest.raises(VicinalError, match="networks for smells cannot be exported: use vici"):
            form_of(how, "smells")


class TestTimm:
    def refused(self, tmp_path, how, **more):
        folder = made_run(tmp_path / "run", how, **more)
        with pytest.raises(VicinalError, match="leave timm out") as error:
            export_run(folder, formats=["timm"])
        return str(error.value)

    def test_what_timm_cannot_make_is_refused(self, tmp_path):
        assert "resnet9 is a network of vicinal's" in self.refused(tmp_path / "a", images())
        assert "this is one for masks" in self.refused(tmp_path / "b", masks())
        rescaling = Rescaling(0.8, torch.rand(3, 32, 32), torch.tensor([0.2, 0.3, 0.5]))
        how = images("resnet10t", 32)
        assert "are rescaled" in self.refused(tmp_path / "c", how, rescaling=rescaling)

    def test_weights_and_a_hubs_folder_are_loaded_by_timm(self, tmp_path):
        import timm

        folder, files = made_run(tmp_path / "run", images("resnet10t", 32, 37)), tmp_path / "f"
        out = export_run(folder, formats="timm,hub", samples=image_files(files, 3))
        ours = torch.stack(list(Predictor.load(folder).predict(sorted(files.iterdir()))))
        how = json.loads((out / "model.json").read_text())
        pixels = [script()["pixels"](f, how["preprocessing"]) for f in sorted(files.iterdir())]
        inside = how["preprocessing"]["in_the_graph"]
        mean, std = (np.reshape(inside[name], (3, 1, 1)) for name in ("mean", "std"))
        x = torch.from_numpy(((np.stack(pixels) / 255 - mean) / std).astype(np.float32))
        weights = {"num_classes": 3, "checkpoint_path": str(out / "model.safetensors")}
        for named, more in (("resnet10t", weights), (f"local-dir:{out}", {"pretrained": True})):
            model = timm.create_model(named, **more).eval()
            with torch.no_grad():
                assert torch.allclose(model(x).softmax(1), ours, atol=0.02)
        config = json.loads((out / "config.json").read_text())
        assert config["label_names"] == ["cat", "dog", "fox"]
        assert "license" not in config["pretrained_cfg"]
        data = timm.data.resolve_model_data_config(model)
        assert data["input_size"] == (3, 32, 32)
        assert (data["crop_mode"], data["crop_pct"]) == ("center", 1.0)
        assert "library_name: timm\n" in (out / "README.md").read_text()


class TestCheck:
    """A file that answers otherwise is an error."""

    def reference(self, tmp_path, how=None, items=None):
        predictor = Predictor.load(made_run(tmp_path / "run", how or rows()))
        form = form_of(predictor.preprocessing, "rows")
        graph = Graph(predictor, form)
        return Reference.of(predictor, form, items or ROWS), graph

    @pytest.mark.parametrize("wrong", [2e-4, -0.5, float("nan"), float("inf")])
    def test_a_difference_is_an_error(self, tmp_path, wrong):
        reference, graph = self.reference(tmp_path)
        assert reference.compare(graph, "model.onnx").same == 4
        assert reference.compare(lambda *x: graph(*x) + 5e-5, "model.onnx").difference > 4e-5
        with pytest.raises(VicinalError, match=r"model\.onnx would answer otherwise than the run"):
            reference.compare(lambda *x: graph(*x) + wrong, "model.onnx")

    def test_another_shape_is_an_error(self, tmp_path):
        reference, graph = self.reference(tmp_path)
        with pytest.raises(VicinalError, match=r"gives \(1, 1\) where the run gives \(1, 2\)"):
            reference.compare(lambda *x: graph(*x)[:, :1], "model.onnx")

    def test_values_differ_in_units_of_their_deviation(self, tmp_path):
        how = rows(None)
        network = how.network((1e9, 50.0))
        folder = made_run(tmp_path / "run", how, network=network)
        predictor = Predictor.load(folder)
        form = form_of(how, "rows")
        reference, graph = Reference.of(predictor, form, ROWS), Graph(predictor, form)
        assert reference.compare(lambda *x: graph(*x) + 0.004, "a").difference > 7e-5
        with pytest.raises(VicinalError, match=r"up to 1\.2e-04 standard deviations"):
            reference.compare(lambda *x: graph(*x) + 0.006, "a")

    def test_nothing_is_written_then(self, table, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("vicinal.export.check.TOLERANCE", -1.0)
        table[1].write_text("age,work\n20,self\n30,state\n")
        assert "would answer otherwise" in fails(capsys, "export", *table, "--format", "torch")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["run", "table.csv"]

    def test_weights_of_16_bits_are_used_in_float32(self, tmp_path):
        reference, graph = self.reference(tmp_path)
        predictor = Predictor.load(tmp_path / "run")
        graph = Graph(Predictor(predictor.model.bfloat16(), rows()), reference.form)
        assert {p.dtype for p in graph.parameters()} == {torch.float32}
        assert next(predictor.model.parameters()).dtype == torch.bfloat16
        graph(*reference.inputs[0])

    def test_samples_are_taken_from_all_over(self):
        assert spread(1000, 4) == [0, 333, 666, 999]
        assert spread(1, 64) == [0]

    def test_samples_of_each_kind_of_data_are_found(self):
        decoded = torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).reshape(5, 3, 2, 2)
        part = SimpleNamespace(images=decoded)
        form = form_of(images(), "images")
        found = form.chosen(SimpleNamespace(valid=part), 2)
        assert [each.shape for each in found] == [(2, 2, 3)] * 2
        assert (found[1] == decoded[4].permute(1, 2, 0).numpy()).all()
        files = [Path(f"{number}.png") for number in range(5)]
        part = SimpleNamespace(images=files)
        assert form.chosen(SimpleNamespace(valid=part), 3) == [files[0], files[2], files[4]]
        streamed = SimpleNamespace(head=lambda count: SimpleNamespace(images=files[:count]))
        assert form.chosen(SimpleNamespace(valid=streamed), 2) == files[:2]
        part = SimpleNamespace(series=[np.zeros((2, n)) for n in (3, 4, 5)])
        found = form_of(series(), "series").chosen(SimpleNamespace(valid=part), 2)
        assert [each.shape for each in found] == [(2, 3), (2, 5)]
        part = SimpleNamespace(images=files)
        assert form_of(sounds(), "sounds").chosen(SimpleNamespace(valid=part), 9) == files
        split = SimpleNamespace(valid=None, texts=lambda part: TEXTS)
        assert form_of(texts(), "texts").chosen(split, 99) == TEXTS

    def test_an_example_has_no_side_of_one_that_may_differ(self, tmp_path):
        predictor = Predictor.load(made_run(tmp_path / "run", texts()))
        form = form_of(predictor.preprocessing, "texts")
        example = Reference.of(predictor, form, ["film"]).example
        assert [tuple(each.shape) for each in example] == [(2, 2), (2, 2)]


class TestCard:
    def test_it_says_what_was_measured_and_how(self, tmp_path):
        options = {"mix": "cutmix", "alpha": 0.5, "epochs": 3, "flip": False, "label": "a b"}
        folder = made_run(
            tmp_path / "run", images(threshold=0.35), data="/srv/photos", options=options
        )
        header = "epoch,train_loss,valid_loss,valid_mean_average_precision,seconds\n"
        (folder / "metrics.csv").write_text(header + "1,0.9,0.8,0.5,2\n2,0.7,0.61234567,0.75,2\n")
        config = json.loads((folder / "config.json").read_text())
        form = form_of(images(threshold=0.35), "images")
        text = card(folder, config, form, None, {"model.onnx": "onnxruntime"})
        assert "| valid_mean_average_precision | 0.75 |" in text
        assert "| valid_loss | 0.612346 |" in text
        assert "after epoch 2. The threshold, 0.35, was chosen on it." in text
        assert "- mix: cutmix:0.5\n" in text
        typed = "vicinal train photos --mix cutmix --alpha 0.5 --epochs 3 --label 'a b' --no-flip"
        assert f"    {typed}\n" in text
        assert "srv" not in text
        from huggingface_hub import ModelCard

        data = ModelCard(text).data
        assert (data.pipeline_tag, data.license) == ("image-classification", None)

    def test_of_a_run_that_was_stopped(self, tmp_path):
        folder = made_run(tmp_path / "run", rows(), finished=False, epochs_done=1)
        config = json.loads((folder / "config.json").read_text())
        text = card(folder, config, form_of(rows(), "rows"), None, {})
        assert "Nothing: the training was stopped" in text
        assert "- epochs: 1, stopped before all 3" in text

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({}, "mixup"),
            ({"alpha": 0.2}, "mixup:0.2"),
            ({"mix": "none"}, "none"),
            ({"mix": "mixup:0.8+cutmix:1:prob=0.5"}, "mixup:0.8+cutmix:1:prob=0.5"),
        ],
    )
    def test_the_mix_that_is_the_default_is_named(self, tmp_path, options, said):
        folder = made_run(tmp_path / "run", rows(), options=options)
        config = json.loads((folder / "config.json").read_text())
        text = card(folder, config, form_of(rows(), "rows"), None, {})
        assert f"- mix: {said}\n" in text

    def test_a_mixer_from_python_is_no_command(self, tmp_path):
        folder = made_run(tmp_path / "run", rows())
        config = json.loads((folder / "config.json").read_text())
        config["options"]["mix"] = "MixUp(alpha=0.4)"
        text = card(folder, config, form_of(rows(), "rows"), None, {})
        assert "- mix: MixUp(alpha=0.4)\n" in text
        assert "It was started from Python." in text
        assert "vicinal train" not in text


def script(title="Images without torch"):
    """What a script of the page defines."""
    names = {"__name__": "script"}
    exec(page_script(PAGE, title), names)
    return names


def columns():
    return script("Tables without torch")["columns"]


class TestPage:
    """The scripts of docs/export.md prepare samples as the run does."""

    @pytest.mark.parametrize("method", ["crop", "squish", "pad"])
    @pytest.mark.parametrize(("height", "width"), [(30, 41), (200, 90), (7, 5), (20, 24)])
    def test_pixels(self, tmp_path, method, height, width):
        how = images(size=(20, 24), item_size=(23, 28), resize=method)
        plain = images(size=(20, 24), item_size=(20, 24), resize=method)
        for seed, ending in enumerate(("png", "jpg")):
            file = tmp_path / f"a.{ending}"
            picture(height, width, seed).save(file, quality=90)
            for each in (how, plain):
                ours = each.pixels([file])[0].int().numpy()
                theirs = script()["pixels"](file, form_of(each, "images").steps()).astype(int)
                assert abs(ours - theirs).max() <= 1
                if (height, width) == (20, 24) and each is plain:
                    assert (ours == theirs).all()

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_pixels_that_lie_on_their_side(self, tmp_path, orientation):
        file, exif = tmp_path / "a.jpg", Image.Exif()
        exif[0x0112] = orientation
        picture(64, 96).save(file, exif=exif, quality=95)
        how = images(size=(20, 24), item_size=(20, 24))
        theirs = script()["pixels"](file, form_of(how, "images").steps()).astype(int)
        assert abs(how.pixels([file])[0].int().numpy() - theirs).max() <= 1

    def test_pixels_of_other_modes(self, tmp_path):
        how = images(size=16, item_size=16, pixel_range=4095)
        grey = (np.arange(16 * 20, dtype=np.uint16).reshape(16, 20) * 12).clip(0, 4095)
        made = [picture(30, 20, mode=mode) for mode in ("RGBA", "L", "P", "LA")]
        for number, image in enumerate([*made, Image.fromarray(grey)]):
            file = tmp_path / f"{number}.png"
            image.save(file)
            theirs = script()["pixels"](file, form_of(how, "images").steps()).astype(int)
            assert abs(how.pixels([file])[0].int().numpy() - theirs).max() <= 1

    def test_tokens(self):
        how = form_of(texts(), "texts").steps()
        found = script("Texts without torch")["tokens"](TEXTS, json.loads(json.dumps(how)))
        ours = TOKENIZER.encode(TEXTS)
        assert (found["ids"] == ours["ids"].numpy()).all()
        assert (found["mask"] == ours["mask"].numpy()).all()

    def test_columns(self):
        found = columns()(ROWS, json.loads(json.dumps(form_of(rows(), "rows").steps())))
        ours = rows().batch(ROWS)
        assert {name: values.dtype for name, values in found.items()} == {
            "numbers": np.float32,
            "categories": np.int64,
        }
        assert all((found[name] == ours[name].numpy()).all() for name in ours)
        assert TABLE.columns == ["age", "work"]

    @pytest.mark.parametrize("rate", [4000, 8000])
    @pytest.mark.parametrize("seconds", [0.1, 1500 / 4000, 0.5003])
    def test_waves(self, tmp_path, rate, seconds):
        how, prepared = sounds(), script("Sounds without torch")["wave"]
        loud = tone(440, seconds, rate, channels=2)
        for number, frames in enumerate((loud, loud[:, :1], loud[:, :1] * [1, -1, 0.05])):
            file = write(tmp_path / f"{number}.wav", frames, rate)
            ours = how.batch([file])[0].numpy()
            assert (ours == prepared(file, form_of(how, "sounds").steps())).all()
            assert abs(ours).max() > 0.1

    @pytest.mark.parametrize("length", [1, 7, 20, 39, 40, 103])
    def test_series(self, length):
        values = 1000 + np.random.default_rng(length).random((2, length))
        if length > 2:
            values[0, [0, 2, -1]] = np.nan
        how = series()
        prepared = script("Series without torch")["series"]
        found = prepared(values, json.loads(json.dumps(form_of(how, "series").steps())))
        assert (found == how.batch([values])[0].numpy()).all()

    @pytest.mark.parametrize(("height", "width"), [(64, 90), (20, 13), (32, 32)])
    def test_masks(self, height, width):
        names = {**script(), "np": np}
        exec(page_script(PAGE, "Masks without torch"), names)
        how = masks()
        planes = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
        planes = torch.nn.functional.interpolate(planes[None], (32, 32), mode="bicubic")[0]
        ours = how.finished(picture(height, width), planes.softmax(0)).numpy()
        theirs = names["mask"](planes.softmax(0).numpy(), width, height, form_of(how, "").steps())
        assert theirs.shape == (height, width)
        assert (ours == theirs).mean() > 0.995  # ties by rounding apart
        assert 0.05 < ours.mean() < 0.95


def test_nothing_heavy_is_loaded_for_the_help():
    assert "vicinal.export.run" in sys.modules  # by this file
    from vicinal.cli import export

    assert not {"torch", "onnx"} & set(vars(sys.modules[export.__module__]))
