"""Check that a refactoring changes no number: two source trees side by side, bit for bit.

A change that only moves or renames code must leave every random draw, mixed batch, loss and trained
weight as it was (the idea of torchtitan's ``scripts/loss_compare.py``). Each tree runs the same
cases in processes of its own, on one thread: every public mixer over seeds, shapes, dtypes and
options; every loss on mixed targets; short trainings by ``python -m vicinal train``, of images,
rows and texts; and a small ``vicinal compare``. For each case a digest (blake2b) is printed of

- draws: partners and weights,
- batches: mixed samples and targets,
- losses: of the targets and their gradients, or the metrics of each epoch of a training,
- weights: of the trained networks, or the outputs that a comparison stores.

Digests are of raw bytes with dtype and shape, so the smallest difference shows. Digests of both
trees stand side by side; what differs, or cannot run in one of them, makes the exit status 1.

Names may differ between the trees: the cases use the public surface that both have, and a name that
has changed is found by a line in ``same_numbers_cases.py``. Add such a line when you rename, and
remove it once no tree to compare with has the old name.

All of it takes about four minutes of one core::

    python benchmarks/same_numbers.py OLD/src NEW/src
    python benchmarks/same_numbers.py OLD/src NEW/src --only 'MixUp*' 'train*'
"""

import argparse
import csv
import fnmatch
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

CASES = str(Path(__file__).with_name("same_numbers_cases.py"))
KINDS = ("draws", "batches", "losses", "weights")

# -- Digests


class Digests:
    """One hash for each kind of number of a case."""

    def __init__(self) -> None:
        self.hashes = {kind: hashlib.blake2b(digest_size=8) for kind in KINDS}
        self.filled: set[str] = set()

    def add(self, kind: str, value: Any) -> None:
        self.filled.add(kind)
        for part in parts(value):
            self.hashes[kind].update(part)

    def result(self) -> dict[str, str]:
        return {kind: self.hashes[kind].hexdigest() for kind in KINDS if kind in self.filled}


def parts(value: Any) -> Iterator[bytes]:
    """The bytes of tensors, mixed targets, nested batches of them, and plain values."""
    if type(value) is torch.Tensor:
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, torch.Tensor):  # a MixedTensor
        yield from parts([value.tolist(), value.partner, value.weight])
    elif hasattr(value, "own") and hasattr(value, "partner"):  # a MixedTarget
        yield from parts([value.own, value.partner, value.weight])
    elif isinstance(value, dict):
        for key, item in value.items():
            yield repr(key).encode()
            yield from parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from parts(item)
    else:
        yield repr(value).encode()


# -- Trainings by the command line


def write_data(folder: Path) -> None:
    """A CSV file of rows with classes, one with values, and one of texts."""
    choose = random.Random(0)
    words = {"good": ["fine", "great", "happy"], "bad": ["awful", "poor", "sad"]}
    filler = ["the", "a", "film", "book", "was", "very", "this", "that", "it", "and", "of", "in"]
    tables: dict[str, list[list[Any]]] = {
        "classes": [["a", "b", "c", "kind", "label"]],
        "values": [["a", "b", "c", "kind", "label"]],
        "texts": [["text", "label"]],
    }
    for _ in range(240):
        a, b, c = (round(choose.gauss(0, 1), 4) for _ in range(3))
        kind = choose.choice(["x", "y", "z"])
        label = "rare" if a + b > 1.5 else "high" if a > 0 else "low"
        tables["classes"].append([a, b, c, kind, label])
        value = round(a - 2 * b + (kind == "x") + 0.1 * choose.gauss(0, 1), 4)
        tables["values"].append([a, b, c, kind, value])
        mood = choose.choice(list(words))
        text = [choose.choice([*filler, *words[mood]]) for _ in range(15)]
        tables["texts"].append([" ".join(text), mood])
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)


