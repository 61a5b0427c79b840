"""How often the intervals of a comparison miss the truth, by simulation.

Differences of two arms are drawn whose mean is known: each is a part of its seed's, a part of its
sample's, and a rest, all normal. The more of the mean's variance comes from the seeds, the less
do few of them tell about it.

python benchmarks/coverage.py          # 10,000 comparisons of each kind
python benchmarks/coverage.py 1000
"""

import sys

import numpy as np

from vicinal.study.intervals import interval

SAMPLES = 100
SHARES = (0.0, 0.5, 0.75, 0.9, 0.99)  # of the seeds, of the variance of the mean without the rest


def missed(seeds: int, share: float, comparisons: int, times: int) -> float:
    """The share of intervals that do not hold the truth, which is 0."""
    generator = np.random.default_rng(0)
    by_seed = (seeds / SAMPLES * share / (1 - share)) ** 0.5  # where that of a sample is 1
    count = 0
    for _ in range(times):
        differences = (
            by_seed * generator.standard_normal((seeds, 1))
            + generator.standard_normal((1, SAMPLES))
            + generator.standard_normal((seeds, SAMPLES))
        )
        count += interval(differences, comparisons).significant
    return count / times


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print("share of the seeds         " + "".join(f"{share:8.0%}" for share in SHARES))
    for comparisons in (1, 2, 18):
        for seeds in (2, 3, 5, 8):
            each = [missed(seeds, share, comparisons, times) for share in SHARES]
            name = f"{seeds} seeds, {5 / comparisons:.1f} % wanted"
            print(f"{name:27}" + "".join(f"{100 * share:7.1f}%" for share in each), flush=True)


if __name__ == "__main__":
    main()
