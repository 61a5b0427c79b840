"""The time from the name of image data to the first batch, beside that of other loaders.

python benchmarks/first_batch.py DATA [--old OLD/src] [--photos 100] [--photos-in FOLDER] [--runs 3]

DATA is a folder of class folders; or one of Parquet files with an image column, of which class
folders are made for the loaders that need them. A second table is of photos of 12 megapixels, which
are made by enlarging some of DATA, in a temporary folder or in a given one, where they stay.

Each candidate starts in a fresh interpreter. It imports what it needs, and then goes from the name
of the data (``load_split``) to the first training batch, 64 images of 147 x 147 pixels:

- first batch: seconds for that, without the imports.
- with imports: seconds from the start of the interpreter, with those of torch and all else.
- all once: seconds, without the imports, for one pass through all batches, training and validation,
  so that each image is decoded once. Batches are uint8, as they are read, before they are moved
  and normalized. fastai makes floats of them, and holds a thousandth of the images out.
- processor: seconds of all processors for that, also of worker processes, without the imports.

Vicinal's "cold" runs start from empty caches, its own and the one of the ``datasets`` library;
"warm" is the next run. Vicinal and, by ``--old``, an earlier tree take turns; their times are
medians of ``--runs``. The other loaders read all images in a single run; ``datasets`` has prepared
its copy before. The files come from memory: all are read once before anything is timed.
"""

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

OWN = str(Path(__file__).parents[1] / "src")
SIZE, BATCH, WORKERS = 147, 64, 2

COMMON = f"""
import time
began = time.perf_counter()
import json, os, resource, sys
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
    whole, imports = time.perf_counter() - wall, wall - began
    print(json.dumps([first, first + imports, whole, used() - processor]))
"""

VICINAL = """
from vicinal.data.sources import load_split
from vicinal.data.vision import ImageDataLoaders

def batches():
    split = load_split(DATA, seed=0)
    dls = ImageDataLoaders.from_split(split, item_size=SIZE, bs=BATCH, seed=0, device="cpu")
    for part in (dls.train, dls.valid):
        yield from map(part.dataset.__getitems__, part.sampler)

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


def once(code: str, data: Path, caches: Path, source: str = OWN) -> Any:
    """What a candidate measures: the columns of the table."""
    environment = {
        **os.environ,
        "HF_HOME": str(caches / "hub"),
        "VICINAL_CACHE": str(caches / "vicinal"),
        "PYTHONPATH": source,
    }
    os.sync()  # what the last one wrote is not to be waited for
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
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


def as_photos(folder: Path, count: int, below: Path) -> Path:
    """Images of all classes enlarged to 12 megapixels, in class folders."""
    from PIL import Image

    classes = [sorted(each.glob("*.*")) for each in sorted(folder.iterdir()) if each.is_dir()]
    some = [file for files in zip(*classes, strict=False) for file in files][:count]

    def enlarge(file: Path) -> None:
        made = below / file.parent.name / f"{file.stem}.jpg"
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(file) as image:
                image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC).save(made)

    with ThreadPoolExecutor() as threads:
        list(threads.map(enlarge, some))
    return below


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--old", help="src folder of an earlier tree of vicinal")
    parser.add_argument(
        "--photos", type=int, default=100, help="of 12 megapixels, 80 or more; 0 for none"
    )
    parser.add_argument("--photos-in", type=Path, help="folder where they are made, and stay")
    parser.add_argument("--runs", type=int, default=3, help="of vicinal, cold and warm")
    parser.add_argument("--alone", action="store_true", help="leave out the other loaders")
    options = parser.parse_args()
    for source in filter(None, (OWN, options.old)):
        compileall.compile_dir(source, quiet=1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = as_folder(options.data, Path(temporary, "images"))
        report(options, options.data, folder, Path(temporary, "caches"))
        if options.photos:
            below = options.photos_in or Path(temporary, "photos")
            photos = as_photos(folder, options.photos, below)
            report(options, photos, photos, Path(temporary, "caches of photos"))


def report(options: argparse.Namespace, data: Path, folder: Path, caches: Path) -> None:
    """Measure all candidates on the same images, and print the table.

    Args:
        data, folder: the images for vicinal and for the others.
    """
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(len(file.read_bytes()) for file in files)
    for table in data.glob("*.parquet"):
        table.read_bytes()
    print(f"\n{len(files):,} images of {size / len(files) / 1e3:.0f} kB\n", flush=True)
    ours = {"vicinal": OWN, **({"vicinal, earlier": options.old} if options.old else {})}
    others = (
        {}
        if options.alone
        else {
            f"torchvision `ImageFolder`, {WORKERS} workers": FOLDER,
            f"`datasets` with a transform, {WORKERS} workers": DATASETS,
            f"fastai, {WORKERS} workers": FASTAI,
        }
    )
    times: dict[str, list[list[float]]] = {}
    for _ in range(options.runs):
        for name, source in ours.items():
            for state in ("cold", "warm"):
                found = once(VICINAL, data, caches / name, source)
                times.setdefault(f"{name}, {state}", []).append(found)
            shutil.rmtree(caches / name)
    if others:
        once(PREPARE_DATASETS, folder, caches)
    for name, code in others.items():
        times[name] = [once(code, folder, caches)]
    medians = {
        name: [*map(statistics.median, zip(*all, strict=True))] for name, all in times.items()
    }
    print("| | first batch, s | with imports, s | all once, s | processor, s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, measured in medians.items():
        print(f"| {name} | {' | '.join(f'{each:.2f}' for each in measured)} |")
    if others:
        ratio = min(medians[name][2] for name in others) / medians["vicinal, cold"][2]
        print(f"\nall once, fastest other loader / vicinal: {ratio:.2f}")
    for state in ("cold", "warm") if options.old else ():
        new, old = medians[f"vicinal, {state}"], medians[f"vicinal, earlier, {state}"]
        print(f"{state}, first batch, vicinal / earlier: {new[0] / old[0]:.3f}")


if __name__ == "__main__":
    main()