COMMANDS = {
    **{
        f"train {data} {mix}": f"train {data} --mix {mix} --epochs 2 --seed 1"
        for data, mixes in {
            "digits": ["none", "mixup", "mixup+cutmix", "manifoldmixup", "fmix"],
            "classes.csv": ["mixup", "columnmix", "balancedmixup", "remix", "manifoldmixup"],
            "values.csv": ["mixup", "columnmix", "cmixup"],
            "texts.csv": ["mixup", "manifoldmixup"],
        }.items()
        for mix in mixes
    },
    "compare digits": "compare digits --epochs 1 --seeds 2 --train-size 200 --jobs 1",
}


def run_command(command: str, source: Path, folder: Path) -> dict[str, str]:
    write_data(folder)
    done = subprocess.run(
        [sys.executable, "-m", "vicinal", *command.split(), "--out", "out"],
        cwd=folder,
        env=environment(source) | {"VICINAL_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return {"error": (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}
    digests, out = Digests(), folder / "out"
    for file in sorted(out.glob("*.csv")):
        digests.add("losses", numbers(file))
    # A comparison's results are stored as safetensors, too; names of files may change.
    files = [*out.glob("*.safetensors"), *(out / "results").glob("*.result")]
    digests.add("weights", sorted(map(digest_of_tensors, files)))
    return digests.result()


def numbers(file: Path) -> list[list[float]]:
    """The numbers of a table, but for those of time; names and order of columns may change."""

    def number(cell: str) -> float | None:
        try:
            return float(cell)
        except ValueError:
            return None

    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    timeless = [{name: cell for name, cell in row.items() if "second" not in name} for row in rows]
    return [sorted(n for n in map(number, row.values()) if n is not None) for row in timeless]


def digest_of_tensors(file: Path) -> str:
    """Of all tensors in a file, whose names, and so their order, may change."""

    def digest(tensor: torch.Tensor) -> str:
        digests = Digests()
        digests.add("weights", tensor)
        return digests.result()["weights"]

    return " ".join(sorted(map(digest, load_file(file).values())))


# -- Both trees


def environment(source: Path) -> dict[str, str]:
    """That of a process which imports this tree, and computes alike at every run."""
    fixed = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": ""}
    return os.environ | fixed | {"PYTHONPATH": str(source)}


def digests_of(source: Path, only: list[str]) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, CASES, *only],
        env=environment(source),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    for name, command in COMMANDS.items():
        if is_wanted(name, only):
            with tempfile.TemporaryDirectory() as folder:
                found[name] = run_command(command, source, Path(folder))
    return found


def is_wanted(name: str, only: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in only)


def differences(
    old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]
) -> Iterator[tuple[str, bool]]:
    """A line for each digest, and whether both trees have the same one."""
    for name in old | new:
        both = [found.get(name, {"error": "no such case"}) for found in (old, new)]
        for kind in ("error", *KINDS):
            before, after = (each.get(kind, "-") for each in both)
            if before == after == "-":
                continue
            same = before == after and kind != "error"
            yield f"{name:32} {kind:8} {before:16} {after:16} {'' if same else 'DIFFERS'}", same


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs=2, type=Path, metavar="SOURCE", help="OLD/src NEW/src")
    parser.add_argument("--only", nargs="+", default=["*"], help="patterns of names of cases")
    options = parser.parse_args()
    for source in options.sources:
        if not (source / "vicinal" / "__init__.py").is_file():
            parser.error(f"{source} holds no vicinal: give the folder that vicinal/ is in")
    old, new = (digests_of(source.resolve(), options.only) for source in options.sources)
    lines = list(differences(old, new))
    print(f"{'case':32} {'':8} {'old':16} {'new':16}")
    for line, _ in lines:
        print(line)
    different = sum(not same for _, same in lines)
    print(f"\n{len(lines)} digests of {len(old | new)} cases, {different} different")
    return int(different > 0 or not lines)


if __name__ == "__main__":
    sys.exit(main())
