"""The effect of mixing on rare classes, several labels and ordered classes of scikit-learn's data.

python benchmarks/targets.py [0.5]      # with half of the epochs

A network with two layers of 128 units is trained on one half of the data by the Learner's one-cycle
policy, and tested on the other half. Each seed has its own split, initial weights and order of
batches, the same for all methods; gains over the first row are differences within a seed.

Rare classes: digits with a fraction of 20^(-k/9) of the training images of class k: all of the
zeros, a twentieth of the nines. The test part is unchanged.
Several labels: digits with three labels each: even, 5 or more, and with a closed loop, as 0, 6, 8
and 9 are (4 is mostly written open).
Ordered classes: the progression of diabetes after a year, in five classes of equal size.
"""

import contextlib
import io
import statistics
import sys
from collections.abc import Callable

import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from vicinal import (
    AsymmetricLoss,
    BalancedMixUp,
    DataLoaders,
    Learner,
    Mixer,
    MixUp,
    OrdinalLoss,
    Remix,
    accuracy_multi,
    mae,
    ordinal_class,
)

SEEDS = range(5)
# Training inputs and targets, test inputs and targets.
Data = tuple[Tensor, Tensor, Tensor, Tensor]
Mixers = dict[str, Callable[[Data, int], Mixer | None]]
# From outputs and targets of the test part to a number.
Measure = Callable[[Tensor, Tensor], float]
Rows = dict[str, list[float]]

MIXERS: Mixers = {
    "no mixing": lambda data, seed: None,
    "`MixUp(0.4)`": lambda data, seed: MixUp(0.4, seed=seed),
}
MIXERS_FOR_RARE_CLASSES: Mixers = {
    **MIXERS,
    "`MixUp(1.0)`": lambda data, seed: MixUp(1.0, seed=seed),
    "`Remix(counts, 1.0)`": lambda data, seed: Remix(data[1].bincount(), 1.0, seed=seed),
    "`BalancedMixUp(0.2)`": lambda data, seed: BalancedMixUp(0.2, seed=seed),
    "the same, the training part as pool": lambda data, seed: BalancedMixUp(
        0.2, pool=data[:2], seed=seed
    ),
}


def halves(x: Tensor, y: Tensor, seed: int) -> Data:
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    train, test = order.tensor_split(2)
    return x[train], y[train], x[test], y[test]


def digits(seed: int) -> Data:
    data = load_digits()
    return halves(torch.from_numpy(data.data).float() / 16, torch.from_numpy(data.target), seed)


def digits_with_rare_classes(seed: int) -> Data:
    x, y, x_test, y_test = digits(seed)
    of_each = [(y == label).nonzero().flatten() for label in range(10)]
    rows = torch.cat([rows[: round(len(rows) * 20 ** (-k / 9))] for k, rows in enumerate(of_each)])
    return x[rows], y[rows], x_test, y_test


def digits_with_labels(seed: int) -> Data:
    def labels(y: Tensor) -> Tensor:
        loop = torch.isin(y, torch.tensor([0, 6, 8, 9]))
        return torch.stack([y % 2 == 0, y >= 5, loop], dim=1).float()

    x, y, x_test, y_test = digits(seed)
    return x, labels(y), x_test, labels(y_test)


def diabetes_in_fifths(seed: int) -> Data:
    x, progress = (torch.from_numpy(t).float() for t in load_diabetes(return_X_y=True))
    limits = progress.quantile(torch.tensor([0.2, 0.4, 0.6, 0.8]))
    return halves(x / x.std(0), torch.bucketize(progress, limits), seed)


def outputs(
    data: Data, mixer: Mixer | None, criterion: nn.Module, n_out: int, epochs: int, seed: int
) -> Tensor:
    """Train a network, and return its (N, n_out) outputs for the test part."""
    x, y, x_test, y_test = data
    torch.manual_seed(seed)
    layers = [nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(128, n_out))
    # The Learner validates after each epoch; a few rows save time.
    dls = DataLoaders.from_tensors(x, y, x_test[:64], y_test[:64], bs=32, seed=seed, device="cpu")
    learn = Learner(dls, model, criterion, cbs=mixer)
    with contextlib.redirect_stdout(io.StringIO()):
        learn.fit_one_cycle(epochs, 0.01)
    with torch.no_grad():
        return model(x_test)


