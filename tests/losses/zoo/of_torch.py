"""torch's losses."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with

MODULE = "torch"


def names() -> dict[str, Any]:
    import torch
    from torch.nn.modules import loss

    return {**names_with(loss), "F": torch.nn.functional}


def public() -> set[str]:
    import torch
    from torch.nn.modules import loss

    functions = {f"F.{name}" for name in vars(torch.nn.functional) if name.endswith("_loss")}
    return {*loss.__all__, *functions, "F.cross_entropy", "F.kl_div"}


def _with_variance(loss: Any, output: Any, target: Any) -> Any:
    return loss(output, target, output.square() + 1)


def _pairs(loss: Any, output: Any, target: Any) -> Any:
    return loss(output[:, 0], output[:, 1], target)


def _two(loss: Any, output: Any, target: Any) -> Any:
    return loss(output[:, 0, 0], output[:, 0, 1], target)


def _spelt(loss: Any, output: Any, target: Any) -> Any:
    samples = len(output)
    return loss(output.transpose(0, 1).log_softmax(2), target, [6] * samples, [2] * samples)


LOSSES = [
    Loss("CrossEntropyLoss()", "classes"),
    Loss("CrossEntropyLoss(w)", "masks"),
    Loss("CrossEntropyLoss(w, ignore_index=2)", "masks"),
    Loss("CrossEntropyLoss(w, label_smoothing=0.1)", "classes"),
    Loss("CrossEntropyLoss()", "one-hot"),
    Loss("CrossEntropyLoss(w)", "one-hot"),
    Loss("NLLLoss(w)", "log-probabilities"),
    Loss("NLLLoss2d(w)", "masks"),
    Loss("BCELoss()", "probabilities of labels"),
    Loss("BCEWithLogitsLoss()", "labels"),
    Loss("BCEWithLogitsLoss(pos_weight=w)", "labels"),
    Loss("MSELoss()", "values"),
    Loss("MSELoss()", "a value"),
    Loss("MSELoss(reduction='sum')", "maps of values"),
    Loss("L1Loss()", "values"),
    Loss("SmoothL1Loss()", "values"),
    Loss("HuberLoss()", "values"),
    Loss("PoissonNLLLoss()", "positive values"),
    Loss("GaussianNLLLoss(reduction='none')", "values", call=_with_variance),
    Loss("KLDivLoss(reduction='batchmean')", "one-hot log-probabilities"),
    Loss("HingeEmbeddingLoss()", "signs"),
    Loss("SoftMarginLoss()", "signs"),
    Loss("MultiLabelMarginLoss()", "lists of labels"),
    Loss("MultiLabelSoftMarginLoss()", "labels"),
    Loss("MultiMarginLoss()", "classes"),
    Loss("LinearCrossEntropyLoss(4, 4, weight=w, ignore_index=2)", "classes"),
    Loss("CosineEmbeddingLoss(reduction='none')", "a sign of pairs", call=_pairs),
    Loss("MarginRankingLoss(reduction='none')", "a sign of pairs", call=_two),
    Loss("CTCLoss(reduction='none')", "spelt words", call=_spelt),
    Loss("F.cross_entropy", "masks", settings="weight=w"),
    Loss("F.nll_loss", "log-probabilities", settings="weight=w"),
    Loss("F.kl_div", "one-hot log-probabilities", settings="reduction='batchmean'"),
    Loss("F.mse_loss", "values"),
    Loss("F.l1_loss", "values"),
    Loss("F.smooth_l1_loss", "values"),
    Loss("F.huber_loss", "values"),
    Loss("F.poisson_nll_loss", "positive values"),
    Loss("F.gaussian_nll_loss", "values", settings="reduction='none'", call=_with_variance),
    Loss("F.hinge_embedding_loss", "signs"),
    Loss("F.soft_margin_loss", "signs"),
    Loss("F.multilabel_margin_loss", "lists of labels"),
    Loss("F.multilabel_soft_margin_loss", "labels"),
    Loss("F.multi_margin_loss", "classes"),
    Loss("F.cosine_embedding_loss", "a sign of pairs", settings="reduction='none'", call=_pairs),
    Loss("F.margin_ranking_loss", "a sign of pairs", settings="reduction='none'", call=_two),
    Loss("F.ctc_loss", "spelt words", settings="reduction='none'", call=_spelt),
]
NOT_APPLICABLE = dict.fromkeys(
    ("TripletMarginLoss", "TripletMarginWithDistanceLoss", "F.triplet_margin_loss",
     "F.triplet_margin_with_distance_loss"),
    "of anchors, positives and negatives; it reads no targets",
)  # fmt: skip
