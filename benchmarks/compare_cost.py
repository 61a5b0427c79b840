"""What a comparison costs, beside an earlier version: time, and how far results differ.

python benchmarks/compare_cost.py digits --old OLD/src -- --epochs 20
python benchmarks/compare_cost.py DATA --old OLD/src -- --train-size 1000 --epochs 150 --seeds 3

Everything after ``--`` is given to ``vicinal compare``. Both trees run the same command, one after
the other, each with an empty cache of decoded images, in a temporary folder. Beside the seconds
until it ends stand those of the processors, in which other programs hardly count. A first round is
not counted: in it Python and numba compile each tree. The last lines compare the results run by
run.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

OWN = str(Path(__file__).parents[1] / "src")


def compare(source: str, data: str, arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run ``vicinal compare`` of a tree; returns the seconds to its end, and of the processors."""
    environment = {**os.environ, "PYTHONPATH": source, "VICINAL_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "vicinal", "compare", data, *arguments]
    began, used = time.perf_counter(), _processor()
    done = subprocess.run(
        [*command, "--out", str(folder / "out")], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, _processor() - used


def _processor() -> float:
    """The processors' time of all processes that were started here and have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--old", required=True, help="src folder of an earlier tree of vicinal")
    parser.add_argument("--rounds", type=int, default=1, help="of both trees, in turns")
    own, _, passed = " ".join(sys.argv[1:]).partition(" -- ")
    options, arguments = parser.parse_args(own.split()), passed.split()
    data = str(Path(options.data).absolute()) if Path(options.data).exists() else options.data
    seconds: dict[str, list[tuple[float, float]]] = {"now": [], "earlier": []}
    results = {}
    for number in range(options.rounds + 1):
        for name, source in (("now", OWN), ("earlier", options.old)):
            with tempfile.TemporaryDirectory() as folder:
                took = compare(source, data, arguments, Path(folder))
                results[name] = pd.read_csv(Path(folder, "out", "runs.csv"))
            note = "" if number else " (not counted)"
            print(f"{name}: {took[0]:.1f} s, {took[1]:.1f} s of processor{note}", flush=True)
            if number:
                seconds[name].append(took)
    now, earlier = (pd.DataFrame(seconds[name]).median() for name in ("now", "earlier"))
    wall, processor = now / earlier
    print(f"now / earlier: {wall:.3f}, of processor {processor:.3f}")
    _print_differences(results["now"], results["earlier"])


def _print_differences(now: pd.DataFrame, earlier: pd.DataFrame) -> None:
    """How far the measures of the runs that both did are from each other."""
    runs, times = ["mix", "alpha", "epochs", "seed"], ["seconds", "samples_per_second", "failed"]
    measures = [name for name in now if name in earlier and name not in (*runs, *times)]
    for name in measures:
        difference = (now[name] - earlier[name]).abs().max()
        print(f"{name}: the same" if difference == 0 else f"{name}: up to {difference:.2g} apart")


if __name__ == "__main__":
    main()
