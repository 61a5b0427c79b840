"""Several labels of each sample: their losses, metrics and threshold, for data of every kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.backends import cudnn

from vicinal.criteria import AsymmetricLoss
from vicinal.data.label_blocks import MultiCategoryBlock
from vicinal.data.loaders import DataLoaders
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.formatting import format_percent
from vicinal.learner.learner import Learner
from vicinal.learner.union import UnionTargets, union
from vicinal.mixes import MixSpec
from vicinal.mixing import MixedTarget
from vicinal.scores.label_ranking import BestF1, MeanAveragePrecision, best_threshold, f1_scores
from vicinal.tasks.options import TrainOptions

UNKNOWN = 0.5  # the threshold of a network that is not trained to the end
LOSSES: dict[str, Callable[[], Callable[..., Tensor]]] = {
    "bce": nn.BCEWithLogitsLoss,
    "asymmetric": AsymmetricLoss,
}


def checked_loss(name: str | None, split: DataSplit) -> str | None:
    """The name of the loss that ``--loss`` chooses; None where the data leave no choice.

    Raises:
        VicinalError: there is no such loss, or the data leave no choice.
    """
    if split.targets_are != "labels":
        if name is not None:
            from vicinal.tasks import mask_losses

            whose = "masks" if name in mask_losses.LOSSES else "several labels of each sample"
            raise VicinalError(
                f"--loss {name} is for {whose}, and these are {split.targets_are}: leave it out"
            )
        return None
    chosen = name or next(iter(LOSSES))
    if chosen not in LOSSES:
        raise VicinalError(f"--loss must be {' or '.join(LOSSES)}, not {chosen}")
    return chosen


def check_union(spec: MixSpec, split: DataSplit) -> None:
    """Refuse the union of labels where each sample has one class or value."""
    if spec.labels == "union" and split.targets_are != "labels":
        raise VicinalError(
            f"--mix {spec.text}: labels=union is for several labels of each sample, and these are "
            f"{split.targets_are}: leave it out"
        )


def loss_text(options: TrainOptions, loss: str, targets_are: str) -> str:
    """What a training of several labels, or of masks, minimises, for the user."""
    what = "several labels" if targets_are == "labels" else "masks"
    why = f"for {what}" if options.loss is None else "as requested"
    mixed = "; a mixed sample has all labels of both" if options.spec.labels == "union" else ""
    return f"{loss} ({why}){mixed}"


def shown_target(target: MixedTarget, spec: MixSpec) -> MixedTarget:
    """The mixed target that is drawn: where the union is trained, own and partner's are that."""
    if spec.labels != "union":
        return target
    both = union(target)
    return MixedTarget(both, both, target.weight)


def metrics() -> list[Any]:
    """What each epoch is validated by."""
    return [MeanAveragePrecision(), BestF1()]


def criterion(loss: str | None) -> Callable[..., Tensor] | None:
    """The loss function of this name; None for what a Learner takes by itself."""
    return None if loss is None else LOSSES[loss]()


def of_several(dls: DataLoaders, split: DataSplit) -> None:
    """Tell loaders that their targets are several labels of each sample, where they are."""
    if split.targets_are == "labels":
        dls.target_block = MultiCategoryBlock(vocab=split.vocab)


def add_union(learn: Learner, spec: MixSpec) -> None:
    """Let a learner train with the union of mixed labels, where that is asked for."""
    if spec.labels == "union":
        learn.add_cbs(UnionTargets())


@contextmanager
def as_predictors_compute(learn: Learner) -> Iterator[None]:
    """Within this context a learner computes in float32, also a GPU's convolutions, as on a CPU."""
    # By operator, where torch has that: cudnn.allow_tf32 is an error where a program set these.
    conv: Any = getattr(cudnn, "conv", None)
    place, name, exact = (
        (cudnn, "allow_tf32", False) if conv is None else (conv, "fp32_precision", "ieee")
    )
    precision, of_gpu = learn.precision, getattr(place, name)
    try:
        learn.precision = "fp32"
        setattr(place, name, exact)
        yield
    finally:
        learn.precision = precision
        setattr(place, name, of_gpu)


def chosen_threshold(learn: Learner) -> tuple[float, str]:
    """The threshold with the highest micro F1 score in validation, and what it gives, in words.

    Predictors compute in float32, so that it is chosen there, whatever the training computed in.
    """
    with as_predictors_compute(learn):
        probabilities, targets = learn.get_preds(act=learn.activation)
    threshold = best_threshold(probabilities, targets)
    scores = f1_scores(probabilities.double() > threshold, targets)
    micro, macro = (f"{format_percent(score)} %" for score in scores)
    return threshold, (
        f"{threshold:g}: the highest micro F1 of the validation part, {micro} (macro F1 {macro})"
    )
