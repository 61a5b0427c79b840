"""Real series that aeon carries inside its package, and its own ROCKET classifiers on them.

    python -m venv aeonenv && aeonenv/bin/pip install 'aeon>=1.6'
    aeonenv/bin/python benchmarks/series_sets.py sets                 # copy the files to sets/
    aeonenv/bin/python benchmarks/series_sets.py sets --rocket        # MiniRocket, five seeds
    aeonenv/bin/python benchmarks/series_sets.py sets --rocket --full # ROCKET, which takes longer

In an environment of its own, as aeon holds other packages to versions. Then, with vicinal:

    for set in GunPoint ItalyPowerDemand BasicMotions JapaneseVowels OSULeaf; do
        vicinal compare sets/$set --mix none,mixup,cutmix,manifoldmixup --seeds 5
    done
"""

import argparse
import shutil
import statistics
import time
from pathlib import Path

SETS = ("GunPoint", "ItalyPowerDemand", "BasicMotions", "JapaneseVowels", "OSULeaf")
VALUES = ("Covid3Month",)  # with a value for each series


def copied(out):
    """Copy the training and test file of each set."""
    import aeon.datasets

    source = Path(aeon.datasets.__file__).parent / "data"
    for name in (*SETS, *VALUES):
        (out / name).mkdir(parents=True, exist_ok=True)
        for part in ("TRAIN", "TEST"):
            shutil.copy(source / name / f"{name}_{part}.ts", out / name)
        print(f"copied: {out / name}")


def rocket(seeds, full):
    """The accuracy of aeon's classifier on the test part of each set, for some seeds."""
    from aeon.classification import convolution_based
    from aeon.datasets import load_classification

    kind = convolution_based.RocketClassifier if full else convolution_based.MiniRocketClassifier
    print(f"| | {kind.__name__}, mean of {seeds} seeds | lowest | highest | seconds of a run |")
    print("|---|---:|---:|---:|---:|")
    for name in SETS:
        # Those of different lengths as aeon brings them to one length: its ROCKET needs one.
        parts = [
            load_classification(name, split=split, load_equal_length=True)
            for split in ("train", "test")
        ]
        (x, y), (x_test, y_test) = (part[:2] for part in parts)
        scores, began = [], time.process_time()
        for seed in range(seeds):
            classifier = kind(random_state=seed, n_jobs=1).fit(x, y)
            scores.append(100 * float((classifier.predict(x_test) == y_test).mean()))
        seconds = (time.process_time() - began) / seeds
        row = (statistics.mean(scores), min(scores), max(scores), seconds)
        print(f"| {name} | " + " | ".join(f"{number:.1f}" for number in row) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rocket", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    if given.rocket:
        rocket(given.seeds, given.full)
    else:
        copied(given.out)
