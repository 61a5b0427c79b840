"""export_run: a run as files that work without vicinal."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError
from vicinal.export.card import card
from vicinal.export.check import (
    SAMPLES,
    Agreement,
    Reference,
    Runner,
    onnx_runner,
    torch_runner,
)
from vicinal.export.described import DESCRIPTION, described
from vicinal.export.forms import TOKENIZER, Form, form_of
from vicinal.export.graph import Graph, check_onnx, save_onnx, save_torch, traced
from vicinal.export.networks import (
    CONFIG,
    LOADERS,
    check_timm,
    loaded_by,
    save_network,
    timm_name,
    timm_runner,
)
from vicinal.export.push import check_repo, push
from vicinal.files import check_writable, write_file, written
from vicinal.learner.checkpoint import save_weights
from vicinal.progress import status
from vicinal.stored import read_object
from vicinal.tasks import TrainOptions, find_split, task_type_of
from vicinal.tasks.predictor import Predictor
from vicinal.tasks.run_config import WEIGHTS, read_config

#: What can be written, and the file of each.
FORMATS = {"onnx": "model.onnx", "torch": "model.pt2", "timm": WEIGHTS, "hub": "README.md"}
DEFAULT = ("onnx", "torch")
GRAPHS = (("torch", save_torch, torch_runner), ("onnx", save_onnx, onnx_runner))
USES = {"torch": "`torch.export.load`", "onnx": "onnxruntime, and other programs that run ONNX"}
MIXING = ("mix", "alpha", "recipe")  # options that do not change how data are read
COMPARISON = "comparison.json"  # the settings of vicinal compare, whose runs keep no networks
Log = Callable[[str, str], None]


def export_run(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    formats: str | Sequence[str] = DEFAULT,
    samples: Sequence[str | os.PathLike[str]] = (),
    overwrite: bool = False,
    push_to_hub: str | None = None,
    log: Log | None = None,
) -> Path:
    """Write a run of ``vicinal train`` as files that work without vicinal.

    Each file is run on samples first, and compared with the run's own predictions: what differs by
    more than 0.0001 is an error, and nothing is written. Beside the files stands ``model.json``,
    which says what is done to a sample before the network; docs/export.md explains it.

    Args:
        run: the run folder.
        out: the folder for the files; None is the run's name with ``-export``.
        formats: ``"onnx"`` (model.onnx), ``"torch"`` (model.pt2, for ``torch.export.load``),
            ``"timm"`` (model.safetensors, for ``timm.create_model(…, checkpoint_path=)``) and
            ``"hub"`` (config.json, model.safetensors and README.md, the layout of a hub's
            folder); a list of these, or a text with commas.
        samples: to compare with, as ``vicinal predict`` takes them; none are validation samples of
            the run's data.
        overwrite: replace an earlier export in ``out``.
        push_to_hub: upload the files to this repository of the Hugging Face hub, ``OWNER/NAME``;
            the format ``"hub"`` is then added.
        log: is called with a name and a text for what was found and written.

    Returns:
        The folder.

    Raises:
        VicinalError: there is no such run, a format does not go with it, a package is missing, a
            file would answer otherwise than the run, or it cannot be written.

    >>> import tempfile
    >>> import pandas as pd
    >>> from vicinal import Path, export_run, runs
    >>> from vicinal.tasks import TrainOptions
    >>> folder = Path(tempfile.mkdtemp())
    >>> table = pd.DataFrame({"age": range(20, 60), "income": ["low", "high"] * 20})
    >>> table.to_csv(folder / "census.csv", index=False)
    >>> options = TrainOptions(str(folder / "census.csv"), label="income", epochs=1)
    >>> _ = runs.train(options, folder / "run", log=lambda *_: None)
         epoch ...
    >>> sorted(file.name for file in export_run(folder / "run", formats="torch").iterdir())
    ['model.json', 'model.pt2']
    """
    log = log or (lambda name, text: None)
    chosen = _formats(formats, push_to_hub)
    run, folder = Path(run), Path(out) if out is not None else _default_folder(Path(run))
    config, predictor, form = _loaded(run)
    _check_asked(chosen, predictor, form, folder, overwrite)
    log("run", _described_run(run, config, form))
    items, of = _items(run, config, form, samples)
    log("checked with", f"{len(items)} {of}")
    with status("predicting with the run"):
        reference = Reference.of(predictor, form, items)
    with _made(folder) as made:
        files, found = _write(made, chosen, predictor, form, reference, log)
        text = json.dumps(described(predictor, form, reference, found), indent=2)
        write_file(made / DESCRIPTION, text + "\n")
        files[DESCRIPTION] = "what is done to a sample before the network, and the names of classes"
        if "hub" in chosen:
            library = loaded_by(predictor, form)
            write_file(made / FORMATS["hub"], card(run, config, form, library, files))
        names = sorted(os.listdir(made))
    log("written to", f"{folder}: {', '.join(names)}")
    if push_to_hub is not None:
        with status(f"uploading to {push_to_hub}"):
            log("pushed to", push(folder, names, push_to_hub))
    return folder


def _formats(asked: str | Sequence[str], push_to_hub: str | None) -> list[str]:
    names = asked.split(",") if isinstance(asked, str) else list(asked)
    chosen = [name.strip().lower() for name in names if name.strip()]
    for name in chosen:
        if name not in FORMATS:
            near = get_close_matches(name, FORMATS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise VicinalError(
                f"--format {name} is unknown: {hint}there are {', '.join(FORMATS)}, separated by "
                "commas"
            )
    if push_to_hub is not None:
        check_repo(push_to_hub)
        chosen.append("hub")
    if not chosen:
        raise VicinalError(f"--format names no format: use {', '.join(FORMATS)}")
    return [name for name in FORMATS if name in chosen]


def _default_folder(run: Path) -> Path:
    absolute = run.resolve()  # of a run that is named "." or ".."
    return (
        run.parent / f"{run.name}-export"
        if run.name not in ("", "..")
        else absolute.with_name(f"{absolute.name}-export")
    )


def _loaded(run: Path) -> tuple[dict[str, Any], Predictor, Form]:
    if (run / COMPARISON).is_file():
        raise VicinalError(
            f"{run} holds a comparison, which keeps no networks: train the one that you choose by "
            "vicinal train, and export that run"
        )
    with status("loading the run"):
        predictor, config = Predictor.load(run), read_config(run)
    return config, predictor, form_of(predictor.preprocessing, config["predict"]["kind"])


def _check_asked(
    chosen: list[str], predictor: Predictor, form: Form, folder: Path, overwrite: bool
) -> None:
    """Refuse what cannot be done, before it takes time."""
    if "timm" in chosen:
        check_timm(predictor, form)
    if "onnx" in chosen:
        check_onnx()
    if os.path.isfile(folder):
        raise VicinalError(f"--out {folder} is a file: name a folder")
    there = sorted(os.listdir(folder)) if folder.is_dir() else []
    if there and not _is_export(folder):
        raise VicinalError(f"--out {folder} holds other files: name a new folder")
    if there and not overwrite:
        raise VicinalError(
            f"--out {folder} already holds an export: name another folder, or replace it with "
            "--overwrite"
        )
    check_writable(folder, f"--out {folder}")


def _is_export(folder: Path) -> bool:
    try:
        return "vicinal" in read_object(folder / DESCRIPTION)
    except (FileNotFoundError, VicinalError):
        return False


def _described_run(run: Path, config: dict[str, Any], form: Form) -> str:
    done = config.get("epochs_done", 0)
    trained = f"trained for {done} epoch{'' if done == 1 else 's'}"
    if not config.get("finished", True):
        trained += f" of {config.get('resolved', {}).get('epochs')}, as it was stopped"
    return f"{run}, {form.preprocessing.model} for {form.target} of {form.samples}, {trained}"


def _items(
    run: Path, config: dict[str, Any], form: Form, samples: Sequence[str | os.PathLike[str]]
) -> tuple[list[Any], str]:
    """Samples to compare with, and what they are."""
    how = form.preprocessing
    if samples:
        found = list(islice((item for _, item in how.found(map(str, samples))), SAMPLES))
        for item in found:
            if isinstance(item, VicinalError):
                raise item
        return found, f"{form.samples} as given"
    options = config.get("resolved") or config.get("options") or {}
    try:
        with status("reading validation samples"):
            # What mixes may be an object from Python, of which there is only the text.
            split = find_split(TrainOptions(**{**options, **dict.fromkeys(MIXING)}))
            if task_type_of(split).preprocessing_type is not type(how):
                raise VicinalError(f"they hold {split.kind} now")
            return form.chosen(split, SAMPLES), f"validation {form.samples} of {options['data']}"
    except (VicinalError, TypeError) as error:
        raise VicinalError(
            f"the run's data, with which the files are checked, cannot be used ({error}): name "
            f"samples instead, vicinal export {run} {how.argument}..."
        ) from None


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A new folder, whose files come to ``folder`` at the end, if there is no error.

    Of an earlier export, its files are replaced; others, such as a license, stay.
    """
    with written(f"--out {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield made
        with written(f"--out {folder}"):
            folder.mkdir(exist_ok=True)
            for name in (*FORMATS.values(), CONFIG, TOKENIZER, DESCRIPTION):
                (folder / name).unlink(missing_ok=True)
            # The description last: without it, it is no export.
            for file in sorted(made.iterdir(), key=lambda file: file.name == DESCRIPTION):
                file.replace(folder / file.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write(
    folder: Path,
    chosen: list[str],
    predictor: Predictor,
    form: Form,
    reference: Reference,
    log: Log,
) -> tuple[dict[str, str], dict[str, Agreement]]:
    """Write and check the files; gives what each is for, and how far it agrees with the run."""
    files: dict[str, str] = {}
    found: dict[str, Agreement] = {}

    def check(format: str, name: str, run: Runner, use: str) -> None:
        with status(f"running {name}"):
            found[name] = reference.compare(run, name)
        files[name] = use
        size = (folder / name).stat().st_size / 2**20
        log(format, f"{name}, {size:,.1f} MB: {found[name]}")

    if "onnx" in chosen or "torch" in chosen:
        with status("tracing the network"):
            program = traced(Graph(predictor, form), reference.example)
        for format, save, load in GRAPHS:
            if format in chosen:
                file = folder / FORMATS[format]
                with status(f"writing {file.name}"):
                    save(program, form, file)
                check(format, file.name, load(file), USES[format])
    if "timm" in chosen:
        save_weights(predictor.model, folder / WEIGHTS)
        made_as = f"{timm_name(form)!r}, num_classes={form.preprocessing.n_out}"
        use = f"`timm.create_model({made_as}, checkpoint_path=…)`"
        check("timm", WEIGHTS, timm_runner(form, folder / WEIGHTS), use)
    if "hub" in chosen:
        library = loaded_by(predictor, form)
        with status("writing the folder for a hub"):
            save_network(predictor, form, folder)
        if library is None:
            files[WEIGHTS] = "the weights alone"
        else:
            check("hub", WEIGHTS, LOADERS[library](form, folder), f"{library}")
            files[CONFIG] = f"{library}, which loads this folder by it"
    files.update({file.name: "from texts to tokens" for file in form.save(folder)})
    return files, found