def measured(
    data_of: Callable[[int], Data],
    mixers: Mixers,
    criterion: nn.Module,
    n_out: int,
    epochs: int,
    measures: dict[str, Measure],
) -> Rows:
    """For each measure and mixer, the values of all seeds."""
    rows: Rows = {measure + mixer: [] for measure in measures for mixer in mixers}
    for name, make in mixers.items():
        for seed in SEEDS:
            data = data_of(seed)
            output = outputs(data, make(data, seed), criterion, n_out, epochs, seed)
            for prefix, measure in measures.items():
                rows[prefix + name].append(measure(output, data[3]))
    return rows


def show(title: str, rows: Rows, decimals: int) -> None:
    print(f"\n| {title} | mean ± deviation | gain over the first row |\n|---|---:|---:|")
    first, *_ = rows.values()
    for name, values in rows.items():
        gains = [a - b for a, b in zip(values, first, strict=True)]
        cells = [
            f"{statistics.mean(each):{sign}.{decimals}f} ± {statistics.stdev(each):.{decimals}f}"
            for each, sign in ((values, ""), (gains, "+"))
        ]
        print(f"| {name} | {cells[0]} | {'' if values is first else cells[1]} |", flush=True)


def rare_classes(epochs: int) -> None:
    def measure(output: Tensor, target: Tensor) -> float:
        return 100 * float(balanced_accuracy_score(target, output.argmax(1)))

    data, mixers = digits_with_rare_classes, MIXERS_FOR_RARE_CLASSES
    rows = measured(data, mixers, nn.CrossEntropyLoss(), 10, epochs, {"": measure})
    show("accuracy over classes, %", rows, 1)


def several_labels(epochs: int) -> None:
    def above(threshold: float) -> Measure:
        return lambda logits, target: (
            100 * float(accuracy_multi(logits, target, threshold, sigmoid=False))
        )

    rows: Rows = {}
    # For a label with a probability of 1/2, AsymmetricLoss is lowest at a logit of 0.77.
    for criterion, thresholds in ((nn.BCEWithLogitsLoss(), [0]), (AsymmetricLoss(), [0, 0.77])):
        name = type(criterion).__name__
        measures = {f"`{name}`, above {t}, ": above(t) for t in thresholds}
        rows |= measured(digits_with_labels, MIXERS, criterion, 3, epochs, measures)
    show("`accuracy_multi`, %", rows, 1)


def ordered_classes(epochs: int) -> None:
    def error(class_of: Callable[[Tensor], Tensor]) -> Measure:
        return lambda output, target: float(mae(class_of(output), target))

    def median(output: Tensor) -> Tensor:  # the first class with which half is reached
        return (output.softmax(1).cumsum(1) < 0.5).sum(1)

    by_class = {
        "cross-entropy, the likeliest class, ": error(lambda output: output.argmax(1)),
        "cross-entropy, the median, ": error(median),
    }
    by_threshold = {"`OrdinalLoss`, ": error(ordinal_class)}
    rows = measured(diabetes_in_fifths, MIXERS, nn.CrossEntropyLoss(), 5, epochs, by_class)
    rows |= measured(diabetes_in_fifths, MIXERS, OrdinalLoss(5), 4, epochs, by_threshold)
    show(f"mean absolute error in classes, {epochs} epochs", rows, 2)


def main() -> None:
    longer = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{len(SEEDS)} seeds, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    rare_classes(round(80 * longer))
    several_labels(round(120 * longer))
    ordered_classes(round(20 * longer))
    ordered_classes(round(100 * longer))


if __name__ == "__main__":
    main()
