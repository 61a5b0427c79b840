"""The card of a model in a hub's folder: what it is, what was measured, and how it is used."""

import csv
import os
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

from vicinal import __version__
from vicinal.export.forms import Form
from vicinal.formatting import format_value
from vicinal.methods import NONE
from vicinal.mixes import parse_mix
from vicinal.tasks.options import TrainOptions, as_typed, is_text, option

TASKS = {
    ("images", "classes"): "image-classification",
    ("images", "labels"): "image-classification",
    ("images", "masks"): "image-segmentation",
    ("sounds", "classes"): "audio-classification",
    ("sounds", "labels"): "audio-classification",
    # The hub has no task for classes of series.
    ("series", "classes"): "other",
    ("series", "labels"): "other",
    ("series", "values"): "other",
    ("texts", "classes"): "text-classification",
    ("texts", "labels"): "text-classification",
    ("texts", "values"): "text-classification",
    ("rows", "classes"): "tabular-classification",
    ("rows", "labels"): "tabular-classification",
    ("rows", "values"): "tabular-regression",
}
METRICS = "metrics.csv"
# Of what was chosen for the training; the rest is about the machine.
SHOWN = (
    "model",
    "weights",
    "size",
    "resize",
    "batch size",
    "learning rate",
    "weight decay",
    "augmentation",
)


def card(
    run: Path, config: dict[str, Any], form: Form, library: str | None, files: dict[str, str]
) -> str:
    """The card, as Markdown.

    Args:
        run: the run folder.
        config: its settings.
        form: of the samples.
        library: that loads the folder, if one does.
        files: in the folder, with what each is for.
    """
    options = config.get("options", {})
    name = f"{form.preprocessing.model} for {_data(options)}"
    listed = "".join(f"| `{file}` | {use} |\n" for file, use in files.items())
    return (
        f"---\nlibrary_name: {library or 'vicinal'}\n"
        f"pipeline_tag: {TASKS[form.samples, form.target]}\ntags:\n- vicinal\n"
        "# The license is yours to choose; name it here: `license: …`.\n---\n\n"
        f"# {name}\n\n"
        f"{_about(form)} It was trained by vicinal {config.get('vicinal', __version__)}.\n\n"
        f"## Training\n\n{_training(config)}\n"
        f"## Measured\n\n{_measured(run, config)}\n"
        f"## Files\n\n| file | for |\n|---|---|\n{listed}\n"
        f"## Use\n\n{_use(form, library)}\n"
        "## License\n\nNot chosen yet: that of the data and of the weights that the training began "
        "from may decide it.\n"
    )


def _data(options: dict[str, Any]) -> str:
    return _public(options.get("data", "data"))


def _public(value: Any) -> str:
    """An option's value, without the folders of the machine in which it is."""
    text = str(value)
    return os.path.basename(text.rstrip(os.sep)) if os.path.isabs(text) else text


def _about(form: Form) -> str:
    how, vocab = form.preprocessing, form.preprocessing.vocab
    if vocab is None:
        return f"A network ({how.model}) that predicts a value for {form.samples}."
    names = ", ".join(vocab[:20]) + (f", … ({len(vocab):,} in all)" if len(vocab) > 20 else "")
    gives = {
        "classes": f"that tells {form.samples} of {len(vocab):,} classes apart",
        "labels": f"that gives {form.samples} any number of {len(vocab):,} labels",
        "masks": f"that gives each pixel of images one of {len(vocab):,} classes",
    }[form.target]
    return f"A network ({how.model}) {gives}: {names}."


def _training(config: dict[str, Any]) -> str:
    options = config.get("options", {})
    done, all_of_it = config.get("epochs_done"), config.get("resolved", {}).get("epochs")
    lines = [f"- data: {_data(options)}", f"- mix: {_mix(options)}"]
    if done is not None:
        stopped = "" if config.get("finished", True) else f", stopped before all {all_of_it}"
        lines.append(f"- epochs: {done}{stopped}")
    chosen = config.get("chosen", {})
    lines += [f"- {name}: {chosen[name]}" for name in SHOWN if name in chosen]
    command = _command(options)
    ran = f"\n    {command}\n" if command else "\nIt was started from Python.\n"
    return "\n".join(lines) + f"\n{ran}"


def _mix(options: dict[str, Any]) -> str:
    """What was mixed, in the words of ``--mix``: mixup, where nothing was said."""
    mix, alpha = options.get("mix"), options.get("alpha")
    if mix is not None and not is_text(mix):
        return str(mix)  # an object from Python
    return parse_mix(mix, alpha).text or NONE


def _command(options: dict[str, Any]) -> str | None:
    """The command that trained it; None where a command line cannot say what it mixed."""
    typed = [shlex.quote(_data(options))]
    for field in fields(TrainOptions):
        value = options.get(field.name, field.default)
        if field.name == "data" or value == field.default:
            continue
        if field.name == "mix" and not is_text(value):
            return None
        name, _, text = as_typed(option(field.name), value).partition(" ")
        text = _public(text)
        typed.append(f"{name} {shlex.quote(text)}" if text else name)
    return f"vicinal train {' '.join(typed)}"


def _measured(run: Path, config: dict[str, Any]) -> str:
    """The metrics of the last epoch."""
    try:
        with (run / METRICS).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError):
        rows = []
    if not rows:
        return "Nothing: the training was stopped before the end of its first epoch.\n"
    measured = {n: text for n, text in rows[-1].items() if n.startswith("valid_") and text}
    table = "".join(f"| {name} | {format_value(float(v))} |\n" for name, v in measured.items())
    part = "On the validation part of these data, which it was not trained on"
    when = f", after epoch {len(rows)}"
    if not config.get("finished", True):
        when += "; the weights are of when the training was stopped, which may be later"
    threshold = config.get("predict", {}).get("how", {}).get("threshold")
    chosen = "" if threshold is None else f" The threshold, {threshold:g}, was chosen on it."
    return f"{part}{when}.{chosen}\n\n| metric | value |\n|---|---|\n{table}"


def _use(form: Form, library: str | None) -> str:
    ways = {
        "timm": 'timm.create_model("hf-hub:REPO", pretrained=True)',
        "segmentation-models-pytorch": 'segmentation_models_pytorch.from_pretrained("REPO")',
        "transformers": 'AutoModelForSequenceClassification.from_pretrained("REPO")',
    }
    read = "`model.json` says what is done to a sample before the network, and after it."
    if library is None:
        return f"{read}\n"
    return f"    model = {ways[library]}.eval()\n\ngives logits. {read}\n"
