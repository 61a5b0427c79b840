"""Write data of texts beside columns, or of images beside columns, for ``vicinal compare``.

    python benchmarks/beside.py packages packages.csv
    python benchmarks/beside.py halves halves/
    python benchmarks/beside.py table runs/    # of the comparisons in docs/beside.md

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
from torch import Tensor

from vicinal.study.folder import ComparisonFolder
from vicinal.study.intervals import interval
from vicinal.study.result import Result
from vicinal.study.store import RESULT

SECTIONS = 8
MOST = 500  # packages of each section
FIELDS = (
    *("source", "description", "log2_size", "log2_installed", "depends", "architecture"),
    "section",
)
# The comparisons of each set: of both, and of each alone.
COMPARED = {
    "packages": ("packages", "packages-texts", "packages-columns"),
    "halves": ("halves", "halves-images", "halves-columns"),
}


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


def print_table(runs: Path) -> None:
    """What each learns alone and what both learn, without mixing and with it."""
    print(
        "| | none | `mixup` | `manifoldmixup` | both against it alone |\n|---|---:|---:|---:|---:|"
    )
    for names in COMPARED.values():
        found = {name: _by_arm(runs / name) for name in names}
        both = found[names[0]]["none"]
        for name, arms in found.items():
            base = arms["none"]
            mean = 100 * np.mean([result.mean("accuracy") for result in base])
            cells = [_difference(arms[mix], base) for mix in ("mixup", "manifoldmixup")]
            cells.append("" if name == names[0] else _difference(both, base))
            print(f"| {name} | {mean:.1f} % | {' | '.join(cells)} |")


def _by_arm(folder: Path) -> dict[str, list[Result]]:
    """The results of a comparison by the name of the method, in the order of their seeds."""
    files = ComparisonFolder(folder).results.glob(f"*{RESULT}")
    found: dict[str, list[Result]] = {}
    for result in sorted(map(Result.load, files), key=lambda result: result.seed):
        found.setdefault(result.arm.partition("-")[0], []).append(result)
    return found


def _difference(ones: list[Result], others: list[Result]) -> str:
    """The mean difference in accuracy, with an interval that is one of two."""
    pairs = zip(ones, others, strict=True)
    found = interval(np.stack([_paired(*pair).numpy() for pair in pairs]), 2)
    text = f"{_points(found.mean)} ({_points(found.low)} to {_points(found.high)})"
    return f"**{text}**" if found.significant else text


def _paired(one: Result, other: Result) -> Tensor:
    if (one.seed, one.validated) != (other.seed, other.validated):
        raise SystemExit(f"seeds {one.seed} and {other.seed} have other validation samples")
    return one.values["accuracy"] - other.values["accuracy"]


def _points(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("packages", "halves", "table"))
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    does = {"packages": write_packages, "halves": write_halves, "table": print_table}
    does[arguments.which](arguments.out)
