"""The time from the name of image data to the first batch, beside that of other loaders.

python benchmarks/first_batch.py DATA [--old OLD/src] [--runs 3]

DATA is a folder of class folders; or one of Parquet files with an image column, of which class
folders are made for those that need them. Candidates take turns, an earlier tree of vicinal among
them. Each starts in a fresh interpreter, imports what it needs, and then measures:

- first batch: seconds from the name of the data to 64 images of 147 x 147 pixels. Vicinal decodes
  all images for it, and from then on maps them from its cache; "warm" is its next run.
- all once: until each image was decoded once; fastai holds a thousandth of them out.
- processor: seconds of all processors until then, in worker processes, too.

Files and the hub's tables come from the disk's cache: all are read once before anything is timed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OWN = str(Path(__file__).parents[1] / "src")
SIZE, BATCH, WORKERS = 147, 64, 2

COMMON = f"""
import json, os, resource, sys, time
DATA, SIZE, BATCH, WORKERS = sys.argv[1], {SIZE}, {BATCH}, {WORKERS}

def used():
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    both = [resource.getrusage(kind) for kind in kinds]
    return sum(each.ru_utime + each.ru_stime for each in both)

def measure(batches):
    wall, processor, seen, first = time.perf_counter(), used(), 0, None
    loader = batches()
    for x, y in loader:
        first = first or time.perf_counter() - wall
        seen += len(x)
    del loader  # ends the workers, whose time counts from then on
    print(json.dumps([first, time.perf_counter() - wall, used() - processor, seen]))
"""

VICINAL = """
from vicinal.data.sources import load_split
from vicinal.data.vision import ImageDataLoaders

def batches():
    split = load_split(DATA, seed=0)
    dls = ImageDataLoaders.from_split(split, item_size=SIZE, bs=BATCH, seed=0, device="cpu")
    return [next(iter(dls.train))]

measure(batches)
"""

FOLDER = """
import torch
from torchvision import datasets, transforms

def batches():
    how = [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.PILToTensor()]
    data = datasets.ImageFolder(DATA, transforms.Compose(how))
    return torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=WORKERS)

measure(batches)
"""

DATASETS = """
import datasets, torch
from torchvision import transforms

how = transforms.Compose(
    [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.PILToTensor()]
)

def transformed(rows):
    images = [how(image.convert("RGB")) for image in rows["image"]]
    return {"pixels": images, "label": rows["label"]}

def together(rows):
    labels = torch.tensor([row["label"] for row in rows])
    return torch.stack([row["pixels"] for row in rows]), labels

def batches():
    data = datasets.load_dataset("imagefolder", data_dir=DATA, split="train")
    data = data.with_transform(transformed)
    return torch.utils.data.DataLoader(
        data, BATCH, shuffle=True, num_workers=WORKERS, collate_fn=together
    )

datasets.disable_progress_bars()
measure(batches)
"""

PREPARE_OURS = """
from vicinal.data.sources import load_split
load_split(DATA)
print(0)
"""

PREPARE_DATASETS = """
import datasets
datasets.load_dataset("imagefolder", data_dir=DATA)
print(0)
"""

FASTAI = """
from fastai.vision.all import ImageDataLoaders, Resize

def batches():
    dls = ImageDataLoaders.from_folder(
        DATA, valid_pct=0.001, item_tfms=Resize(SIZE), bs=BATCH, num_workers=WORKERS, device="cpu"
    )
    return dls.train

measure(batches)
"""


def once(code: str, data: Path, temporary: Path, source: str = OWN, cache: str = "") -> Any:
    """What a candidate measures: the three columns of the table, and how many images it saw."""
    environment = {
        **os.environ,
        "HF_HOME": str(temporary / "hub"),
        "VICINAL_CACHE": str(temporary / cache),
        "PYTHONPATH": source,
    }
    command = [sys.executable, "-c", COMMON + code, str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def as_folder(data: Path, below: Path) -> Path:
    """The images of Parquet files in class folders; a folder of images as it is."""
    import pyarrow.parquet

    for table in sorted(data.glob("*.parquet")):
        rows = pyarrow.parquet.read_table(table, columns=["image", "label"]).to_pylist()
        for number, row in enumerate(rows):
            file = below / str(row["label"]) / f"{table.stem}-{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(row["image"]["bytes"])
    return below if below.exists() else data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--old", help="src folder of an earlier tree of vicinal")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = as_folder(options.data, Path(temporary, "images"))
        for file in [*options.data.rglob("*"), *folder.rglob("*")]:
            if file.is_file():
                file.read_bytes()
        report(options, folder, Path(temporary))


def report(options: argparse.Namespace, folder: Path, temporary: Path) -> None:
    ours = {"vicinal": OWN, **({"vicinal, earlier": options.old} if options.old else {})}
    others = {
        f"torchvision ImageFolder, {WORKERS} workers": FOLDER,
        f"datasets with a transform, {WORKERS} workers": DATASETS,
        f"fastai, {WORKERS} workers": FASTAI,
    }
    for code, data in ((PREPARE_OURS, options.data), (PREPARE_DATASETS, folder)):
        once(code, data, temporary)
    times: dict[str, list[list[float]]] = {}
    for run in range(options.runs):
        for name, source in ours.items():
            cache = f"{name}-{run}"
            for state in ("cold", "warm"):
                found = once(VICINAL, options.data, temporary, source, cache)
                times.setdefault(f"{name}, {state}", []).append(found)
            shutil.rmtree(temporary / cache)
        for name, code in others.items():
            times.setdefault(name, []).append(once(code, folder, temporary))
    print("| | first batch, s | all once, s | processor, s |\n| --- | ---: | ---: | ---: |")
    for name, measured in times.items():
        first, whole, processor, _ = map(statistics.median, zip(*measured, strict=True))
        print(f"| {name} | {first:.2f} | {whole:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
