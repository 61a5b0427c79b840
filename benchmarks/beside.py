"""Write data of texts beside columns, or of images beside columns, for ``vicinal compare``.

    python benchmarks/beside.py packages packages.csv
    python benchmarks/beside.py halves halves/

The first are the packages that apt knows of, such as those of Debian, in the eight sections of
which there are most: the line that describes each, and beside it its sizes, how many others it
depends on, and for which machines it is. Packages that are built from one source are described
alike: hold them out together, by ``--group source``.

The second is made up of scikit-learn's digits: the upper half as an image, and the lower half, of
4 by 8 pixels, as columns of numbers. Neither of them says everything about the digit.
"""

import argparse
import csv
import math
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SECTIONS = 8
MOST = 500  # packages of each section
FIELDS = (
    *("source", "description", "log2_size", "log2_installed", "depends", "architecture"),
    "section",
)


def packages() -> Iterator[dict[str, str]]:
    """The fields of each package that apt knows of."""
    printed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True)
    for paragraph in printed.stdout.split("\n\n"):
        lines = [line.partition(": ") for line in paragraph.splitlines() if line[:1].strip()]
        yield {name.rstrip(":"): value for name, _, value in lines}


def write_packages(file: Path) -> None:
    named = {each["Package"]: each for each in packages() if "Section" in each}
    found = [named[name] for name in sorted(named)]
    sections = Counter(each["Section"] for each in found)
    wanted = [name for name, _ in sections.most_common(SECTIONS)]
    rng = np.random.default_rng(0)
    rows = []
    for section in sorted(wanted):
        of_section = [each for each in found if each["Section"] == section]
        rows += [_row(of_section[index]) for index in rng.permutation(len(of_section))[:MOST]]
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows):,} packages of {', '.join(sorted(wanted))} in {file}")


def _row(package: dict[str, str]) -> dict[str, object]:
    source = package.get("Source", package["Package"]).partition(" ")[0]
    depends = package.get("Depends", "")
    return {
        "source": source,
        "description": package.get("Description", package.get("Description-en", "")).strip(),
        "log2_size": _log2(package["Size"]),
        "log2_installed": _log2(package.get("Installed-Size")),
        "depends": depends.count(",") + 1 if depends else 0,
        "architecture": package["Architecture"],
        "section": package["Section"],
    }


def _log2(size: str | None) -> object:
    return round(math.log2(1 + int(size)), 2) if size else ""


def write_halves(folder: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"pixel_{row}_{column}" for row in range(4, 8) for column in range(8)]
    with (folder / "digits.csv").open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["file", *names, "label"])
        for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            upper = pixels.copy()
            upper[4:] = 0
            Image.fromarray((upper * 15.9375).astype(np.uint8)).save(
                folder / "images" / f"{number}.png"
            )
            writer.writerow([f"{number}.png", *pixels[4:].flatten().astype(int), label])
    print(f"{len(digits.target):,} digits in {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("packages", "halves"))
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    {"packages": write_packages, "halves": write_halves}[arguments.which](arguments.out)
