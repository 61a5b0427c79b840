"""The settings of a run, in the file of its folder."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError
from vicinal.kinds import KINDS
from vicinal.stored import Misfit, check_dataclass, check_fields, misfit, read_object
from vicinal.tasks.options import TrainOptions, is_text

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RESCALING = "rescaling.safetensors"  # beside the weights of a training with RescaledMixUp
FIELDS = {
    "vicinal": str,
    "torch": str,
    "options": dict[str, Any],
    "resolved": dict[str, Any],
    "chosen": dict[str, str],
    "fingerprint": str,
    "predict": dict[str, Any],
    "rescaled": bool,
    "finished": bool,
    "epochs_done": int,
    "digest": str,
}
#: What is needed to go on with a run.
RESUMED = ("options", "resolved", "chosen", "fingerprint", "finished", "epochs_done")


def config_digest(config: dict[str, Any]) -> str:
    """The digest of settings, which their file holds too."""
    rest = {name: value for name, value in config.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def is_run(folder: Path) -> bool:
    """Whether a folder holds the settings of a run, also damaged ones; other programs have files
    of the same name."""
    try:
        return "vicinal" in read_object(folder / CONFIG)
    except FileNotFoundError:
        return False


def read_config(folder: Path, needed: Collection[str] = ("predict",)) -> dict[str, Any]:
    """The settings of a run.

    Args:
        folder: of the run.
        needed: the fields that there must be.

    Raises:
        VicinalError: there are none, or they are damaged, of another version, or not those that
            were written. Those of earlier versions have no digest, by which the last is known.
    """
    file = folder / CONFIG
    try:
        config = read_object(file)
    except FileNotFoundError:
        raise VicinalError(f"{folder} holds no run: there is no {CONFIG} in it") from None
    if config.get("digest", config_digest(config)) != config_digest(config):
        raise VicinalError(
            f"{file} is damaged or was edited, as its digest differs: restore it from a copy, or, "
            "if the change is meant, remove its digest"
        )
    try:
        check_fields(config, FIELDS, needed=needed)
        for name in ("options", "resolved"):
            if name in config:
                check_stored_options(config[name], name)
        if "predict" in config:
            _check_predict(config["predict"])
    except VicinalError as error:
        raise misfit(file, error, config.get("vicinal")) from None
    return config


def check_stored_options(stored: Mapping[str, Any], where: str) -> None:
    """Check options of a training as JSON holds them.

    Raises:
        VicinalError: one is unknown, of another type or out of its range; the message is a clause.
    """
    check_dataclass(stored, TrainOptions, where)
    mix = stored.get("mix")
    from_python = {} if mix is None or is_text(mix) else {"mix": None, "alpha": None}
    try:
        TrainOptions(**{**stored, **from_python})
    except VicinalError as error:
        raise Misfit(f"in {where}, {error}") from None


def _check_predict(stored: dict[str, Any]) -> None:
    kinds = {"kind": str, "how": dict[str, Any]}
    check_fields(stored, kinds, "predict", needed=tuple(kinds))
    if stored["kind"] not in KINDS:
        raise Misfit(f"data of the kind {stored['kind']} are unknown here")


def check_has_weights(folder: Path, config: dict[str, Any]) -> None:
    """Refuse a run that was killed before its network was saved, and say how to go on with it."""
    if not (folder / WEIGHTS).exists():
        data = config.get("options", {}).get("data", "DATA")
        raise VicinalError(
            f"{folder} holds a run that was killed before its network was saved: go on with "
            f"vicinal train {data} --out {folder} --resume"
        )


def default_folder(data: str, resume: bool, *more: str) -> Path:
    """The next free folder for these data, or to resume, the last one that exists."""
    name = "-".join([Path(data.rpartition(":")[2]).resolve().stem or "run", *more])
    folder, number = Path("runs", name), 1
    found = folder
    while folder.exists():
        number += 1
        found, folder = folder, Path("runs", f"{name}-{number}")
    return found if resume else folder
