"""The processor time until a command answers, beside that of ``import torch``.

python benchmarks/startup.py [--old OLD/src] [--runs 5] [--only NAME ...]

Each command starts in a fresh interpreter, with one thread, and is ended once it has printed its
line: the first one, or the one that the table names. The time is that of the processors, user and
system, in which other programs hardly count; Linux counts it in hundredths of a second. The
commands, and by ``--old`` those of an earlier tree, take turns; the times are medians, the ratios
those of the medians. A round before the first warms the caches. Needs Linux.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

OWN = str(Path(__file__).parents[1] / "src")
PHOTOS, RUN, OUT = "photos", "run", "out"
TICKS = os.sysconf("SC_CLK_TCK")


def is_any(line: str) -> bool:
    return True


def is_epoch(line: str) -> bool:
    """Whether it is the first row of the table of epochs."""
    return line.split()[:1] == ["1"]


def is_last(line: str) -> bool:
    return line.startswith("To measure it:")


@dataclass(frozen=True)
class Case:
    """What is timed: a command of vicinal, or code, until the line that counts."""

    name: str
    arguments: tuple[str, ...]
    counts: Callable[[str], bool] = is_any


TORCH = Case("import torch", ("-c", "import torch; print(1)"))


def command(name: str, *arguments: str, counts: Callable[[str], bool] = is_any) -> Case:
    return Case(name, ("-m", "vicinal", *arguments), counts)


def cases() -> list[Case]:
    """Two lines of one command are cases of their own, as it is ended at the line that counts."""
    train = "train", "digits", "--out", OUT
    return [
        TORCH,
        Case("import vicinal", ("-c", "import vicinal; print(1)")),
        command("--help", "--help"),
        command("advise digits, to the end", "advise", "digits", counts=is_last),
        command("advise FOLDER, to the end", "advise", PHOTOS, counts=is_last),
        command("compare digits", "compare", "digits", "--out", OUT),
        command("show --data digits", "show", "--data", "digits"),
        command("show --data FOLDER", "show", "--data", PHOTOS),
        command("show digits, to the picture", "show", "digits"),
        command("predict RUN FILE", "predict", RUN, f"{PHOTOS}/a/0.png"),
        command("bench", "bench"),
        command("cache", "cache"),
        command("train FOLDER", "train", PHOTOS, "--out", OUT),
        command("train digits", *train),
        command("train digits, first epoch", *train, counts=is_epoch),
    ]


def environment(source: str, folder: str) -> dict[str, str]:
    own = {"PYTHONPATH": source, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own, "VICINAL_CACHE": str(Path(folder, "cache"))}


def seconds(case: Case, source: str, folder: str) -> float | None:
    """Of the processor, until the line that counts; None where that never comes."""
    shutil.rmtree(Path(folder, OUT), ignore_errors=True)  # what the last one left behind
    process = subprocess.Popen(
        [sys.executable, *case.arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=environment(source, folder),
    )
    assert process.stdout is not None
    answered = any(case.counts(line) for line in process.stdout)
    # Still there, if only to be waited for. The name in brackets may hold anything.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    process.kill()
    process.wait()
    process.stdout.close()
    return (int(fields[11]) + int(fields[12])) / TICKS if answered else None


def prepare(source: str, folder: str) -> None:
    """Two classes of small images, and a run that was trained on them by this tree."""
    generator = np.random.default_rng(0)
    for label in "ab":
        Path(folder, PHOTOS, label).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(folder, PHOTOS, label, f"{number}.png"))
    train = [sys.executable, "-m", "vicinal", "train", PHOTOS, "--epochs", "1", "--out", RUN]
    env = environment(source, folder)
    subprocess.run(train, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--old", help="the src folder of an earlier tree")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of cases, or how they begin")
    arguments = parser.parse_args()
    sources = {"old": str(Path(arguments.old).resolve())} if arguments.old else {}
    sources["new"] = OWN
    wanted = [
        case
        for case in cases()
        if case is TORCH or arguments.only is None or case.name.startswith(tuple(arguments.only))
    ]
    with tempfile.TemporaryDirectory() as folder:
        folders = {name: str(Path(folder, name)) for name in sources}
        for name, source in sources.items():
            prepare(source, folders[name])
        times: dict[tuple[str, str], list[float]] = {}
        for turn in range(1 + arguments.runs):
            for case in wanted:
                for name, source in sources.items():
                    taken = seconds(case, source, folders[name])
                    if taken is None and source == OWN:
                        sys.exit(f"{case.name} ended before its line")
                    if turn and taken is not None:  # else an earlier tree has no such command
                        times.setdefault((case.name, name), []).append(taken)
    report(times, list(sources))


def report(times: dict[tuple[str, str], list[float]], sources: list[str]) -> None:
    medians = {key: statistics.median(values) for key, values in times.items()}
    torch = statistics.median(
        [each for name in sources for each in times[TORCH.name, name]]  # the same for all trees
    )
    old = " old, s | new / old |" if "old" in sources else ""
    print(f"| first line of | s | / import torch |{old}")
    print(f"| --- | ---: | ---: |{' ---: | ---: |' if old else ''}")
    for name in dict.fromkeys(name for name, _ in times):
        new = medians[name, "new"]
        row = f"| `{name}` | {new:.2f} | {new / torch:.2f} |"
        if old:
            before = medians.get((name, "old"))
            row += f" {before:.2f} | {new / before:.2f} |" if before else " — | — |"
        print(row)


if __name__ == "__main__":
    main()
